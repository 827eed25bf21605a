/** The screens of clients in a real Chromium. */
import tap from 'tap'
import { browser, startBrowser } from '../support/browser.ts'
import { clickTwice, strangeNames, visitor } from '../support/screens.ts'
import { startServer } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { admin, issuer } = server

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

const namesOf = async (organization: string): Promise<string[]> =>
  (await admin('GET', `/clients?organization=${organization}`)).json.data.map(({ name }: { name: string }) => name)

tap.test('CD-02: a client is made once, gets a token, a new secret, another name, and ends by its name', browser, async t => {
  const { page, organization, visit, look, leave } = await visitor(server, chromium)
  await visit('/clients')
  await look(t, 'clients-empty')
  await page.getByRole('link', { name: 'Create client' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Nightly export')
  await page.getByRole('radio', { name: 'Custom' }).check()
  await page.getByText(issuer, { exact: true }).first().click()
  await page.getByRole('checkbox', { name: 'company:read' }).check()
  await look(t, 'client-new')
  await clickTwice(page, 'Create client')
  const secret = (await page.getByLabel('Secret of Nightly export', { exact: true }).textContent())!
  const clientId = (await page.getByLabel('Client id of Nightly export').textContent())!
  t.strictSame(await namesOf(organization), ['Nightly export'], 'a double click makes one')
  await page.getByText('Use it').click()
  await look(t, 'client-once')
  await page.reload()
  t.equal(
    await page.getByLabel('Secret of Nightly export', { exact: true }).textContent(), secret,
    'a reload shows the same secret'
  )
  await page.getByRole('button', { name: 'I have saved it' }).click()
  await page.getByText('company:read').waitFor()
  await look(t, 'client')

  await page.getByRole('link', { name: 'Get a test token' }).click()
  await page.getByLabel('Secret of Nightly export', { exact: true }).fill('wrong')
  await page.getByRole('button', { name: 'Get token' }).click()
  await page.getByText('(invalid_client)').waitFor()
  t.notMatch(await page.content(), 'wrong"', 'the secret is not shown again')
  await look(t, 'client-token-refused')
  await page.getByLabel('Secret of Nightly export', { exact: true }).fill(secret)
  await page.getByRole('button', { name: 'Get token' }).click()
  const token = (await page.getByLabel('Access token of Nightly export').textContent())!
  t.equal((await server.bearer(token, '/api/v1/company')).status, 200)
  await look(t, 'client-token')
  t.notMatch(server.lines.join(''), secret)
  await page.getByRole('link', { name: 'Done' }).click()

  await page.getByRole('link', { name: 'Replace secret' }).click()
  await look(t, 'client-rotate')
  await clickTwice(page, 'Replace secret')
  const second = (await page.getByLabel('Secret of Nightly export', { exact: true }).textContent())!
  t.not(second, secret)
  await server.tokenFor({ clientId, clientSecret: secret })
  await server.tokenFor({ clientId, clientSecret: second })
  t.equal((await admin('GET', `/clients/${clientId}`)).json.secrets.length, 2, 'a double click makes one')
  await page.getByRole('button', { name: 'I have saved it' }).click()
  await page.getByLabel('Name', { exact: true }).fill('Weekly export')
  await page.getByRole('button', { name: 'Rename' }).click()
  await page.getByRole('heading', { name: 'Weekly export', level: 1 }).waitFor()

  await page.getByLabel('Reason (optional)').fill('lost laptop')
  await page.getByRole('button', { name: 'Disable client' }).click()
  await page.getByText('lost laptop').waitFor()
  t.equal((await server.bearer(token, '/api/v1/company')).status, 401)
  t.equal(await page.getByRole('link', { name: 'Replace secret' }).count(), 0)
  await look(t, 'client-disabled')
  await page.getByRole('button', { name: 'Enable client' }).click()
  await page.getByRole('button', { name: 'Disable client' }).waitFor()
  await server.tokenFor({ clientId, clientSecret: second })

  await visit('/clients')
  await page.getByRole('link', { name: 'Revoke Weekly export' }).click()
  await page.getByLabel('Type Weekly export to confirm').fill('weekly')
  t.ok(await page.getByRole('button', { name: 'Revoke client' }).isDisabled())
  await look(t, 'client-revoke')
  await page.getByLabel('Type Weekly export to confirm').fill('Weekly export')
  await page.getByRole('button', { name: 'Revoke client' }).click()
  await page.getByRole('region').getByText('Revoked').waitFor()
  await look(t, 'clients-revoked')
  t.equal((await admin('GET', `/clients/${clientId}`)).json.status, 'revoked')
  await leave(t)
})

tap.test('the list is searched, narrowed, sorted and paged, and has no way for a secret into an address', browser, async t => {
  const { page, organization, visit, look, leave } = await visitor(server, chromium)
  for (const name of strangeNames) await server.createClient({ organization, name })
  const known = await server.createClient({ organization, name: 'Billing worker' })
  await visit('/clients')
  await page.getByText('5 clients, all shown').waitFor()
  await look(t, 'clients')
  await page.getByLabel('Name or client id').fill('billing')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByText('One client, all shown').waitFor()
  t.match(page.url(), 'search=billing')
  await page.getByLabel('Name or client id').fill('nothing of the kind')
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByText('No client is like that.').waitFor()
  await look(t, 'clients-none')
  await page.getByRole('link', { name: 'Show all clients' }).click()
  await page.getByLabel('Name or client id').fill(known.clientSecret)
  await page.getByRole('button', { name: 'Show' }).click()
  await page.getByText('That looks like a secret').waitFor()
  t.notMatch(page.url() + await page.content(), known.clientSecret)
  for (let made = 0; made < 48; made++) await server.createClient({ organization, name: `Worker ${made}` })
  await visit('/clients')
  await page.getByText('50 of 53 clients').waitFor()
  await page.getByRole('link', { name: 'More' }).click()
  await page.getByText('3 of 53 clients').waitFor()
  await page.getByRole('link', { name: 'First page' }).click()
  await page.getByText('50 of 53 clients').waitFor()
  await leave(t)
})

tap.test('without JavaScript: a client with a preset is made, and what is wrong with the form is said at its field', browser, async t => {
  const { page, organization, visit, leave } = await visitor(server, chromium, { javaScript: false })
  await visit('/clients/new')
  await page.getByLabel('Name', { exact: true }).fill('Reader')
  await page.getByLabel('API', { exact: true }).selectOption(issuer)
  await page.getByLabel('Addresses (optional)').fill('everywhere')
  await page.getByRole('button', { name: 'Create client' }).click()
  t.equal(await page.getByLabel('Name', { exact: true }).inputValue(), 'Reader', 'what was typed is kept')
  t.equal(await page.getByLabel('Addresses (optional)').getAttribute('aria-invalid'), 'true')
  await page.getByLabel('Addresses (optional)').fill('')
  await page.getByRole('button', { name: 'Create client' }).click()
  await page.getByLabel('Secret of Reader').waitFor()
  const [made] = (await admin('GET', `/clients?organization=${organization}`)).json.data
  t.strictSame(made.grants, [{ resource: issuer, scopes: ['company:read', 'invoices:read'] }])
  await leave(t)
})

tap.test('what is refused is not offered: to a viewer nothing, to a member what is not their own', browser, async t => {
  const owner = await visitor(server, chromium)
  const { organization } = owner
  const { clientId } = await server.createClient({ organization, name: 'Of somebody else' })
  const viewer = await visitor(server, chromium, { role: 'viewer', organization, name: 'Vera' })
  await viewer.visit('/clients')
  await viewer.page.getByRole('link', { name: 'Of somebody else' }).waitFor()
  t.equal(await viewer.page.getByRole('link', { name: /Create|Revoke/ }).count(), 0)
  await viewer.visit(`/clients/${clientId}`)
  t.equal(await viewer.page.locator('main').getByRole('button').count(), 0)
  await viewer.look(t, 'client-viewer')
  await viewer.visit('/clients/new')
  await viewer.page.getByLabel('Name', { exact: true }).fill('x')
  await viewer.page.getByLabel('API', { exact: true }).selectOption(issuer)
  await viewer.page.getByRole('button', { name: 'Create client' }).click()
  await viewer.page.getByRole('alert').getByText('clients:write').waitFor()
  await viewer.leave(t)
  const member = await visitor(server, chromium, { role: 'member', organization, name: 'Max' })
  await member.visit('/clients')
  t.equal(await member.page.getByRole('link', { name: 'Create client' }).count(), 1)
  t.equal(await member.page.getByRole('link', { name: /Revoke/ }).count(), 0)
  await member.leave(t)
  await owner.leave(t)
})
