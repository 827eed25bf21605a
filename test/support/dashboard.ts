/** The dashboard in tests: signed-in browsers, pictures to look at, and what axe finds in light, dark and on a phone. */
import { mkdirSync } from 'node:fs'
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core'
import { findingsOfAxe, openPage } from './pages.ts'
import { signIn } from './people.ts'
import type { TestServer } from './test-server.ts'

/** Where pictures are written for a person to look at; absent: nowhere. */
const pictures = process.env.LATCHKEY_TEST_PICTURES
if (pictures !== undefined) mkdirSync(pictures, { recursive: true })

/** The widths at which each screen is looked at, in CSS pixels. */
const widths = [390, 768, 1280]

/** Names that break what is not made for them. */
export const strangeNames = ['🦀'.repeat(100), 'שלום עולם', '<b onclick="x">Bold</b> & "quoted"']

export interface Visitor {
  context: BrowserContext
  page: Page
  /** What the console says against the page. */
  complaints: string[]
  cdp: CDPSession
}

/** A browser in which a member is signed in. `javaScript`: whether it runs scripts; absent: yes. Axe needs them. */
export async function visitorOf (
  chromium: Browser, server: Pick<TestServer, 'latchkey' | 'clock' | 'issuer'>, memberId: string,
  { javaScript = true }: { javaScript?: boolean } = {}
): Promise<Visitor> {
  const context = await chromium.newContext({ javaScriptEnabled: javaScript })
  const [name, value] = (await signIn(server, memberId)).cookie.split('=') as [string, string]
  await context.addCookies([{ name, value, url: server.issuer }])
  return { context, ...await openPage(context) }
}

/** Writes what a page looks like at each width. */
export async function picture (page: Page, name: string): Promise<void> {
  if (pictures === undefined) return
  for (const width of widths) {
    await page.setViewportSize({ width, height: 860 })
    await page.screenshot({ path: `${pictures}/${name}-${width}.png`, fullPage: true })
  }
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.setViewportSize({ width: 1280, height: 860 })
  await page.screenshot({ path: `${pictures}/${name}-dark.png`, fullPage: true })
  await page.emulateMedia({ colorScheme: 'light' })
}

/** What axe finds on a page in light, in dark and on a phone, and at which widths it scrolls sideways. */
export async function findingsOn ({ page, cdp }: Pick<Visitor, 'page' | 'cdp'>): Promise<string[]> {
  const found = await findingsOfAxe(cdp)
  await page.emulateMedia({ colorScheme: 'dark' })
  found.push(...(await findingsOfAxe(cdp)).map(each => `dark: ${each}`))
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 390, height: 860 })
  found.push(...(await findingsOfAxe(cdp)).map(each => `390 px: ${each}`))
  for (const width of [320, ...widths]) {
    await page.setViewportSize({ width, height: 860 })
    const { cssContentSize } = await cdp.send('Page.getLayoutMetrics')
    if (cssContentSize.width > width) found.push(`${width} px: ${cssContentSize.width} px wide`)
  }
  await page.setViewportSize({ width: 1280, height: 860 })
  return found
}
