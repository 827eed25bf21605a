/** Signing in on the dashboard, in a real Chromium: own ways and sessions, trusted providers, e-mail domains. */
import tap from 'tap'
import { browser, startBrowser } from '../support/browser.ts'
import { findingsOn, picture, visitorOf } from '../support/screens.ts'
import { createAccount, createMember, createPasskey, signIn } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({
  issuer: port => `http://localhost:${port}`,
  environment: {
    LATCHKEY_OIDC_GOOGLE_ISSUER: 'https://accounts.example.com',
    LATCHKEY_OIDC_GOOGLE_CLIENT_ID: 'latchkey',
    LATCHKEY_OIDC_GOOGLE_CLIENT_SECRET: 'x'.repeat(32),
    LATCHKEY_OIDC_GOOGLE_NAME: 'Example accounts'
  }
})
const { issuer, admin } = server

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

const signInPage = `${issuer}/dashboard/sign-in`

tap.test('a person sees their ways in, ends another session of theirs, and unlinks an account by its name', browser, async t => {
  const { id } = await createMember(server, { role: 'viewer' })
  await createPasskey(server, id)
  await createAccount(server, id, 'https://accounts.example.com')
  const other = await signIn(server, id)
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(signInPage)
  await page.getByText('This one').waitFor()
  t.match(await page.locator('section', { hasText: 'Passkeys' }).first().textContent(), 'Laptop')
  await picture(page, 'sign-in')
  t.strictSame(await findingsOn(visitor), [])
  await page.getByRole('button', { name: 'End session' }).click()
  await page.waitForURL(signInPage)
  t.equal(await page.getByRole('button', { name: 'End session' }).count(), 0)
  t.equal((await server.send({ path: '/api/v1/auth/me', headers: { cookie: other.cookie } })).status, 401)
  await page.getByRole('link', { name: 'Unlink google' }).click()
  await page.getByLabel('Type google to confirm').fill('google')
  await page.getByRole('button', { name: 'Unlink account' }).click()
  await page.waitForURL(signInPage)
  t.strictSame((await admin('GET', `/members/${id}/identities`)).json.data, [])
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})

tap.test('an admin trusts a provider, changes who joins by it, and takes the trust back, without JavaScript too', browser, async t => {
  const { id, organization } = await createMember(server, { role: 'admin' })
  const visitor = await visitorOf(chromium, server, id)
  await visitor.page.goto(`${signInPage}/providers`)
  await visitor.page.getByText('None: no provider signs members in.').waitFor()
  await picture(visitor.page, 'providers')
  t.strictSame(await findingsOn(visitor), [])
  t.strictSame(visitor.complaints, [])
  const group = (await admin('POST', '/groups', { organization, name: 'Bookkeepers', scopes: [] })).json
  const { page, context } = await visitorOf(chromium, server, id, { javaScript: false })
  await page.goto(`${signInPage}/providers`)
  t.equal(await page.getByRole('link', { name: 'Give a domain' }).count(), 0, 'domains are the operators\' to give')
  await page.getByRole('link', { name: 'Trust Example accounts' }).click()
  await page.getByRole('button', { name: 'Trust provider' }).click()
  await page.getByRole('link', { name: 'Example accounts', exact: true }).click()
  const trusted = async () => (await admin('GET', `/trusted-providers?organization=${organization}`)).json.data
  const [{ id: trust }] = await trusted()
  await admin('PATCH', `/trusted-providers/${trust}`, { groupsClaim: 'roles' })
  await page.getByLabel('Who joins by it').selectOption('viewer')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('heading', { name: 'It was changed meanwhile' }).waitFor()
  t.match(await trusted(), [{ joinsAs: null, groupsClaim: 'roles' }])
  await page.getByRole('link', { name: 'Look at it as it is now' }).click()
  await page.getByLabel('Who joins by it').selectOption('viewer')
  await page.getByLabel('Value 1', { exact: true }).fill('accounting')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('alert').waitFor()
  t.equal(await page.getByLabel('Value 1', { exact: true }).inputValue(), 'accounting', 'a value without a group')
  await page.getByLabel('Group for value 1', { exact: true }).selectOption('Bookkeepers')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.waitForURL(`${signInPage}/providers`)
  await visitor.page.goto(`${signInPage}/providers`)
  await visitor.page.getByRole('link', { name: 'Example accounts', exact: true }).click()
  await visitor.page.getByLabel('Value 2', { exact: true }).waitFor()
  await picture(visitor.page, 'group-mapping')
  t.strictSame(await findingsOn(visitor), [])
  t.match(await trusted(), [{
    provider: 'google',
    joinsAs: 'viewer',
    groupsClaim: 'roles',
    groupMapping: [{ value: 'accounting', group: group.id }]
  }])
  await visitor.context.close()
  await page.getByRole('link', { name: 'Take back the trust in Example accounts' }).click()
  await page.getByLabel('Type google to confirm').fill('google')
  await page.getByRole('button', { name: 'Take back trust' }).click()
  await page.waitForURL(`${signInPage}/providers`)
  t.strictSame(await trusted(), [])
  await context.close()
})

tap.test('an operator gives an e-mail domain to an organization, and takes it away by its name', browser, async t => {
  const { organization } = await createMember(server)
  const { id } = await createMember(server, { organization: 'org_operators', operator: true })
  const visitor = await visitorOf(chromium, server, id)
  const { page } = visitor
  await page.goto(`${signInPage}/providers`)
  await page.getByRole('link', { name: 'Give a domain' }).click()
  await page.getByLabel('Organization').selectOption(organization)
  await page.getByLabel('Domain').fill('not a domain')
  await page.getByRole('button', { name: 'Give domain' }).click()
  await page.locator('#domain[aria-invalid]').waitFor()
  t.equal(await page.getByLabel('Organization').inputValue(), organization, 'what was chosen is kept')
  await page.getByLabel('Domain').fill('acme.example')
  await page.getByRole('button', { name: 'Give domain' }).click()
  await page.getByRole('link', { name: 'Take away acme.example' }).waitFor()
  await picture(page, 'domains')
  t.strictSame(await findingsOn(visitor), [])
  await page.getByRole('link', { name: 'Take away acme.example' }).click()
  await page.getByLabel('Type acme.example to confirm').fill('acme.example')
  await page.getByRole('button', { name: 'Take domain away' }).click()
  await page.waitForURL(`${signInPage}/providers`)
  t.strictSame((await admin('GET', '/email-domains')).json.data, [])
  t.strictSame(visitor.complaints, [])
  await visitor.context.close()
})
