/** The dashboard for members who exist: their browsers, and what axe and a ruler find in each look. */
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core'
import { findingsOfAxe, openPage } from './pages.ts'
import { signIn } from './people.ts'
import { strangeNames as allStrangeNames } from './screens.ts'
import type { TestServer } from './test-server.ts'

export { picture } from './screens.ts'

/** 200 emoji, text from right to left, markup. */
export const strangeNames = allStrangeNames.slice(0, 3)

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
  const context = await chromium.newContext({ javaScriptEnabled: javaScript, reducedMotion: 'reduce' })
  const [name, value] = (await signIn(server, memberId)).cookie.split('=') as [string, string]
  await context.addCookies([{ name, value, url: server.issuer }])
  return { context, ...await openPage(context) }
}

/** What axe finds on a page in light, in dark and on a phone, and at which widths it scrolls sideways. */
export async function findingsOn ({ page, cdp }: Pick<Visitor, 'page' | 'cdp'>): Promise<string[]> {
  const found = await findingsOfAxe(cdp)
  await page.emulateMedia({ colorScheme: 'dark' })
  found.push(...(await findingsOfAxe(cdp)).map(each => `dark: ${each}`))
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 390, height: 860 })
  found.push(...(await findingsOfAxe(cdp)).map(each => `390 px: ${each}`))
  for (const width of [320, 390, 768, 1280]) {
    await page.setViewportSize({ width, height: 860 })
    const { cssContentSize } = await cdp.send('Page.getLayoutMetrics')
    if (cssContentSize.width > width) found.push(`${width} px: ${cssContentSize.width} px wide`)
  }
  await page.setViewportSize({ width: 1280, height: 860 })
  return found
}
