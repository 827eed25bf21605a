/** Screens of the dashboard in a real browser: their people, what axe finds in each look, and pictures to look at. */
import { mkdirSync } from 'node:fs'
import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core'
import type { Test } from 'tap'
import { axeOn, openPage } from './pages.ts'
import { createMember, signIn } from './people.ts'
import type { TestServer } from './test-server.ts'

/** Where pictures are written for a person to look at; absent: nowhere. */
const pictures = process.env.LATCHKEY_TEST_PICTURES
if (pictures !== undefined) mkdirSync(pictures, { recursive: true })

/** The widths at which each screen is looked at, in CSS pixels. */
const widths = [390, 768, 1280]

/** Names that strangers choose: 200 emoji, text from right to left, markup. */
export const strangeNames = [
  '😀'.repeat(200),
  'קניין רוחני של הארגון',
  '<script>alert(1)</script><b>bold</b> & "quoted"'
] as const

/** With one that no line breaks in. */
export const longNames = [...strangeNames, 'x'.repeat(200)] as const

/** A member's page of the dashboard, and what its looks and its console are judged by. */
export interface Visitor {
  page: Page
  context: BrowserContext
  cdp: CDPSession
  /** What the console says against the page. */
  complaints: string[]
  /** Goes to a path below the dashboard. */
  visit (path: string): Promise<void>
  /** Takes pictures of the page as it is, and requires that there are no findings on it. */
  look (t: Test, name: string): Promise<void>
  /** Requires that the console had no complaint, and ends. */
  leave (t: Test): Promise<void>
}

/** Whether scripts run; absent: they do. Axe needs them. */
interface Scripts { javaScript?: boolean }

/** A browser in which a member is signed in. */
export async function visitorOf (
  chromium: Browser, server: Pick<TestServer, 'latchkey' | 'clock' | 'issuer'>, memberId: string,
  { javaScript = true }: Scripts = {}
): Promise<Visitor> {
  const context = await chromium.newContext({ javaScriptEnabled: javaScript, reducedMotion: 'reduce' })
  const [name, value] = (await signIn(server, memberId)).cookie.split('=') as [string, string]
  await context.addCookies([{ name, value, url: server.issuer }])
  const { page, complaints, cdp } = await openPage(context)
  return {
    page,
    context,
    cdp,
    complaints,
    visit: async path => { await page.goto(`${server.issuer}/dashboard${path}`) },
    look: async (t, name) => {
      await picture(page, name)
      t.strictSame(await findingsOn({ page, cdp }), [], name)
    },
    leave: async t => {
      t.strictSame(complaints, [])
      await context.close()
    },
  }
}

/** The rest is of the member. */
export interface VisitorOptions extends Scripts {
  role?: string
  organization?: string
  name?: string
  operator?: boolean
}

/** As `visitorOf`, of a new member. */
export async function visitor (
  server: TestServer, chromium: Browser, { javaScript = true, ...member }: VisitorOptions = {}
): Promise<Visitor & { id: string, organization: string }> {
  const made = await createMember(server, { role: 'admin', ...member })
  return { ...await visitorOf(chromium, server, made.id, { javaScript }), ...made }
}

/** What axe finds on a page in light, in dark and on a phone, and at which widths it scrolls sideways. */
export async function findingsOn ({ page, cdp }: Pick<Visitor, 'page' | 'cdp'>): Promise<string[]> {
  const findings = await axeOn(cdp)
  const found = await findings()
  await page.emulateMedia({ colorScheme: 'dark' })
  found.push(...(await findings()).map(each => `dark: ${each}`))
  await page.emulateMedia({ colorScheme: 'light' })
  await page.setViewportSize({ width: 390, height: 860 })
  found.push(...(await findings()).map(each => `390 px: ${each}`))
  for (const width of [320, ...widths]) {
    await page.setViewportSize({ width, height: 860 })
    const { cssContentSize } = await cdp.send('Page.getLayoutMetrics')
    if (cssContentSize.width > width) found.push(`${width} px: ${cssContentSize.width} px wide`)
  }
  return found
}

/** Writes what a page looks like at each width. */
export async function picture (page: Page, name: string): Promise<void> {
  if (pictures === undefined) return
  for (const width of widths) {
    await page.setViewportSize({ width, height: 860 })
    await page.screenshot({ path: `${pictures}/${name}-${width}.png`, fullPage: true })
  }
  await page.setViewportSize({ width: 1280, height: 860 })
}

/** A wrong name ends nothing: the script of the page holds the button, and the server refuses the form all the same. */
export async function confirmWrongly (t: Test, page: Page, name: string, button: string): Promise<void> {
  await page.getByLabel(`Type ${name} to confirm`).fill(`not ${name}`)
  const isHeld = await page.getByRole('button', { name: button, exact: true }).isDisabled()
  t.equal(isHeld, true, `${button} waits for the name`)
  await page.evaluate("document.querySelector('form[data-name]').requestSubmit()")
  await page.getByText(/^Type .* to [a-z]+ it\.$/).waitFor()
}

/** Sends a form twice at once, as a double click does before the page has changed. */
export async function clickTwice (page: Page, button: string): Promise<void> {
  await page.getByRole('button', { name: button, exact: true }).dblclick()
  await page.waitForLoadState()
}
