/** The end of what a person has allowed: every token is refused on the next request, on every server and guard. */
import tap from 'tap'
import { endConsent, endAuthorization } from '../../src/domain/authorizations/end.ts'
import { openGuard } from '../../packages/guard/src/index.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { authorize, createAskingClient, redeem, type AskingClient } from '../support/authorizing.ts'
import { noNeeds, requestWith } from '../support/guard-requests.ts'
import { createPerson, type Person } from '../support/people.ts'
import { freshDatabase } from '../support/postgres.ts'
import { decodeJwt, startServer } from '../support/test-server.ts'
import { until } from '../support/waiting.ts'

tap.setTimeout(600_000)
const database = await freshDatabase()
const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
const first = await startServer({ database: database.url, environment })
const second = await startServer({ database: database.url, environment, issuer: first.issuer })
const asking = await first.createClient({ introspects: [first.issuer] })
const guard = await openGuard({
  server: second.url,
  clientId: asking.clientId,
  clientSecret: asking.clientSecret,
  resource: first.issuer,
  onError: () => {}
})
await until('the guard is trusted', () => guard.isTrusted)
tap.teardown(async () => {
  await guard.stop()
  await Promise.all([first.close(), second.close()])
  await database.drop()
})

const asked = { resource: first.issuer, scope: 'invoices:read' }
const needs = { ...noNeeds, scopes: ['invoices:read'] }
const { operation } = first.latchkey

interface Given { person: Person, client: AskingClient, token: string, authorizationId: string }

async function given (): Promise<Given> {
  const person = await createPerson(first)
  const client = await createAskingClient(first)
  const { access_token: token } = (await redeem(first, client, await authorize(first, client, person, asked))).json
  return { person, client, token, authorizationId: decodeJwt(token).payload.gnt }
}

const ends: Record<string, (given: Given) => Promise<unknown>> = {
  'the authorization': ({ authorizationId }) => endAuthorization(operation, authorizationId),
  'the consent': async ({ client, person }) => {
    const about = { memberId: person.id, clientId: client.id, resourceId: 'res_host' }
    await endConsent(operation, (await operation.store.consents.about(about))!.id)
  },
  'the member': ({ person }) => operation.store.transaction(async tx => {
    const member = (await tx.members.get(person.id))!
    await tx.members.update({ ...member, removedAt: first.clock.now() })
  }),
  'the client': ({ client }) => first.admin('POST', `/clients/${client.id}/revoke`),
  'the organization': ({ person }) => first.admin('POST', `/organizations/${person.organization}/suspend`),
}

for (const [what, end] of Object.entries(ends)) {
  tap.test(`the end of ${what} ends every token at once: on both servers, at a remote guard, by introspection [postgresql]`, async t => {
    const authorized = await given()
    const { token } = authorized
    const introspect = async () => (await second.send({
      method: 'POST',
      path: '/api/v1/oauth/introspect',
      body: new URLSearchParams({ token, client_id: asking.clientId, client_secret: asking.clientSecret })
    })).json.active
    const passes = async () => (await guard.decide(requestWith(token, 'authorization'), needs)).ok
    const answers = async () => [
      (await first.bearer(token)).status, (await second.bearer(token)).status, await passes(), await introspect()
    ]
    t.strictSame(await answers(), [200, 200, true, true])
    await end(authorized)
    const [here, there, ...rest] = await answers()
    t.ok([here, there].every(status => status === 401 || status === 403), `${here} ${there}`)
    t.strictSame(rest, [false, false])
  })
}
