/** Exchanged tokens on two servers and at a remote guard: what ends them is known everywhere on the next request. */
import tap from 'tap'
import { openGuard } from '../../packages/guard/src/index.ts'
import { changePolicy, planCreation, planDeletion } from '../../src/domain/access/policy-change.ts'
import { updateApiKey } from '../../src/domain/credentials/api-key-change.ts'
import { disableApiKey } from '../../src/domain/disabling/disable-key.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { noNeeds, requestWith } from '../support/guard-requests.ts'
import { freshDatabase } from '../support/postgres.ts'
import { basic, startServer, type ClientAnswer, type KeyAnswer, type TestServer } from '../support/test-server.ts'
import { eventually, until } from '../support/waiting.ts'

tap.setTimeout(600_000)
const database = await freshDatabase()
const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
const first = await startServer({ database: database.url, environment })
const second = await startServer({ database: database.url, environment, issuer: first.issuer })
const { id: organization } = await first.createOrganization()
const asking = await first.createClient({ organization, introspects: [first.issuer] })
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
const { operation } = first.latchkey
const needs = { ...noNeeds, scopes: ['invoices:read'] }

async function exchange (
  server: TestServer, subject: string, type: string, headers: Record<string, string> = {}
): Promise<string> {
  const body = new URLSearchParams({
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token: subject,
    subject_token_type: type,
    scope: 'invoices:read'
  })
  const answer = await server.send({ method: 'POST', path: '/api/v1/auth/token', headers, body })
  if (answer.status !== 200) throw new Error(answer.text)
  return answer.json.access_token as string
}

const ofKey = async (key: KeyAnswer): Promise<string> =>
  await exchange(second, key.key, 'urn:latchkey:params:oauth:token-type:api-key')
const ofToken = async ({ clientId, clientSecret }: ClientAnswer, token: string): Promise<string> =>
  await exchange(second, token, 'urn:ietf:params:oauth:token-type:access_token', {
    authorization: basic(clientId, clientSecret)
  })

async function introspected (token: string): Promise<boolean> {
  const body = new URLSearchParams({ token, client_id: asking.clientId, client_secret: asking.clientSecret })
  return (await second.send({ method: 'POST', path: '/api/v1/oauth/introspect', body })).json.active as boolean
}

/** Where a token passes: on both servers, at the guard, and in introspection. */
async function passes (token: string): Promise<boolean[]> {
  return [
    (await first.bearer(token)).status === 200,
    (await second.bearer(token)).status === 200,
    (await guard.decide(requestWith(token, 'authorization'), needs)).ok,
    await introspected(token)
  ]
}

const everywhere = [true, true, true, true]
const nowhere = [false, false, false, false]

const endsOfKeys: Record<string, (key: KeyAnswer) => Promise<unknown>> = {
  'it is revoked': ({ id }) => first.admin('DELETE', `/api-keys/${id}`),
  'it is disabled': ({ id }) => disableApiKey(operation, id, null),
  'it gets another allowlist': ({ id }) => updateApiKey(operation, id, { allowlist: ['192.0.2.1'] }),
  'it loses the scope': ({ id }) => updateApiKey(operation, id, { scopes: ['company:read'] }),
  'it is rotated out': ({ id }) => first.admin('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 0 }),
}

for (const [what, end] of Object.entries(endsOfKeys)) {
  tap.test(`LK-10: the token of a key ends everywhere at once when ${what} [postgresql]`, async t => {
    const key = await first.createKey({ organization })
    const token = await ofKey(key)
    t.strictSame(await passes(token), everywhere)
    await end(key)
    const left = await passes(token)
    // Introspection describes what scopes are left, and leaves the allowlist to the server that asks.
    t.strictSame(left.slice(0, 3), nowhere.slice(0, 3))
  })
}

tap.test('RFC 7009: the holder of one token of a key ends it everywhere, and no other [postgresql]', async t => {
  const key = await first.createKey({ organization })
  const [token, sibling] = [await ofKey(key), await ofKey(key)]
  const revoke = async (text: string, more: Record<string, string> = {}, headers: Record<string, string> = {}) =>
    await first.send({
      method: 'POST', path: '/api/v1/oauth/revoke', headers, body: new URLSearchParams({ token: text, ...more })
    })
  const { clientId, clientSecret } = await first.createClient({ organization })
  const proof = { authorization: basic(clientId, clientSecret!) }
  for (const refused of [
    await revoke(token, {}, proof), await revoke(token, { client_id: clientId, client_secret: clientSecret! })
  ]) t.strictSame([refused.status, refused.json.error], [400, 'unsupported_token_type'], 'another client')
  t.equal((await revoke(token, { client_id: clientId })).status, 401, 'a client that does not prove itself')
  t.equal((await revoke(token, { client_id: sibling })).status, 401)
  t.equal((await revoke(`${token.slice(0, -6)}AAAAAA`)).status, 401, 'a token that we have not signed')
  t.equal((await revoke(await first.tokenFor(await first.createClient({ organization })))).status, 401, 'of a client')
  t.not((await revoke(token, {}, { authorization: `Bearer ${token}` })).status, 200, 'a token is no client')
  t.strictSame(await passes(token), everywhere)
  const answer = await revoke(token, { client_id: key.id, token_type_hint: 'access_token' })
  t.strictSame([answer.status, answer.text, answer.headers['cache-control']], [200, '', 'no-store'])
  t.strictSame(await passes(token), nowhere)
  t.equal((await revoke(token)).status, 200, 'once more changes nothing')
  t.strictSame(await passes(sibling), everywhere)
  const { data } = (await first.admin('GET', `/audit?type=token.revoked&subject=${key.id}`)).json
  t.match(data, [{ actor: key.id, subject: key.id, organization }])
  t.equal(data.length, 1)
})

tap.test('RFC 8693: the token of a token ends everywhere at once when its parent is revoked [postgresql]', async t => {
  const client = await first.createClient({ organization })
  const parent = await first.tokenFor(client)
  const child = await ofToken(client, parent)
  t.strictSame(await passes(child), everywhere)
  const body = new URLSearchParams({ client_id: client.clientId, client_secret: client.clientSecret, token: parent })
  t.equal((await first.send({ method: 'POST', path: '/api/v1/oauth/revoke', body })).status, 200)
  t.strictSame(await passes(child), nowhere)
  t.strictSame(await passes(parent), nowhere)
})

tap.test('LK-10: policies about keys and about tokens both bind the token of a key at a guard [postgresql]', async t => {
  const { id: other } = await first.createOrganization()
  const token = await ofKey(await first.createKey({ organization: other }))
  t.strictSame(await passes(token), everywhere)
  for (const kind of ['api_key', 'access_token'] as const) {
    const policy = await changePolicy(operation, planCreation(operation, {
      organizationId: other, name: 'none', effect: 'deny', conditions: { kinds: [kind] }
    }), true)
    t.strictSame(await passes(token), nowhere, kind)
    await changePolicy(operation, planDeletion(operation, policy.id), true)
    t.strictSame(await passes(token), everywhere)
  }
})

tap.test('LK-10: a key and its tokens share a minute at a guard, and its calls count for the key [postgresql]', async t => {
  const { id: other } = await first.createOrganization()
  const key = await first.createKey({ organization: other, callsPerMinute: 4 })
  const token = await ofKey(key)
  const decided = [
    await guard.decide(requestWith(token, 'authorization'), needs),
    await guard.decide(requestWith(key.key), needs),
    await guard.decide(requestWith(token, 'authorization'), needs),
    await guard.decide(requestWith(token, 'authorization'), needs),
    await guard.decide(requestWith(key.key), needs),
  ]
  t.strictSame(decided.map(({ ok }) => ok), [true, true, true, false, false], 'the exchange took the first')
  t.match(decided[0], { principal: { kind: 'access_token', idKind: 'api_key', id: key.id } })
  t.match(decided[3], { refusal: { reason: 'rate_limited', presented: 'access_token', subject: key.id } })
  const counted = async () => (await second.admin('GET', `/organizations/${other}/usage`)).json.live.calls as number
  t.equal(await eventually(counted, calls => calls >= 4), 4)
})

tap.test('LK-10: a guard keeps the token of a key out of what is for keys, and has credits asked for [postgresql]', async t => {
  const { id: other } = await first.createOrganization()
  t.equal((await first.admin('PATCH', '/resources/res_host', { mostCredits: 2 })).status, 200)
  const token = await ofKey(await first.createKey({ organization: other }))
  const asked = requestWith(token, 'authorization')
  t.match(await guard.decide(asked, { ...needs, apiKeyOnly: true }), {
    ok: false, refusal: { reason: 'api_key_required' }
  })
  t.match(await guard.decide(asked, { ...needs, credits: 2 }), { ok: false, answer: { status: 402 } })
  await first.admin('POST', `/organizations/${other}/credits`, { environment: 'live', amount: 3, reason: 'test' })
  t.match(await guard.decide(asked, { ...needs, credits: 2 }), { ok: true })
  t.match(await guard.decide(asked, { ...needs, credits: 2 }), { ok: false, answer: { status: 402 } })
})
