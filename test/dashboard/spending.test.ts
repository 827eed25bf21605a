/** AI spending and provider keys on the dashboard, in a real Chromium. */
import tap from 'tap'
import { sweepShortLived } from '../../src/domain/maintenance/housekeeping.ts'
import { browser, startBrowser } from '../support/browser.ts'
import { asGateway, createGateway, reserveFor } from '../support/gateway.ts'
import { confirmWrongly, visitor } from '../support/screens.ts'
import { startServer } from '../support/test-server.ts'

const chromium = browser.skip === false ? await startBrowser() : null!
const server = await startServer({ issuer: port => `http://localhost:${port}` })
const { admin, latchkey } = server
const gateway = await createGateway(server)

tap.setTimeout(300_000)
tap.teardown(async () => {
  await chromium?.close()
  await server.close()
})

tap.test('OC-10: budgets as bars, what was spent by day, model and key, and unsettled reservations', browser, async t => {
  const { page, organization, visit, look, leave } = await visitor(server, chromium)
  await visit('/spending')
  await page.getByText('None. Every reservation that ended was settled or released.').waitFor()
  await look(t, 'spending-empty')
  const { key, id } = await server.createKey({ organization, name: 'Models' })
  await admin('PUT', `/budgets/organizations/${organization}`, { day: 2_500_000, month: 10_000_000 })
  const settled = await reserveFor(server, gateway, key, { estimate: 1_000_000 })
  await asGateway(server, gateway, `/spend/reservations/${settled.json.id}/settle`, { amount: 1_234_567 })
  const lost = await reserveFor(server, gateway, key, { estimate: 1_000_000, model: 'large' })
  server.clock.advance(600)
  await sweepShortLived(latchkey.operation)
  await visit('/spending')
  await page.getByText('$2.234567 of $2.50 spent, nearly used up').waitFor()
  await page.getByText('$2.234567 of $10.00 spent').waitFor()
  await page.getByRole('row', { name: 'large, 1 call $1.00' }).waitFor()
  await page.getByRole('row', { name: `${id}, 2 calls $2.234567` }).waitFor()
  await page.getByText(lost.json.id).waitFor()
  t.equal(await page.getByText('Change budget').count(), 0, 'budgets are the deployment\'s')
  await look(t, 'spending')
  await leave(t)
})

tap.test('an operator sets budgets in dollars, to the micro-dollar', browser, async t => {
  const { id: organization } = await server.createOrganization('Tenant')
  const { page, visit, look, leave } = await visitor(server, chromium, {
    organization: 'org_operators', operator: true
  })
  await visit(`/spending?organization=${organization}`)
  await page.getByRole('link', { name: 'Change budget' }).click()
  await page.getByLabel('For a day').fill('0.0000001')
  await page.getByRole('button', { name: 'Save budget' }).click()
  await page.getByText('Write dollars with at most six decimals').waitFor()
  await look(t, 'spending-budget')
  await page.getByLabel('For a day').fill('1.1')
  await page.getByLabel('For a month').fill('9007199254.740991')
  await page.getByRole('button', { name: 'Save budget' }).click()
  await page.getByText('$0.00 of $1.10 spent').waitFor()
  t.match((await admin('GET', `/budgets/organizations/${organization}`)).json, {
    day: { limit: 1_100_000 }, month: { limit: Number.MAX_SAFE_INTEGER }
  })
  const { key } = await server.createKey({ organization })
  const { json } = await reserveFor(server, gateway, key, { estimate: 2_000 })
  await asGateway(server, gateway, `/spend/reservations/${json.id}/settle`, { amount: 1_500 })
  await visit(`/spending?organization=${organization}`)
  await page.getByText('Micro-dollars: 1,500 from').waitFor()
  t.equal(await page.getByRole('row', { name: ', 1 call $0.0015' }).count(), 2, 'less than a cent is not shown as none')
  await leave(t)
})

tap.test('OC-09: a provider key is set, replaced and removed, and no page has its text', browser, async t => {
  const { page, organization, visit, look, leave } = await visitor(server, chromium)
  const [first, second] = ['sk-first-0123456789', 'sk-second-9876543210']
  await visit('/provider-keys')
  await look(t, 'provider-keys-empty')
  await page.getByRole('link', { name: 'Set provider key' }).click()
  await page.getByLabel('Provider', { exact: true }).fill('openai')
  await page.getByLabel('Key', { exact: true }).fill(first)
  await look(t, 'provider-key-new')
  await page.getByRole('button', { name: 'Set key' }).click()
  await page.getByText('…6789').waitFor()
  await look(t, 'provider-keys')
  await page.getByRole('link', { name: 'Replace openai' }).click()
  await page.getByLabel('Key', { exact: true }).fill('short')
  await page.getByRole('button', { name: 'Replace key' }).click()
  await page.getByRole('alert').waitFor()
  t.equal(await page.getByLabel('Key', { exact: true }).inputValue(), '')
  await page.getByLabel('Key', { exact: true }).fill(second)
  await page.getByRole('button', { name: 'Replace key' }).click()
  await page.getByText('…3210').waitFor()
  t.notMatch(await page.content(), new RegExp(`${first}|${second}`))
  const [{ id }] = (await admin('GET', `/provider-keys?organization=${organization}`)).json.data
  t.equal((await asGateway(server, gateway, `/provider-keys/${id}/lease`)).json.key, second)
  await page.getByRole('link', { name: 'Remove openai' }).click()
  await confirmWrongly(t, page, 'openai', 'Remove key')
  await page.getByLabel('Type openai to confirm').fill('openai')
  await page.getByRole('button', { name: 'Remove key' }).click()
  await page.getByText('No provider keys yet').waitFor()
  t.equal((await admin('GET', `/provider-keys/${id}`)).status, 404)
  t.notMatch(server.lines.join(''), new RegExp(`${first}|${second}`))
  await leave(t)
})
