/** Repeated rotation must not make a chain of keys that can no longer be limited or revoked. */
import tap from 'tap'
import { mostInOverlap } from '../../src/domain/credentials/api-key-change.ts'
import { MovableClock, startServer, type Json } from '../support/test-server.ts'

tap.test('CL-10, Y3', async t => {
  const clock = new MovableClock()
  clock.stop()
  const server = await startServer({ clock })
  t.teardown(server.close)
  const { admin, createKey, createOrganization, withKey } = server
  const { id: organization } = await createOrganization()
  const rotate = async (id: string, overlapSeconds: number) =>
    await admin('POST', `/api-keys/${id}/rotate`, { overlapSeconds })

  t.test('CL-10: so many keys of a chain work at a time, and no more; the answer tells the ways out', async t => {
    const keys: Json[] = [await createKey({ organization })]
    for (let i = 0; i < mostInOverlap; i++) keys.push((await rotate(keys.at(-1)!.id, 3_600)).json)
    const newest = keys.at(-1)!
    const refused = await rotate(newest.id, 3_600)
    t.strictSame([refused.status, refused.json], [409, {
      error:
        `${mostInOverlap} keys that led to the API key ${newest.id} still work in their overlap; revoke some of ` +
          'them, or rotate without an overlap.',
      code: 'CONFLICT',
      details: { mostInOverlap },
    }])
    t.strictSame(
      [(await withKey(keys[0]!.key)).status, (await withKey(newest.key)).status], [200, 200], 'nothing has changed'
    )
    await admin('POST', `/api-keys/${keys[0]!.id}/revoke`)
    const next = await rotate(newest.id, 3_600)
    t.equal(next.status, 201, 'one fewer, one more')
    t.equal((await rotate(next.json.id, 3_600)).status, 409)
    const atOnce = await rotate(next.json.id, 0)
    t.equal(atOnce.status, 201, 'without an overlap it goes always')
    t.strictSame(
      await Promise.all([keys[1]!, newest, next.json, atOnce.json].map(async ({ key }) => (await withKey(key)).status)),
      [401, 401, 401, 200]
    )
    clock.advance(3_600)
    t.equal((await rotate(atOnce.json.id, 3_600)).status, 201)
  })

  t.test('Y3: revoking one in the middle ends what led to it, whatever ended in between, and nothing that came after', async t => {
    const first = await createKey({ organization })
    const second = (await rotate(first.id, 3_600)).json
    const third = (await rotate(second.id, 0)).json
    const fourth = (await rotate(third.id, 3_600)).json
    const fifth = (await rotate(fourth.id, 3_600)).json
    const sixth = (await rotate(fifth.id, 3_600)).json
    await admin('POST', `/api-keys/${fourth.id}/revoke`)
    t.strictSame(
      await Promise.all(
        [first, second, third, fourth, fifth, sixth].map(async ({ key }) => (await withKey(key)).status)
      ),
      [401, 401, 401, 401, 200, 200]
    )
  })
})
