/**
 * A rotation without an overlap does not tell which secret has leaked: all earlier secrets end, of a key as of a
 * client.
 */
import tap from 'tap'
import { databases } from '../support/databases.ts'
import { startServer, type Json } from '../support/test-server.ts'

for (const { name: database, fresh } of databases) {
  tap.test(`CL-10, T16 [${database}]`, async t => {
    const { url, drop } = await fresh()
    const server = await startServer({ database: url })
    t.teardown(async () => {
      await server.close()
      await drop()
    })
    const { admin, createClient, createKey, createOrganization, tokenRequest, withKey } = server
    const { id: organization } = await createOrganization()
    const made = async (path: string, body: Json): Promise<Json> => {
      const answer = await admin('POST', path, body)
      if (answer.status >= 300) throw new Error(`${path}: ${answer.status} ${answer.text}`)
      return answer.json
    }

    t.test(`CL-10: overlapSeconds 0 ends every key of a chain that is in its overlap, and says so in the audit log [${database}]`, async t => {
      const keys: Json[] = [await createKey({ organization })]
      for (let i = 0; i < 3; i++) {
        keys.push(await made(`/api-keys/${keys.at(-1)!.id}/rotate`, { overlapSeconds: 3_600 }))
      }
      const statuses = async () => await Promise.all(keys.map(async ({ key }) => (await withKey(key)).status))
      t.strictSame(await statuses(), [200, 200, 200, 200])
      keys.push(await made(`/api-keys/${keys.at(-1)!.id}/rotate`, { overlapSeconds: 0 }))
      t.strictSame(await statuses(), [401, 401, 401, 401, 200], 'the first as well as the last')
      const newest = keys.at(-1)!
      t.strictSame(
        await Promise.all(keys.map(async ({ id }) => (await admin('GET', `/api-keys/${id}`)).json.status)),
        ['rotated', 'rotated', 'rotated', 'rotated', 'active']
      )
      for (const { id } of keys.slice(0, 3)) {
        t.match(
          (await admin('GET', `/audit?subject=${id}&type=api_key.updated`)).json.data,
          [{ detail: { endedWith: newest.id } }], 'each in the audit log'
        )
      }
    })

    t.test(`CL-10: another overlap leaves them as they are, and no other chain is touched [${database}]`, async t => {
      const [first, other] = [await createKey({ organization }), await createKey({ organization })]
      const second = await made(`/api-keys/${first.id}/rotate`, { overlapSeconds: 3_600 })
      const otherNext = await made(`/api-keys/${other.id}/rotate`, { overlapSeconds: 3_600 })
      const third = await made(`/api-keys/${second.id}/rotate`, { overlapSeconds: 60 })
      t.strictSame(
        await Promise.all([first, second, third].map(async ({ key }) => (await withKey(key)).status)), [200, 200, 200]
      )
      await made(`/api-keys/${third.id}/rotate`, { overlapSeconds: 0 })
      t.strictSame(
        await Promise.all([first, second, third, other, otherNext].map(async ({ key }) => (await withKey(key)).status)),
        [401, 401, 401, 200, 200]
      )
    })

    t.test(`T16: so many secrets of a client work at a time, and no more; 0 ends all and goes always [${database}]`, async t => {
      const client = await createClient({ organization })
      const rotate = async (overlapSeconds: number) => await admin(
        'POST', `/clients/${client.clientId}/rotate-secret`, { overlapSeconds }
      )
      let newest = ''
      for (let i = 0; i < 100; i++) newest = (await rotate(3_600)).json.clientSecret
      const refused = await rotate(3_600)
      t.strictSame([refused.status, refused.json], [409, {
        error:
          `100 secrets that the client ${client.clientId} had before still work in their overlap; wait until some ` +
            'have ended, or rotate without an overlap, which ends all of them.',
        code: 'CONFLICT',
        details: { mostInOverlap: 100 },
      }])
      t.strictSame(
        [(await tokenRequest(client)).status, (await tokenRequest({ ...client, clientSecret: newest })).status],
        [200, 200], 'nothing has changed'
      )
      const atOnce = await rotate(0)
      t.equal(atOnce.status, 200)
      t.strictSame(
        [
          (await tokenRequest(client)).status, (await tokenRequest({ ...client, clientSecret: newest })).status,
          (await tokenRequest({ ...client, clientSecret: atOnce.json.clientSecret })).status,
        ],
        [401, 401, 200]
      )
      t.equal((await rotate(3_600)).status, 200)
    })
  })
}
