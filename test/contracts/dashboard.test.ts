/** The halves of statements that people see: each on the dashboard, in a real Chromium. */
import tap from 'tap'
import { craftkit, craftkitPath, declareCraftkit } from '../../examples/craftkit/api.ts'
import { openStudio } from '../../examples/craftkit/studio.ts'
import { newApiKeyText } from '../../src/secrets/credential-text.ts'
import { browser, startBrowser } from '../support/browser.ts'
import { callTo } from '../support/protected-api.ts'
import { visitor, type Visitor } from '../support/screens.ts'
import { startServer } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const issuer = (port: number) => `http://localhost:${port}`
const server = await startServer({ issuer })
const studio = await startServer({
  issuer,
  async mount (app, latchkey) {
    await declareCraftkit(latchkey)
    await app.register(craftkit(latchkey, openStudio(), { environment: 'live' }), { prefix: craftkitPath })
  }
})

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await Promise.all([server.close(), studio.close()])
})

/** Makes a key by the form; returns its text and id. */
async function makeKey (
  { page, visit }: Visitor, name: string, scopes: readonly string[] = []
): Promise<{ key: string, id: string }> {
  await visit('/api-keys/new')
  await page.getByLabel('Name', { exact: true }).fill(name)
  if (scopes.length > 0) {
    await page.getByRole('radio', { name: 'Custom' }).check()
    await page.getByRole('combobox', { name: 'API', exact: true }).selectOption(server.issuer)
    await page.locator('summary').filter({ hasText: server.issuer }).first().click()
    for (const scope of scopes) await page.locator(`input[value="${server.issuer} ${scope}"]`).check()
  }
  await page.getByRole('button', { name: 'Create API key' }).click()
  const key = (await page.getByLabel(name, { exact: true }).textContent())!
  await page.getByRole('button', { name: 'I have saved it' }).click()
  await page.getByRole('heading', { name, level: 1 }).waitFor()
  return { key, id: page.url().split('/').at(-1)! }
}

async function revoke ({ page, visit }: Visitor, name: string): Promise<void> {
  await visit('/api-keys')
  await page.getByRole('link', { name: `Revoke ${name}` }).click()
  await page.getByLabel(`Type ${name} to confirm`).fill(name)
  await page.getByRole('button', { name: 'Revoke key' }).click()
  await page.getByRole('row', { name }).getByText('Revoked').waitFor()
}

tap.test('CL-06: on the dashboard a key is created, listed, updated and revoked', browser, async t => {
  const viewer = await visitor(server, chromium)
  const { page, visit } = viewer
  const { key, id } = await makeKey(viewer, 'Importer')
  t.equal((await server.withKey(key)).status, 200)
  await visit('/api-keys')
  await page.getByRole('link', { name: 'Importer', exact: true }).click()
  await page.getByLabel('Name', { exact: true }).fill('Exporter')
  await page.getByRole('button', { name: 'Rename' }).click()
  await page.getByRole('heading', { name: 'Exporter', level: 1 }).waitFor()
  t.equal((await server.admin('GET', `/api-keys/${id}`)).json.name, 'Exporter')
  await revoke(viewer, 'Exporter')
  t.equal((await server.withKey(key)).status, 401)
  await viewer.leave(t)
})

tap.test('CL-15: on the dashboard a person finds the id of their organization', browser, async t => {
  const viewer = await visitor(server, chromium)
  await viewer.visit('/organizations')
  t.ok(await viewer.page.getByText(viewer.organization).count() > 0)
  await viewer.leave(t)
})

tap.test('CK-03: on the dashboard a project has many keys, and revoking one leaves the others', browser, async t => {
  const viewer = await visitor(server, chromium)
  const keys = []
  for (const name of ['One', 'Two', 'Three']) keys.push((await makeKey(viewer, name)).key)
  await revoke(viewer, 'Two')
  const statuses = await Promise.all(keys.map(async key => (await server.withKey(key)).status))
  t.strictSame(statuses, [200, 401, 200])
  await viewer.leave(t)
})

tap.test('CD-02: under Settings a key with a descriptive name is made, and shown once', browser, async t => {
  const viewer = await visitor(server, chromium)
  await viewer.visit('')
  await viewer.page.getByRole('navigation', { name: 'Places' }).getByRole('link', { name: 'API keys' }).click()
  await viewer.page.getByRole('heading', { name: 'API keys', level: 1 }).waitFor()
  const { key } = await makeKey(viewer, 'Nightly reports of the warehouse')
  t.notOk((await viewer.page.content()).includes(key), 'it is shown once')
  await viewer.leave(t)
})

tap.test('CD-04: the list shows each active key with its days of creation and last use', browser, async t => {
  const viewer = await visitor(server, chromium)
  const { key } = await makeKey(viewer, 'Used')
  await makeKey(viewer, 'Unused')
  t.equal((await server.withKey(key)).status, 200)
  await viewer.visit('/api-keys?status=active')
  const row = (name: string) => viewer.page.getByRole('row', { name })
  const [day] = new Date().toISOString().split('T')
  t.ok(await row('Unused').getByText('never').count() > 0)
  t.equal(await row('Used').locator('time[datetime^="' + day! + '"]').count() >= 1, true)
  await viewer.leave(t)
})

tap.test('CD-05: a key is renamed, and its callers notice nothing', browser, async t => {
  const viewer = await visitor(server, chromium)
  const { key } = await makeKey(viewer, 'Old name')
  await viewer.page.getByLabel('Name', { exact: true }).fill('New name')
  await viewer.page.getByRole('button', { name: 'Rename' }).click()
  await viewer.page.getByRole('heading', { name: 'New name', level: 1 }).waitFor()
  t.equal((await server.withKey(key)).status, 200)
  await viewer.leave(t)
})

tap.test('CD-06: the page of a key shows its calls', browser, async t => {
  const viewer = await visitor(server, chromium)
  const { key, id } = await makeKey(viewer, 'Counted')
  for (let i = 0; i < 7; i++) await server.withKey(key)
  await viewer.visit(`/api-keys/${id}`)
  t.equal(await viewer.page.locator('dt', { hasText: 'Calls today' }).locator('+ dd').textContent(), '7')
  await viewer.leave(t)
})

tap.test('CD-07: a key that is revoked on the dashboard is 401 at once', browser, async t => {
  const viewer = await visitor(server, chromium)
  const { key } = await makeKey(viewer, 'Leaked')
  t.equal((await server.withKey(key)).status, 200)
  await revoke(viewer, 'Leaked')
  t.equal((await server.withKey(key)).status, 401)
  await viewer.leave(t)
})

tap.test('CD-11: unusual activity shows on the dashboard: calls by day, and refusals with their reasons', browser, async t => {
  const viewer = await visitor(server, chromium)
  const { key, id } = await makeKey(viewer, 'Narrow', ['company:read'])
  for (let i = 0; i < 3; i++) t.equal((await server.withKey(key)).status, 403)
  t.equal((await server.withKey(key, '/api/v1/company')).status, 200)
  await viewer.visit('/usage')
  t.ok(await viewer.page.getByText('Narrow').count() > 0)
  await viewer.visit(`/api-keys/${id}`)
  await viewer.page.getByText('insufficient_scope').first().waitFor()
  await viewer.leave(t)
})

tap.test('LB-02: a key of the dashboard has the scopes that were chosen, and revoked it is refused from the next request on', browser, async t => {
  const viewer = await visitor(server, chromium)
  const { key } = await makeKey(viewer, 'Scoped', ['invoices:read'])
  t.equal((await server.withKey(key)).status, 200)
  t.equal((await server.withKey(key, '/api/v1/company')).status, 403)
  await revoke(viewer, 'Scoped')
  t.equal((await server.withKey(key)).status, 401)
  await viewer.leave(t)
})

tap.test('LB-08: scopes are chosen for a client on the dashboard, and its test token has those, whatever is asked for', browser, async t => {
  const viewer = await visitor(server, chromium)
  const { page, visit } = viewer
  await visit('/clients/new')
  await page.getByLabel('Name', { exact: true }).fill('Ledger sync')
  await page.getByRole('radio', { name: 'Custom' }).check()
  await page.locator('summary').filter({ hasText: server.issuer }).first().click()
  await page.locator(`input[value="${server.issuer} company:read"]`).check()
  await page.getByRole('button', { name: 'Create client' }).click()
  const clientId = (await page.getByLabel('Client id of Ledger sync').textContent())!
  const clientSecret = (await page.getByLabel('Secret of Ledger sync', { exact: true }).textContent())!
  const { json } = await server.tokenRequest({ clientId, clientSecret }, { scope: 'invoices:write' })
  t.equal(json.scope, 'company:read')
  await viewer.leave(t)
})

const call = callTo(studio, craftkitPath)
const order = { template: 'tpl_letter', values: { customer: 'Ada' } }

/** What the page says about a pasted credential. */
async function explained ({ page, visit }: Visitor, pasted: string): Promise<string> {
  await visit('/explain')
  await page.getByLabel('Key, token, request id or address').fill(pasted)
  await page.getByRole('button', { name: 'Explain' }).click()
  await page.getByText(/^Refused now/).waitFor()
  return (await page.locator('#content').textContent())!
}

tap.test('CK-13: the dashboard says of a key that it was minted in another environment or deployment', browser, async t => {
  const viewer = await visitor(studio, chromium)
  const resource = `${studio.issuer}${craftkitPath}`
  const { key } = await studio.createKey({
    organization: viewer.organization, resource, environment: 'test', scopes: ['renders:write']
  })
  t.match(
    await call(key, 'POST', '/v1/renders', order), { status: 401, json: { error: { code: 'invalid_credentials' } } }
  )
  t.match(await explained(viewer, key), /environment/)
  const foreign = newApiKeyText('ck', 'live')
  t.match(await call(foreign, 'POST', '/v1/renders', order), { status: 401 })
  t.match(await explained(viewer, foreign), /made on this deployment/)
  await viewer.leave(t)
})

tap.test('CK-14: the dashboard says of a valid key that its organization has no embedding', browser, async t => {
  const viewer = await visitor(studio, chromium)
  const resource = `${studio.issuer}${craftkitPath}`
  const { key } = await studio.createKey({
    organization: viewer.organization, resource, scopes: ['renders:write', 'templates:read']
  })
  t.match(await call(key, 'GET', '/v1/embed'), { status: 401, json: { error: { code: 'invalid_credentials' } } })
  t.match(await explained(viewer, key), /plan of the organization does not include/)
  await viewer.leave(t)
})
