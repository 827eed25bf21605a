/** Statements about Latchkey beyond those of the systems that it replaces, over real HTTP and on both databases. */
import tap, { type Test } from 'tap'
import { remedies } from '../../src/guard/refusal/remedies.ts'
import { newApiKeyText } from '../../src/secrets/credential-text.ts'
import { decodeJwt, MovableClock, startOnEachDatabase, type Answer, type Json } from '../support/test-server.ts'

const clock = new MovableClock()
clock.stop()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)

/** Repeats `request` during `work`, and at least once before and once after it. Returns the distinct statuses. */
async function meanwhile (request: () => Promise<Answer>, work: () => Promise<unknown>): Promise<number[]> {
  const statuses = new Set([(await request()).status])
  const pending = { work: true }
  const done = work().finally(() => { pending.work = false })
  while (pending.work) statuses.add((await request()).status)
  await done
  return [...statuses.add((await request()).status)]
}

for (const { name, server } of servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const { admin, bearer, withKey, tokenFor, tokenRequest, createClient, createKey, send } = server

  test('LK-04: API keys rotate with a chosen overlap, without restart and without a refused request', async t => {
    for (const overlapSeconds of [60, 7_200]) {
      const old = await createKey()
      const next = { key: '' }
      const statuses = await meanwhile(() => withKey(old.key), async () => {
        const rotated = await admin('POST', `/api-keys/${old.id}/rotate`, { overlapSeconds })
        t.equal(rotated.status, 201)
        next.key = rotated.json.key
        t.equal((await withKey(next.key)).status, 200, 'the new one works with the answer')
      })
      t.strictSame(statuses, [200])
      clock.advance(overlapSeconds - 1)
      t.strictSame(
        [(await withKey(old.key)).status, (await withKey(next.key)).status],
        [200, 200],
        'both, to the end of the overlap'
      )
      clock.advance(2)
      t.strictSame([(await withKey(old.key)).status, (await withKey(next.key)).status], [401, 200])
    }
  })

  test('LK-04: client secrets rotate with a chosen overlap, without restart and without a refused request', async t => {
    for (const overlapSeconds of [60, 7_200]) {
      const old = await createClient()
      const next = { clientId: old.clientId, clientSecret: '' }
      const token = await tokenFor(old)
      const requests = async () => {
        const [issued, passed] = [await tokenRequest(old), await bearer(token)]
        return issued.status === 200 ? passed : issued
      }
      const statuses = await meanwhile(requests, async () => {
        const rotated = await admin('POST', `/clients/${old.clientId}/rotate-secret`, { overlapSeconds })
        t.equal(rotated.status, 200)
        next.clientSecret = rotated.json.clientSecret
        t.equal((await tokenRequest(next)).status, 200, 'the new one works with the answer')
      })
      t.strictSame(statuses, [200])
      clock.advance(overlapSeconds - 1)
      t.strictSame(
        [(await tokenRequest(old)).status, (await tokenRequest(next)).status],
        [200, 200],
        'both, to the end of the overlap'
      )
      clock.advance(2)
      t.strictSame([(await tokenRequest(old)).status, (await tokenRequest(next)).status], [401, 200])
    }
  })

  test('LK-04: signing keys rotate, announced or at once, without restart and without a refused request', async t => {
    const client = await createClient()
    const kidOf = (token: string): unknown => (decodeJwt(token).header as { kid?: unknown }).kid
    const published = async (): Promise<unknown[]> => (
      await send({ path: '/.well-known/jwks.json' })
    ).json.keys.map(({ kid }: { kid: string }) => kid)
    for (const now of [false, true]) {
      const old = await tokenFor(client)
      const requests = async () => await bearer(old)
      t.strictSame(
        await meanwhile(
          requests,
          async () => { t.equal((await admin('POST', '/signing-keys/rotate', { now })).status, 201) }
        ),
        [200]
      )
      if (!now) {
        t.equal(kidOf(await tokenFor(client)), kidOf(old), 'published ahead, it does not sign yet')
        t.equal((await published()).length, 2)
        clock.advance(300)
      }
      const next = await tokenFor(client)
      t.not(kidOf(next), kidOf(old))
      t.strictSame([(await bearer(old)).status, (await bearer(next)).status], [200, 200], 'tokens of both')
      t.ok((await published()).includes(kidOf(old)), 'for as long as a token of it is alive')
      clock.advance(3_000)
      t.equal((await bearer(old)).status, 200)
      clock.advance(700)
      t.match((await bearer(old)).json, { details: { reason: 'invalid_token' } }, 'it has expired like any other')
      t.equal((await bearer(await tokenFor(client))).status, 200)
    }
  })

  test('LK-12: for every refusal an operator asks why, by request id, address or credential, and learns the way out', async t => {
    const { issuer } = server
    const change = async (path: string, body?: Json, method = 'POST') => {
      const answer = await admin(method, path, body)
      if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.text}`)
      return answer.json
    }
    /** How each reason comes about: the request, and the text of the credential that it presents, if there is one. */
    type Refused = (from: string) => Promise<{ answer: Answer, credential?: string }>
    type Prepare = (made: Json, from: string) => Promise<unknown>
    const byKey = (prepare: Prepare, input: Json = {}): Refused => async from => {
      const made = await createKey(input)
      await prepare(made, from)
      return { answer: await withKey(made.key, '/api/v1/invoices', { from }), credential: made.key }
    }
    const text = (headers: Record<string, string>, query = ''): Refused => async from => ({
      answer: await send({ path: `/api/v1/invoices${query}`, headers, from })
    })
    const call = async ({ key }: Json, from: string) => await withKey(key, '/api/v1/invoices', { from })
    const { key: some } = await createKey()
    const refused: Readonly<Record<string, Refused>> = {
      no_credential: text({}),
      several_credentials: text({ 'x-api-key': some, authorization: 'Bearer x' }),
      credential_in_query: text({}, `?access_token=${some}`),
      key_as_bearer: text({ authorization: `Bearer ${some}` }),
      malformed: text({ 'x-api-key': `${some.slice(0, -1)}!` }),
      foreign_deployment: text({ 'x-api-key': newApiKeyText('lb', 'live') }),
      wrong_resource: byKey(async () => {}, { resource: `${issuer}/api/v1`, scopes: ['audit:read'] }),
      revoked: byKey(async ({ id }) => await change(`/api-keys/${id}/revoke`)),
      disabled: byKey(async ({ id }) => await change(`/api-keys/${id}/disable`)),
      rotated: byKey(async ({ id }) => await change(`/api-keys/${id}/rotate`, { overlapSeconds: 0 })),
      expired: byKey(async () => { clock.advance(61) }, {
        expiresAt: new Date(clock.now().getTime() + 60_000).toISOString()
      }),
      organization_suspended: byKey(async ({ organization }) =>
        await change(`/organizations/${organization}/suspend`)),
      address_not_allowed: byKey(async () => {}, { allowlist: ['203.0.113.0/24'] }),
      insufficient_scope: byKey(async () => {}, { scopes: ['company:read'] }),
      policy_denied: byKey(async ({ organization }) => await change('/policies', {
        organization, name: 'closed', effect: 'deny'
      })),
      rate_limited: byKey(call, { callsPerMinute: 1 }),
      quota_exceeded: byKey(call, { callsPerMonth: 1 }),
      superseded: async from => {
        const client = await createClient()
        const token = await tokenFor(client)
        await change(`/clients/${client.clientId}`, { allowlist: ['127.0.0.0/8'] }, 'PATCH')
        return { answer: await bearer(token, '/api/v1/invoices', { from }), credential: token }
      },
    }
    const explained = async (body: Json): Promise<Json> => await change('/explain', body)
    for (const [index, [reason, refuse]] of Object.entries(refused).entries()) {
      const address = `127.12.${index}.1`
      const { answer, credential } = await refuse(address)
      t.ok(answer.status >= 400, reason)
      const requestId = answer.headers['x-request-id']
      const known = { reason, requestId, ...remedies[reason as keyof typeof remedies] }
      const asked = [{ requestId }, { address }, ...(credential === undefined ? [] : [{ credential }])]
      for (const body of asked) {
        const { refusals, remedy } = await explained(body)
        t.match(refusals, [known], `${reason} by ${Object.keys(body).join()}`)
        t.ok(remedy, 'there is a way out')
      }
    }
  })
}
