/** APIs in Node, Python and Go on one server: what is revoked, what is stopped, and what a lost server leaves. */
import tap from 'tap'
import { lease, startEdge } from '../support/edge.ts'

tap.test('LK-06: APIs in other processes refuse a key from the acknowledgement of its revocation on', async t => {
  const edge = await startEdge()
  t.teardown(edge.close)
  t.ok(edge.apis.some(({ name }) => name === 'Node'))
  const { passed } = await edge.revoke(20)
  t.equal(passed, 0, `of 20 revocations, each asked of ${edge.apis.map(({ name }) => name).join(', ')}`)

  for (const api of edge.apis) {
    const { waited, first } = await edge.stopDuring(api)
    t.ok(waited > lease / 2, `${api.name} is stopped: the change waits for its trust, ${waited} ms`)
    t.equal(first, 401, `${api.name}: the first answer on waking`)
  }

  const { lastPass, refused } = await edge.killServer()
  for (const { name } of edge.apis) {
    t.ok(lastPass[name]! <= 0.95 * lease, `${name} passes by memory for ${lastPass[name]} ms without its server`)
    t.equal(refused[name], 503, `${name} cannot decide from then on`)
  }
})
