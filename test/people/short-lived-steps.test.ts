/** What is left of authorization requests that came to nothing: it is gone within minutes. */
import { mock } from 'node:test'
import tap from 'tap'
import { housekeeping, sweepShortLived } from '../../src/domain/maintenance/housekeeping.ts'
import { newMetrics } from '../../src/telemetry/metrics.ts'
import { authorizationUrl, authorize, browserOf, createAskingClient, newPkce, redeem } from '../support/authorizing.ts'
import { createPerson } from '../support/people.ts'
import { decodeJwt, startOnEachDatabase } from '../support/test-server.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

for (const { name, server } of servers) {
  const { operation } = server.latchkey
  const { store } = operation
  const asked = { resource: server.issuer, scope: 'invoices:read' }

  /** How many rows of each kind a sweep removes. */
  async function sweep (): Promise<Record<string, number>> {
    const metrics = newMetrics()
    await sweepShortLived(operation, metrics)
    const { unsettled_reservation: _, ...steps } = Object.fromEntries(
      metrics.pruned.entries().map(([kind, , count]) => [kind, count])
    )
    return steps
  }

  tap.test(`[${name}] R3: questions, pushed requests and unredeemed codes go within minutes; what a code brought stays`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    const { challenge } = newPkce()
    const kept = await redeem(server, client, await authorize(server, client, person, asked))
    const again = { ...asked, prompt: 'consent' }
    for (let i = 0; i < 3; i++) await browserOf(server, person).open(authorizationUrl(server, client, challenge, again))
    const { searchParams: body } = new URL(authorizationUrl(server, client, challenge, asked))
    t.equal((await server.send({ method: 'POST', path: '/api/v1/oauth/par', body })).status, 201)
    const unredeemed = await authorize(server, client, person, again)
    t.strictSame(await sweep(), { authorization: 0, authorization_step: 0 }, 'all of it can still be used')
    server.clock.advance(600 + 300 + 1)
    t.strictSame(await sweep(), { authorization: 1, authorization_step: 4 }, 'its code goes with the authorization')
    t.equal((await redeem(server, client, unredeemed)).json.error, 'invalid_grant')
    t.equal((await store.authorizations.page({ limit: 9, after: null }, { clientId: client.id })).items.length, 1)
    t.strictSame(await sweep(), { authorization: 0, authorization_step: 0 }, 'a redeemed code is known for an hour')
    server.clock.advance(3_600)
    t.strictSame(await sweep(), { authorization: 0, authorization_step: 1 })
    const { gnt } = decodeJwt(kept.json.access_token).payload
    t.equal((await store.authorizations.get(gnt))!.endedAt, null)
  })

  tap.test(`[${name}] housekeeping sweeps them each minute`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    await browserOf(server, person).open(authorizationUrl(server, client, newPkce().challenge, asked))
    const metrics = newMetrics()
    mock.timers.enable({ apis: ['setInterval'] })
    t.teardown(() => { mock.timers.reset() })
    const job = housekeeping(operation, error => { throw error }, undefined, metrics)
    job.start()
    mock.timers.tick(59_999)
    t.strictSame(metrics.pruned.entries(), [])
    mock.timers.tick(1)
    await job.stop()
    t.strictSame(metrics.pruned.entries().map(([kind]) => kind), [
      'authorization', 'authorization_step', 'unsettled_reservation'
    ])
  })
}
