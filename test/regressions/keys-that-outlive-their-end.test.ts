/** An ended credential stays ended, and ending a key ends the keys that it replaced. */
import tap from 'tap'
import { MovableClock, startServer, type Json } from '../support/test-server.ts'

tap.test('Y3, CL-09, CL-10', async t => {
  const clock = new MovableClock()
  clock.stop()
  const server = await startServer({ clock })
  t.teardown(server.close)
  const { admin, createKey, createOrganization, withKey } = server
  const { id: organization } = await createOrganization()
  const rotate = async (id: string, overlapSeconds: number) =>
    (await admin('POST', `/api-keys/${id}/rotate`, { overlapSeconds })).json
  const statuses = async (keys: readonly Json[]) =>
    await Promise.all(keys.map(async ({ key }) => (await withKey(key)).status))
  const inSeconds = (seconds: number) => new Date(clock.now().getTime() + seconds * 1_000).toISOString()

  t.test('CL-09: a key that has expired gets no other end, whoever asks; the answer tells the way out', async t => {
    const expiresAt = inSeconds(60)
    const { id, key } = await createKey({ organization, expiresAt })
    clock.advance(60)
    for (
      const change of [{ expiresAt: null }, { expiresAt: inSeconds(60) }, { expiresAt: inSeconds(60), name: 'back' }]
    ) {
      const { status, json } = await admin('PATCH', `/api-keys/${id}`, change)
      t.strictSame([status, json], [409, {
        error: `The API key ${id} expired at ${expiresAt} and gets no other end; create a new one.`,
        code: 'CREDENTIAL_EXPIRED'
      }])
    }
    t.equal((await withKey(key)).status, 401)
    t.match(await admin('PATCH', `/api-keys/${id}`, { name: 'gone' }), {
      status: 200, json: { name: 'gone', status: 'expired', expiresAt }
    })
  })

  t.test('Y3: revoking a key revokes those that it replaced and that still work, not the one that replaced it', async t => {
    const first = await createKey({ organization })
    const second = await rotate(first.id, 3_600)
    const third = await rotate(second.id, 60)
    const fourth = await rotate(third.id, 3_600)
    t.strictSame(await statuses([first, second, third, fourth]), [200, 200, 200, 200])
    clock.advance(60)
    t.strictSame(await statuses([first, second, third, fourth]), [200, 401, 200, 200])
    t.match(await admin('POST', `/api-keys/${third.id}/revoke`, { reason: 'leaked' }), {
      status: 200, json: { id: third.id, status: 'revoked' }
    })
    t.strictSame(await statuses([first, second, third, fourth]), [401, 401, 401, 200])
    t.match((await admin('GET', `/api-keys/${first.id}`)).json, {
      status: 'revoked',
      revokedReason: 'leaked',
      revokedAt: clock.now().toISOString()
    })
    t.match(
      (await admin('GET', `/api-keys/${second.id}`)).json, { status: 'rotated', revokedAt: null },
      'what had ended by itself is left as it was'
    )
    const events = (await admin('GET', '/audit?type=api_key.revoked')).json.data
    t.strictSame(
      Object.fromEntries(events.map((event: Json) => [event.subject, [event.actor, event.detail.revokedWith]])),
      {
        [first.id]: ['admin', third.id], [third.id]: ['admin', undefined]
      }
    )
    await admin('POST', `/api-keys/${third.id}/revoke`)
    t.equal((await admin('GET', '/audit?type=api_key.revoked')).json.data.length, 2, 'doing it twice changes nothing')
  })

  t.test('CL-10: an overlap is ended now by revoking the old key, and is changed in no other way', async t => {
    const old = await createKey({ organization, expiresAt: inSeconds(7_200) })
    const next = await rotate(old.id, 3_600)
    for (const change of [{ allowlist: ['192.0.2.1'] }, { expiresAt: inSeconds(60) }, { name: 'old' }]) {
      t.match(await admin('PATCH', `/api-keys/${old.id}`, change), {
        status: 409,
        json: {
          error:
            `The API key ${old.id} was replaced by ${next.id}; change that one. To end this one before its overlap ` +
              'does, revoke it.',
          code: 'CREDENTIAL_SUPERSEDED'
        }
      })
    }
    await admin('POST', `/api-keys/${old.id}/revoke`)
    t.strictSame(await statuses([old, next]), [401, 200])
  })
})
