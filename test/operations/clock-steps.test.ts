/**
 * A clock that is set ahead or back by hours: no refused credential passes, and valid ones work again once the clock is
 * right.
 */
import tap from 'tap'
import { findHalves } from '../crash/halves.ts'
import { worldOf } from '../crash/world.ts'
import { runHousekeeping } from '../../src/domain/maintenance/housekeeping.ts'
import { databases } from '../support/databases.ts'
import { MovableClock, startServer } from '../support/test-server.ts'
import { embeddingKey, signedClient, tokenByAssertion, withSpending } from '../support/database-calls.ts'

const hour = 3_600

for (const { name, fresh } of databases) {
  tap.test(`clock steps [${name}]`, async t => {
    const database = await fresh()
    const clock = new MovableClock()
    clock.stop()
    const server = await startServer({
      database: database.url, clock, environment: { LATCHKEY_LOG_LEVEL: 'silent' }, ...withSpending
    })
    const world = worldOf(server.port, server.adminToken, database.url)
    t.teardown(async () => {
      await world.close()
      await server.close()
      await database.drop()
    })
    const { admin } = server
    const { id: organization } = await server.createOrganization()
    /** Runs with the clock off by so many seconds, and sets it right again. */
    const off = async <T>(seconds: number, work: () => Promise<T>): Promise<T> => {
      clock.advance(seconds)
      try {
        return await work()
      } finally {
        clock.advance(-seconds)
      }
    }
    const form = async (path: string, body: Record<string, string>) =>
      (await server.send({ method: 'POST', path, body: new URLSearchParams(body) })).status
    const keepHouse = () => runHousekeeping(server.latchkey.operation)

    await t.test(`Y3, I2: what was revoked stays so when the house was kept by a clock that was hours ahead [${name}]`, async t => {
      const client = await server.createClient({ organization })
      const token = await server.tokenFor(client)
      t.equal(
        await form(
          '/api/v1/oauth/revoke',
          Object.fromEntries([['token', token], ['client_id', client.clientId], ['client_secret', client.clientSecret]])
        ),
        200
      )
      t.equal((await server.bearer(token)).status, 401)
      await off(14 * hour, keepHouse)
      t.equal((await server.bearer(token)).status, 401)
      t.equal((await server.bearer(await server.tokenFor(client))).status, 200)
    })

    await t.test(`P2: an assertion that was used stays so [${name}]`, async t => {
      const text = await (await signedClient(server, organization)).assertion()
      const session = await (await embeddingKey(server, organization, async (path, body) =>
        (await admin('POST', path, body)).json)).assertion()
      const sessionBy = { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: session }
      t.strictSame([
        await form('/api/v1/auth/token', tokenByAssertion(text)), await form('/api/v1/auth/session', sessionBy)
      ], [200, 200])
      await off(14 * hour, keepHouse)
      t.strictSame([
        await form('/api/v1/auth/token', tokenByAssertion(text)), await form('/api/v1/auth/session', sessionBy)
      ], [401, 400])
    })

    await t.test(`an Idempotency-Key stays one [${name}]`, async t => {
      const ask = () =>
        server.send({
          method: 'POST',
          path: '/api/v1/organizations',
          headers: { authorization: `Bearer ${server.adminToken}`, 'idempotency-key': 'before-the-step' },
          body: { name: 'one' }
        })
      const { status, text } = await ask()
      t.equal(status, 201)
      await off(24.5 * hour, keepHouse)
      t.equal((await ask()).text, text)
    })

    await t.test(`J4: a token lives neither before it was made nor after its end, and again when the clock is right [${name}]`, async t => {
      const token = await server.tokenFor(await server.createClient({ organization }))
      const status = async () => (await server.bearer(token)).status
      t.equal(await status(), 200)
      t.equal(await off(-2 * hour, status), 401)
      t.equal(await off(2 * hour, status), 401)
      t.equal(await status(), 200)
    })

    await t.test(`Y3: keys keep to their end, whatever was done while the clock was off [${name}]`, async t => {
      const { id, key } = await server.createKey({
        organization, expiresAt: new Date(clock.now().getTime() + hour * 1_000).toISOString()
      })
      const status = async (text = key) => (await server.withKey(text)).status
      t.equal(await off(3 * hour, status), 401)
      t.equal(await off(-3 * hour, status), 200)
      const { json: successor } = await off(
        -3 * hour, () => admin('POST', `/api-keys/${id}/rotate`, { overlapSeconds: 60 })
      )
      t.equal(await status(), 401, 'an overlap that was granted by a clock behind is over')
      t.equal(await status(successor.key), 200)
      await off(-3 * hour, () => admin('POST', `/api-keys/${successor.id}/revoke`))
      t.equal(await status(successor.key), 401)
      t.equal(await off(-5 * hour, () => status(successor.key)), 401, 'also before it was revoked')
    })

    await t.test(`Y4, CL-03: months are not refilled by a clock that goes back and forth [${name}]`, async t => {
      const { key } = await server.createKey({ organization, callsPerMonth: 2, creditsPerMonth: 3 })
      await admin('POST', `/organizations/${organization}/credits`, { environment: 'live', amount: 30, reason: 'r' })
      const spend = async () =>
        (await server.send({ method: 'POST', path: '/paid/spend', headers: { 'x-api-key': key } })).status
      const month = 31 * 24 * hour
      t.strictSame([await spend(), await spend()], [200, 429])
      t.equal(await off(month, spend), 200, 'the next month has its own')
      t.equal(await spend(), 429)
      t.equal(await off(month, spend), 429, 'once')
    })

    await t.test(`K1: with the clock behind its keys there is one to sign with, and a token of that hour is good in that hour [${name}]`, async t => {
      const client = await server.createClient({ organization })
      t.equal((await admin('POST', '/signing-keys/rotate', { now: true })).status, 201)
      const token = await server.tokenFor(client)
      t.equal(await off(-5 * hour, async () => (await server.bearer(await server.tokenFor(client))).status), 200)
      t.equal((await server.bearer(token)).status, 200)
    })

    await t.test(`K1: with the clock a moment behind a key that had to sign at once, no key signs that is retired, and its token lives to its end [${name}]`, async t => {
      const client = await server.createClient({ organization })
      const { id: leaked } = (await admin('POST', '/signing-keys/rotate', { now: true })).json
      // The previous key is published for about half a token's life longer.
      clock.advance(hour / 2)
      t.equal((await admin('POST', `/signing-keys/${leaked}/revoke`)).status, 200)
      const token = await off(-5, () => server.tokenFor(client))
      t.equal((await server.bearer(token)).status, 200)
      t.equal(await off(hour - 60, async () => (await server.bearer(token)).status), 200)
    })

    await t.test(`K1: a token passes to its end, whose key was followed by another, and then seen by a clock that was hours ahead [${name}]`, async t => {
      const token = await server.tokenFor(await server.createClient({ organization }))
      t.equal((await admin('POST', '/signing-keys/rotate', { now: true })).status, 201)
      await off(14 * hour, async () => {
        await keepHouse()
        await server.latchkey.signingKeys.reload()
        t.equal((await server.bearer(token)).status, 401)
      })
      t.equal((await server.bearer(token)).status, 200)
    })

    await t.test(`usage is counted in the minutes and days of the clock, all of it [${name}]`, async t => {
      const client = await server.createClient({ organization })
      const { id, key } = await server.createKey({ organization })
      for (const step of [0, 5 * hour, -5 * hour, 30 * hour, -30 * hour]) {
        await off(step, async () => {
          await server.tokenFor(client)
          await server.withKey(key)
        })
      }
      const { json: { data } } = await admin('GET', `/usage/tokens?client=${client.clientId}`)
      t.strictSame(data.map(({ tokens }: { tokens: number }) => tokens), [1, 1, 1, 1, 1])
      const around = (days: number) => new Date(clock.now().getTime() + days * 86_400_000).toISOString().slice(0, 10)
      t.equal((await admin('GET', `/api-keys/${id}/usage?from=${around(-3)}&to=${around(3)}`)).json.calls, 5)
    })

    await t.test(`L2: rows whose instants go back and forth are one chain [${name}]`, async t => {
      for (const step of [3 * hour, -3 * hour, 26 * hour, -26 * hour, 0]) {
        await off(step, () =>
          admin('PATCH', `/organizations/${organization}`, { name: `at ${step}` }))
      }
      t.match((await admin('GET', '/audit/verify')).json, { fault: null })
      const { json } = await admin('GET', `/audit?organization=${organization}&type=organization.updated`)
      t.equal(json.data.length, 5)
      t.strictSame(await findHalves(world), [])
    })
  })
}
