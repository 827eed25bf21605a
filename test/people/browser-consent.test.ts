/** Consent and connected applications in a real Chromium: what only a browser can show. */
import { once } from 'node:events'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import tap, { type Test } from 'tap'
import type { BrowserContext, Page } from 'playwright-core'
import { authorizationUrl, createAskingClient, newPkce, type AskingClient } from '../support/authorizing.ts'
import { browser, startBrowser } from '../support/browser.ts'
import { makeAuthority } from '../support/certificates.ts'
import { addAuthenticator, buttonOf, findingsOfAxe, openPage } from '../support/pages.ts'
import { createMember, signIn } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'

const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { issuer } = server

/** A client on the web whose callback leads on to a private scheme, as those of desktop applications do. */
const callback = 'https://app.example.test/callback'
const { key, certificate: cert } = makeAuthority().certify('app.example.test')
const application = createServer({ key, cert }, (_request, response) => {
  response.writeHead(302, { location: 'com.example.agent://signed-in' }).end()
}).listen(0, '127.0.0.1')
await once(application, 'listening')
const { port } = application.address() as AddressInfo
const chromium = browser.skip === false
  ? await startBrowser([`--host-resolver-rules=MAP app.example.test:443 127.0.0.1:${port}`])
  : null!

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  application.close()
  await server.close()
})

const login = `${issuer}/api/v1/auth/login`
const asked = { resource: issuer, scope: 'invoices:read invoices:write' }

const asks = (client: AskingClient, more: Record<string, string> = {}) =>
  authorizationUrl({ url: issuer }, client, newPkce().challenge, { ...asked, ...more })

const webClient = () => createAskingClient(server, { redirect_uris: [callback], application_type: 'web' })

async function linkFor (memberId: string): Promise<string> {
  return (await server.admin('POST', `/members/${memberId}/sign-in-links`)).json.url
}

async function withSession (context: BrowserContext, memberId: string): Promise<void> {
  const [name, value] = (await signIn(server, memberId)).cookie.split('=') as [string, string]
  await context.addCookies([{ name, value, url: issuer }])
}

async function arrives (t: Test, page: Page, act: () => Promise<unknown>): Promise<void> {
  const reached = page.waitForResponse(response => response.url().startsWith(callback))
  await act()
  const response = await reached
  t.ok(new URL(response.url()).searchParams.get('code'))
  t.equal(response.headers().location, 'com.example.agent://signed-in')
}

tap.test('sign-in by link and by passkey within an authorization leads to the client, also where the consent is remembered, and its callback leads on', browser, async t => {
  const { id } = await createMember(server)
  const client = await webClient()
  const context = await chromium.newContext({ ignoreHTTPSErrors: true })
  const { page, complaints, cdp } = await openPage(context)
  await addAuthenticator(cdp)
  const byLink = async () => {
    await page.goto(asks(client))
    await page.getByRole('link', { name: 'I have a link' }).click()
    await page.getByLabel('Sign-in link').fill(await linkFor(id))
    await page.getByRole('button', { name: 'Sign in' }).click()
  }
  await byLink()
  await page.getByRole('heading', { name: '“Weather Agent” wants to act for you' }).waitFor()
  await arrives(t, page, () => page.getByRole('button', { name: 'Allow access' }).click())
  await context.clearCookies()
  await arrives(t, page, byLink)
  await page.goto(`${issuer}/api/v1/auth/passkeys`)
  await (await buttonOf(page, 'Add a passkey')).click()
  await page.getByText('Change This device').waitFor()
  await context.clearCookies()
  await page.goto(asks(client))
  await arrives(t, page, async () => { await (await buttonOf(page, 'Use a passkey')).click() })
  t.strictSame(complaints, [])
  await context.close()
})

tap.test('with the keyboard alone: what is asked is reached, and Allow and Cancel are one step apart', browser, async t => {
  const { id } = await createMember(server)
  const context = await chromium.newContext({ ignoreHTTPSErrors: true })
  const { page, complaints } = await openPage(context)
  await withSession(context, id)
  const focused = async () => await page.locator(':focus').innerText()
  await page.goto(asks(await webClient()))
  await page.keyboard.press('Tab')
  t.equal(await focused(), 'Skip to content')
  await page.keyboard.press('Enter')
  await page.keyboard.press('Tab')
  t.equal(await focused(), 'Allow access')
  await page.keyboard.press('Tab')
  t.equal(await focused(), 'Cancel')
  const reached = page.waitForRequest(request => request.url().startsWith(callback))
  await page.keyboard.press('Enter')
  t.equal(new URL((await reached).url()).searchParams.get('error'), 'access_denied')
  await page.goto(asks(await webClient()))
  await arrives(t, page, () => page.getByRole('button', { name: 'Allow access' }).press('Enter'))
  await page.goto(`${issuer}/api/v1/auth/applications`)
  await page.getByText('End access of Weather Agent').first().press('Enter')
  await page.getByRole('button', { name: 'End access of Weather Agent' }).press('Enter')
  await page.getByText('You have allowed no application anything.').waitFor()
  t.strictSame(complaints, [])
  await context.close()
})

tap.test('without JavaScript a request is allowed, seen and ended', browser, async t => {
  const { id } = await createMember(server)
  const context = await chromium.newContext({ ignoreHTTPSErrors: true, javaScriptEnabled: false })
  const page = await context.newPage()
  await withSession(context, id)
  await page.goto(asks(await webClient()))
  await arrives(t, page, () => page.getByRole('button', { name: 'Allow access' }).click())
  await page.goto(login)
  await page.getByRole('link', { name: 'Connected applications' }).click()
  await page.getByText('End access of Weather Agent').first().click()
  await page.getByRole('button', { name: 'End access of Weather Agent' }).click()
  await page.getByText('You have allowed no application anything.').waitFor()
  await context.close()
})

tap.test('from an API that is not open to them, and from a refused request, people get back to the client', browser, async t => {
  const { id } = await createMember(server)
  const client = await createAskingClient(server, { redirect_uris: [callback] }, { origin: 'registered' })
  const context = await chromium.newContext({ ignoreHTTPSErrors: true })
  const { page, complaints } = await openPage(context)
  const goesBack = async (click: () => Promise<void>) => {
    const reached = page.waitForResponse(response => response.url().startsWith(callback))
    await click()
    const { searchParams } = new URL((await reached).url())
    return [searchParams.get('error'), searchParams.get('state'), searchParams.get('iss')]
  }
  await page.goto(asks(client, { scope: 'a"b' }))
  t.strictSame(
    await goesBack(() => page.getByRole('link', { name: 'Go on to app.example.test' }).click()),
    ['invalid_scope', 'a-state', issuer]
  )
  await withSession(context, id)
  await page.goto(asks(client, { resource: 'https://nothing.example/api' }))
  t.strictSame(
    await goesBack(() => page.getByRole('button', { name: 'Back to the application' }).click()),
    ['invalid_target', 'a-state', issuer]
  )
  t.strictSame(complaints, [])
  await context.close()
})

tap.test('axe finds nothing in any state: light, dark, and 390 px wide', browser, async t => {
  const { id, organization } = await createMember(server)
  const context = await chromium.newContext({ ignoreHTTPSErrors: true })
  const { page, complaints, cdp } = await openPage(context)
  const look = async (what: string) => {
    for (const scheme of ['light', 'dark'] as const) {
      for (const width of [1_280, 390]) {
        await page.emulateMedia({ colorScheme: scheme })
        await page.setViewportSize({ width, height: 844 })
        t.strictSame(await findingsOfAxe(cdp), [], `${what}, ${scheme}, ${width} px`)
        const sideways = await page.evaluate('document.documentElement.scrollWidth - window.innerWidth')
        t.ok(sideways as number <= 0, `${what}: no sideways scrolling at ${width} px`)
      }
    }
  }
  await withSession(context, id)
  await page.goto(`${issuer}/api/v1/auth/applications`)
  await look('no application')
  const native = await createAskingClient(server, {
    redirect_uris: ['http://127.0.0.1/cb'], application_type: 'native'
  }, { origin: 'registered', name: `${'x'.repeat(300)}` })
  await page.goto(asks(native, { scope: 'invoices:read' }))
  await look('an unverified program on this computer, with a long name')
  const client = await createAskingClient(server, { redirect_uris: [callback] }, { origin: 'registered' })
  for (const scope of ['invoices:read', 'invoices:read invoices:write']) {
    await page.goto(asks(client, { scope }))
    await look(`consent to ${scope}`)
    await page.getByRole('button', { name: 'Allow access' }).click()
  }
  await page.goto(asks(client, { prompt: 'consent' }))
  await look('consent to what was allowed before')
  await page.goto(`${issuer}/api/v1/auth/applications`)
  await page.getByText('End access of').first().click()
  await look('connected applications')
  for (const unverified of ['approve', 'deny']) {
    await server.admin('POST', `/organizations/${organization}/admit-clients`, { unverified })
    await page.goto(asks(client))
    await look(`the rule ${unverified}`)
  }
  const long = `https://${'x'.repeat(63)}.example.test/${'y'.repeat(200)}`
  await page.goto(asks(client, { resource: long }))
  await look('an API that is not open to the person')
  await context.clearCookies()
  await page.goto(asks(client, { scope: 'a"b' }))
  await look('a refused request of an unverified client')
  t.strictSame(complaints, [])
  await context.close()
})
