/** A short run of `npm run fuzz` with a fixed seed. */
import tap from 'tap'
import { fuzz } from '../support/fuzz.ts'
import { startServer } from '../support/test-server.ts'

tap.test('OC-15: hostile requests, made from the document, get no 5xx, no inside, no secret and no answer that is not announced', async t => {
  const server = await startServer({ registration: 'open' })
  t.teardown(server.close)
  const { requests, resets, statuses, reached, operations, failure } = await fuzz(server, {
    seed: 20_261_122, seconds: 600, requests: 2_500
  })
  t.equal(failure, null)
  t.comment(`${requests} requests: ${[...statuses].map(([status, times]) => `${status}: ${times}`).join(', ')}`)
  t.equal(requests, 2_500)
  t.ok(resets > 100, `${resets} connections were reset`)
  t.strictSame([...statuses.keys()].filter(status => status >= 500), [])
  for (const status of [200, 201, 400, 401, 403, 404]) t.ok((statuses.get(status) ?? 0) > 0, `some of it was ${status}`)
  // The routes for people take their sessions alone, which this sends none of.
  t.ok(reached.size > operations * 0.45, `${reached.size} of ${operations} operations did something`)
  t.equal((await server.tokenRequest(await server.createClient())).status, 200, 'and the server serves on')
})
