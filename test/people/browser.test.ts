/** The pages of people in a real Chromium: what only a browser can show. */
import tap from 'tap'
import type { Page } from 'playwright-core'
import { browser, startBrowser } from '../support/browser.ts'
import { addAuthenticator, buttonOf, findingsOfAxe, openPage } from '../support/pages.ts'
import { createMember, signIn } from '../support/people.ts'
import { linkOfFirstStart, terminal } from '../support/terminal.ts'
import { startServer } from '../support/test-server.ts'

/** A browser and a server for one file; neither where there is no browser. */
const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { issuer } = server
tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

const login = `${issuer}/api/v1/auth/login`
const passkeys = `${issuer}/api/v1/auth/passkeys`

async function linkFor (memberId: string): Promise<string> {
  return (await server.admin('POST', `/members/${memberId}/sign-in-links`)).json.url
}

async function signInByLink (page: Page, memberId: string): Promise<void> {
  await page.goto(await linkFor(memberId))
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(login)
}

tap.test('the link that the first start prints signs the first owner in, a passkey is added, and it signs in again', {
  skip: browser.skip === false ? terminal.skip : browser.skip
}, async t => {
  const link = await linkOfFirstStart(t)
  const { origin } = new URL(link)
  const context = await chromium.newContext()
  const { page, complaints, cdp } = await openPage(context)
  await addAuthenticator(cdp)
  await page.goto(link)
  t.equal(page.url(), link.slice(0, link.indexOf('#')), 'the address has lost the secret')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('link', { name: 'Add a passkey' }).click()
  await page.getByLabel('Name, to tell it from others').fill('Laptop')
  await (await buttonOf(page, 'Add a passkey')).click()
  await page.getByText('Laptop').first().waitFor()
  await page.getByRole('link', { name: 'Back' }).click()
  await page.getByRole('button', { name: 'Sign out', exact: true }).click()
  await page.waitForURL(`${origin}/api/v1/auth/signed-out`)
  await page.getByRole('link', { name: 'Sign in', exact: true }).click()
  await (await buttonOf(page, 'Use a passkey')).click()
  await page.getByRole('heading', { name: 'You are signed in' }).waitFor()
  t.match(await page.locator('dl').innerText(), /Operator, owner/)
  t.strictSame(complaints, [])
  await context.close()
})

tap.test('sign-in by passkey with the keyboard alone; what goes wrong is said, and the button has the focus', browser, async t => {
  const { id } = await createMember(server)
  const context = await chromium.newContext()
  const { page, complaints, cdp } = await openPage(context)
  const authenticatorId = await addAuthenticator(cdp)
  await page.goto(login)
  const focused = async () => await page.locator(':focus').innerText()
  await page.keyboard.press('Tab')
  t.equal(await focused(), 'Skip to content')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  t.equal(await focused(), 'Use a passkey')
  await page.keyboard.press('Enter')
  await page.getByRole('alert').filter({ hasText: 'No passkey was used' }).waitFor()
  t.equal(await focused(), 'Use a passkey')
  await signInByLink(page, id)
  await page.getByRole('link', { name: 'Add a passkey' }).press('Enter')
  await page.getByLabel('Name, to tell it from others').press('Enter')
  await page.getByText('On one device').waitFor()
  await context.clearCookies()
  await page.goto(login)
  await (await buttonOf(page, 'Use a passkey')).press('Enter')
  await page.getByRole('heading', { name: 'You are signed in' }).waitFor()
  await context.clearCookies()
  await cdp.send('WebAuthn.setUserVerified', { authenticatorId, isUserVerified: false })
  await page.goto(login)
  await (await buttonOf(page, 'Use a passkey')).press('Enter')
  await page.getByRole('alert').filter({ hasText: /\w/ }).waitFor()
  t.strictSame(complaints, [])
  await context.close()
})

tap.test('without JavaScript a link signs in, passkeys are renamed and removed, and adding one says what it needs', browser, async t => {
  const { id } = await createMember(server)
  const scripted = await chromium.newContext()
  const { page: first, cdp } = await openPage(scripted)
  await signInByLink(first, id)
  for (const name of ['Laptop', 'Phone']) {
    const authenticatorId = await addAuthenticator(cdp)
    await first.goto(passkeys)
    await first.getByLabel('Name, to tell it from others').fill(name)
    await (await buttonOf(first, 'Add a passkey')).click()
    await first.locator('strong', { hasText: name }).waitFor()
    await cdp.send('WebAuthn.removeVirtualAuthenticator', { authenticatorId })
  }
  await scripted.close()
  const context = await chromium.newContext({ javaScriptEnabled: false })
  const page = await context.newPage()
  await page.goto(login)
  t.match(await page.locator('main').innerText(), /Passkeys need JavaScript/)
  await page.getByRole('link', { name: 'I have a link' }).click()
  await page.getByLabel('Sign-in link').fill(await linkFor(id))
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('link', { name: 'Passkeys' }).click()
  await page.getByText('Change Laptop').click()
  await page.locator('details[open]').getByLabel('Name').fill('Old laptop')
  await page.getByRole('button', { name: 'Rename' }).click()
  await page.getByText('Change Old laptop').click()
  await page.locator('details[open]').getByRole('button', { name: 'Remove' }).click()
  await page.waitForURL(passkeys)
  t.strictSame(await page.locator('strong').allInnerTexts(), ['Phone'])
  await (await buttonOf(page, 'Add a passkey')).click()
  t.match(await page.locator('main').innerText(), /Passkeys need JavaScript/)
  await page.goto(login)
  await page.getByRole('button', { name: 'Sign out everywhere' }).click()
  t.match(await page.locator('main').innerText(), /You are signed out/)
  await context.close()
})

tap.test('text and code appear in the fonts of this server', browser, async t => {
  const context = await chromium.newContext()
  const { page, complaints } = await openPage(context)
  await page.goto(issuer)
  const loaded = 'document.fonts.ready.then(fonts => Array.from(fonts, ({ family, status }) => [family, status]))'
  t.strictSame(await page.evaluate(loaded), [['Inter', 'loaded'], ['JetBrains Mono', 'loaded']])
  t.strictSame(complaints, [])
  await context.close()
})

tap.test('axe finds nothing on any page: light, dark, and 390 px wide', browser, async t => {
  const { id } = await createMember(server)
  const context = await chromium.newContext()
  const { page, complaints, cdp } = await openPage(context)
  await addAuthenticator(cdp)
  const looks = [
    { scheme: 'light', width: 1_280 }, { scheme: 'dark', width: 1_280 }, { scheme: 'light', width: 390 },
    { scheme: 'dark', width: 390 }
  ] as const
  const look = async (what: string) => {
    for (const { scheme, width } of looks) {
      await page.emulateMedia({ colorScheme: scheme })
      await page.setViewportSize({ width, height: 844 })
      t.strictSame(await findingsOfAxe(cdp), [], `${what}, ${scheme}, ${width} px`)
      const sideways = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth')
      t.ok(sideways as number <= 0, `${what}: no sideways scrolling at ${width} px`)
    }
  }
  for (const [what, path] of [
    ['first page', '/'], ['sign-in', '/api/v1/auth/login'], ['link', '/api/v1/auth/link'],
    ['signed out', '/api/v1/auth/signed-out'], ['error', '/api/v1/auth/passkeys']
  ] as const) {
    await page.goto(issuer + path)
    await look(what)
  }
  await page.goto(`${issuer}/api/v1/auth/link#lksil_wrong`)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('alert').waitFor()
  await look('refused link')
  await page.goto(login)
  await (await buttonOf(page, 'Use a passkey')).click()
  await page.getByRole('alert').filter({ hasText: /\w/ }).waitFor()
  await look('sign-in without a passkey')
  await signInByLink(page, id)
  await look('signed in')
  await page.getByRole('link', { name: 'Add a passkey' }).click()
  await look('no passkey')
  await (await buttonOf(page, 'Add a passkey')).click()
  await page.getByText('Change This device').click()
  await look('a passkey')
  t.strictSame(complaints, [])
  const { cookie } = await signIn(server, id, { authenticatedAt: new Date(server.clock.now().getTime() - 3_600_000) })
  const [name, value] = cookie.split('=') as [string, string]
  await context.addCookies([{ name, value, url: issuer }])
  await page.goto(passkeys)
  await look('an old sign-in')
  await context.close()
})
