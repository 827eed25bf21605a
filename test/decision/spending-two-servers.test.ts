/** AI budgets on two servers with one database: the last cent, a budget changed in between, and charges at the end. */
import tap from 'tap'
import { sweepShortLived } from '../../src/domain/maintenance/housekeeping.ts'
import { setProviderKey } from '../../src/domain/spending/provider-key.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { asGateway, createGateway, createTenant, reserveFor } from '../support/gateway.ts'
import { freshDatabase } from '../support/postgres.ts'
import { startServer, type Answer } from '../support/test-server.ts'

const database = await freshDatabase(process.env.LATCHKEY_TEST_POSTGRES_TEMPLATE)
const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
const a = await startServer({ database: database.url, environment })
const b = await startServer({ database: database.url, environment, issuer: a.issuer })
tap.teardown(async () => {
  await Promise.all([a.close(), b.close()])
  await database.drop()
})
// No day ends while it is counted.
for (const server of [a, b]) server.clock.stopInMidMonth()
const servers = [a, b]
const gateway = await createGateway(a)
const monthOf = async (id: string) => (await b.admin('GET', `/budgets/organizations/${id}`)).json.month

tap.test('OC-10: of 200 calls, 40 at once, on two servers, exactly those that three budgets pay for are reserved [postgresql]', async t => {
  const [one, other] = [await createTenant(a), await createTenant(a)]
  t.teardown(() => a.admin('DELETE', '/budgets/global'))
  await a.admin('PUT', '/budgets/global', { day: 60_000, month: null })
  await a.admin('PUT', `/budgets/organizations/${one.id}`, { day: null, month: 40_000 })
  await a.admin('PUT', '/budgets/accounts/ada', { day: null, month: 50_000 })
  const reserved: Answer[] = []
  let left = 200
  await Promise.all(Array.from({ length: 40 }, async () => {
    for (let i = left--; i > 0; i = left--) {
      const answer = await reserveFor(servers[i % 2]!, gateway, i % 4 < 2 ? one.key : other.key, { account: 'ada' })
      if (answer.status === 201) reserved.push(answer)
      else t.equal(answer.status, 429)
    }
  }))
  t.equal(reserved.length, 50, 'the account, the smallest that both share')
  const [ofOne, ofOther] = [await monthOf(one.id), await monthOf(other.id)]
  t.equal(ofOne.reserved + ofOther.reserved, 50_000)
  await Promise.all(reserved.map(async ({ json: { id } }, i) => {
    const settled = await asGateway(servers[i % 2]!, gateway, `/spend/reservations/${id}/settle`, { amount: 999 })
    t.equal(settled.status, 200)
  }))
  t.match((await a.admin('GET', '/budgets/accounts/ada')).json.month, { spent: 49_950, reserved: 0, left: 50 })
  t.equal((await reserveFor(b, gateway, one.key, { account: 'ada', estimate: 51 })).status, 429)
  t.equal((await reserveFor(b, gateway, one.key, { account: 'ada', estimate: 50 })).status, 201, 'the last cent')
})

tap.test('a budget that one server has lowered binds the next reservation on the other [postgresql]', async t => {
  const { id, key } = await createTenant(a)
  for (let i = 0; i < 10; i++) {
    await a.admin('PUT', `/budgets/organizations/${id}`, { day: null, month: 1_000_000 })
    t.equal((await reserveFor(b, gateway, key, { estimate: 1 })).status, 201)
    await a.admin('PUT', `/budgets/organizations/${id}`, { day: null, month: 0 })
    t.equal((await reserveFor(b, gateway, key, { estimate: 1 })).status, 429)
  }
})

tap.test('two servers that charge what was not settled charge it once, and a settlement among them counts [postgresql]', async t => {
  const { id, key } = await createTenant(a)
  const reserved = await Promise.all(Array.from({ length: 30 }, (_, i) => reserveFor(servers[i % 2]!, gateway, key)))
  for (const { clock } of servers) clock.advance(600)
  await Promise.all([
    ...servers.map(({ latchkey }) => sweepShortLived(latchkey.operation)),
    ...reserved.slice(0, 10).map(({ json }, i) =>
      asGateway(servers[i % 2]!, gateway, `/spend/reservations/${json.id}/settle`, { amount: 10 }))
  ])
  t.match(await monthOf(id), { spent: 20 * 1_000 + 10 * 10, reserved: 0 })
  const { json: { data } } = await a.admin('GET', `/spend/sums?by=credential&organization=${id}`)
  t.match(data, [{ amount: 20_100, calls: 30 }])
})

tap.test('several servers that set the key of a provider at once all set it [postgresql]', async t => {
  for (let round = 0; round < 10; round++) {
    const set = await Promise.all([0, 1, 0, 1].map(async (i, order) => await setProviderKey(
      servers[i]!.latchkey.operation, [environment.LATCHKEY_SECRET],
      { organizationId: null, provider: `provider-${round}`, text: `sk-0123456789abcdef-${order}` }
    )))
    t.equal(new Set(set.map(({ id }) => id)).size, 1)
    t.equal(Math.max(...set.map(({ revision }) => revision)), 4)
  }
})

tap.test('a key that one server has replaced is leased by the other [postgresql]', async t => {
  const { json: { id } } = await a.admin('POST', '/provider-keys', {
    organization: null, provider: 'openai', key: 'sk-0123456789abcdef'
  })
  await a.admin('PATCH', `/provider-keys/${id}`, { key: 'sk-fedcba9876543210' })
  t.equal((await asGateway(b, gateway, `/provider-keys/${id}/lease`)).json.key, 'sk-fedcba9876543210')
})
