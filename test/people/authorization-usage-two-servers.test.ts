/** Limits and usage of authorizations on two servers: one month, one account, one minute in the long run. */
import tap from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { authorize, createAskingClient, redeem } from '../support/authorizing.ts'
import { createPerson, type Person } from '../support/people.ts'
import { freshDatabase } from '../support/postgres.ts'
import { decodeJwt, startServer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'
import { deploymentClient, verifyAs } from '../decision/asking.ts'

tap.setTimeout(600_000)
const database = await freshDatabase()
const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
const a = await startServer({ database: database.url, environment })
const b = await startServer({ database: database.url, environment, issuer: a.issuer })
tap.teardown(async () => {
  await Promise.all([a.close(), b.close()])
  await database.drop()
})
// No month ends while it is counted.
for (const server of [a, b]) server.clock.stop()

async function connect (person: Person): Promise<{ token: string, id: string }> {
  const client = await createAskingClient(a)
  const asked = { resource: a.issuer, scope: 'invoices:read' }
  const { json } = await redeem(a, client, await authorize(a, client, person, asked))
  return { token: json.access_token, id: decodeJwt(json.access_token).payload.gnt as string }
}

/** The number of calls that pass, of so many on both servers at once. */
async function passed (token: string, calls: number): Promise<number> {
  const answers = await Promise.all(Array.from({ length: calls }, (_, i) => (i % 2 === 0 ? a : b).bearer(token)))
  return answers.filter(({ status }) => status === 200).length
}

const callsOf = async (id: string): Promise<number> => (await a.admin('GET', `/authorizations/${id}/usage`)).json.calls

tap.test('Y4: of 60 calls for a person on two servers exactly the month\'s quota passes, and is counted [postgresql]', async t => {
  const { token, id } = await connect(await createPerson(a))
  await a.admin('PATCH', `/authorizations/${id}`, { callsPerMonth: 20 })
  t.equal(await passed(token, 60), 20)
  t.equal(await eventually(() => callsOf(id), calls => calls === 20), 20)
})

tap.test('a limit holds on the other server once its change is acknowledged [postgresql]', async t => {
  const { token, id } = await connect(await createPerson(a))
  t.equal(await passed(token, 2), 2)
  await a.admin('PATCH', `/authorizations/${id}`, { callsPerMinute: 1 })
  t.equal((await b.bearer(token)).status, 200)
  t.equal((await b.bearer(token)).status, 429)
  t.equal(await eventually(async () => (await a.bearer(token)).status, status => status === 429), 429)
})

tap.test('CL-03: of calls for two people that race for the last credits, exactly those that are paid pass [postgresql]', async t => {
  const person = await createPerson(a)
  const connected = [await connect(person), await connect(person)]
  const asker = await deploymentClient(a, [a.issuer])
  await a.admin('PATCH', '/resources/res_host', { mostCredits: 1 })
  await a.admin('POST', `/organizations/${person.organization}/credits`, {
    environment: 'live', amount: 7, reason: 'test'
  })
  const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => verifyAs(i % 2 === 0 ? a : b, asker, {
    credential: connected[i % 4 < 2 ? 0 : 1]!.token, resource: a.issuer, scopes: [], credits: 1
  })))
  t.equal(answers.filter(({ json }) => json.allowed === true).length, 7)
  t.equal((await a.admin('GET', `/organizations/${person.organization}/credits`)).json.live, 0)
})
