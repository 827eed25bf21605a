/** "Why was it refused?" in a real Chromium: a pasted key is explained and never shown; requests of a key. */
import tap from 'tap'
import type { BrowserContext } from 'playwright-core'
import { browser, startBrowser } from '../support/browser.ts'
import { picture } from '../support/screens.ts'
import { findingsOfAxe, openPage } from '../support/pages.ts'
import { createMember, createPerson, fromOwnPages, signIn } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { issuer } = server

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

async function withSession (context: BrowserContext, memberId: string): Promise<void> {
  const [name, value] = (await signIn(server, memberId)).cookie.split('=') as [string, string]
  await context.addCookies([{ name, value, url: issuer }])
}

tap.test('LK-12: a pasted key is explained with its refusals and the way out, and stands nowhere', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'admin' })
  const { key, hint, id: keyId } = await server.createKey({ organization, name: 'Till', scopes: ['company:read'] })
  const refused = await server.withKey(key)
  const requestId = refused.headers['x-request-id'] as string
  const context = await chromium.newContext()
  await withSession(context, id)
  const { page, complaints, cdp } = await openPage(context)
  await page.goto(`${issuer}/dashboard`)
  await page.getByRole('link', { name: 'Why was it refused?' }).click()
  t.strictSame(await findingsOfAxe(cdp), [])
  await picture(page, 'explain-empty')
  await page.getByLabel('Key, token, request id or address').fill(` ${key} `)
  await page.getByText('Ask about a call of it').click()
  await page.getByLabel('Scopes that the call needs').fill('invoices:read')
  await page.getByRole('button', { name: 'Explain' }).click()
  await page.getByText('Refused now · 403').waitFor()
  for (const told of ['Give the scope to the key', hint, 'GET /api/v1/invoices', '127.0.0.0/24', requestId]) {
    t.ok(await page.getByText(told).count() > 0, told)
  }
  t.notMatch(await page.content(), key, 'the key is not shown')
  t.notMatch(page.url(), key)
  t.equal(await page.getByLabel('Key, token, request id or address').inputValue(), '')
  t.strictSame(await findingsOfAxe(cdp), [])
  await picture(page, 'explain-key')
  await page.setViewportSize({ width: 390, height: 860 })
  t.strictSame(await findingsOfAxe(cdp), [], 'on a phone')
  await page.emulateMedia({ colorScheme: 'dark' })
  t.strictSame(await findingsOfAxe(cdp), [], 'in the dark')
  await page.setViewportSize({ width: 1280, height: 860 })

  await page.goto(`${issuer}/dashboard/api-keys/${keyId}`)
  await page.getByRole('heading', { name: 'Last requests' }).waitFor()
  t.strictSame(await findingsOfAxe(cdp), [])
  await picture(page, 'key-requests')
  await page.getByRole('link', { name: requestId }).click()
  t.equal(await page.getByLabel('Key, token, request id or address').inputValue(), requestId)
  await page.getByRole('button', { name: 'Explain' }).click()
  await page.getByText('Refused now · 403').waitFor()
  t.strictSame(await findingsOfAxe(cdp), [])

  await page.getByLabel('Key, token, request id or address').fill('127.0.0.1')
  await page.getByRole('button', { name: 'Explain' }).click()
  await page.getByRole('heading', { name: 'Last refusals' }).waitFor()
  await page.getByText('Ask about a call of it').click()
  await page.getByLabel('Key, token, request id or address').fill(key)
  await page.getByLabel('Address that it comes from').fill('nowhere')
  await page.getByRole('button', { name: 'Explain' }).click()
  await page.getByText('from is not an IP address.').waitFor()
  t.notMatch(await page.content(), key, 'nor beside a mistake')
  t.strictSame(await findingsOfAxe(cdp), [])
  t.strictSame(complaints, [])
  t.notMatch(server.lines.join(''), key)
  await context.close()
})

tap.test('the page posts, is not cached, takes no form of another site, and tells nothing of other organizations', async t => {
  const person = await createPerson(server, { role: 'viewer' })
  const foreign = await server.createKey({ name: 'theirs' })
  const post = async (about: string, headers: Record<string, string>) => await server.send({
    method: 'POST',
    path: '/dashboard/explain',
    headers: { cookie: person.cookie, ...headers },
    body: new URLSearchParams({ about })
  })
  const answer = await post(foreign.key, fromOwnPages)
  t.match(answer, { status: 200, headers: { 'cache-control': 'no-store' }, text: /There is no such credential here/ })
  t.notMatch(answer.text, foreign.key)
  t.notMatch(answer.text, /theirs/)
  t.match(await post(foreign.key, { 'sec-fetch-site': 'cross-site' }), { status: 403 })
  t.match(await post('', fromOwnPages), { status: 400, text: /Paste what you want to know about/ })
  const get = await server.send({ path: `/dashboard/explain?about=${foreign.key}`, headers: { cookie: person.cookie } })
  t.notMatch(get.text, foreign.key, 'what stands in an address is not shown again, unless it is an id')
})

tap.test('LK-10: a pasted token says of which key it is, and leads to it', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'admin' })
  const { key, id: keyId } = await server.createKey({ organization, name: 'Nightly' })
  const exchanged = await server.send({
    method: 'POST',
    path: '/api/v1/auth/token',
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: key,
      subject_token_type: 'urn:latchkey:params:oauth:token-type:api-key'
    })
  })
  const token = exchanged.json.access_token as string
  const context = await chromium.newContext()
  await withSession(context, id)
  const { page, complaints } = await openPage(context)
  await page.goto(`${issuer}/dashboard/explain`)
  await page.getByLabel('Key, token, request id or address').fill(token)
  await page.getByRole('button', { name: 'Explain' }).click()
  await page.getByText('access token of the API key').waitFor()
  t.notMatch(await page.content(), token, 'the token is not shown')
  await page.getByRole('link', { name: 'Nightly' }).click()
  await page.waitForURL(`${issuer}/dashboard/api-keys/${keyId}`)
  t.strictSame(complaints, [])
})
