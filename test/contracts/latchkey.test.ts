/** Statements about Latchkey beyond those of the systems that it replaces, over real HTTP and on both databases. */
import tap, { type Test } from 'tap'
import { decodeJwt, MovableClock, startOnEachDatabase, type Answer } from '../support/test-server.ts'

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
}
