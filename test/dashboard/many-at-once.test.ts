/** Very many pages of the dashboard at once, over real sockets: each is answered, and checks go on meanwhile. */
import { Agent, request } from 'node:http'
import tap from 'tap'
import { createPerson } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'

/** Pages at once. */
const pages = Number(process.env.LATCHKEY_TEST_PAGES ?? 200)

const server = await startServer()
tap.setTimeout(300_000)
tap.teardown(server.close)

const paths = ['', '/api-keys', '/clients', '/members', '/groups', '/policies', '/apis', '/audit', '/usage', '/sign-in']

tap.test(`${pages} pages at once are all answered, and keys are checked meanwhile`, async t => {
  const { cookie, organization } = await createPerson(server, { role: 'owner' })
  const { key } = await server.createKey({ organization, name: 'meanwhile' })
  const agent = new Agent({ maxSockets: pages })
  t.teardown(() => { agent.destroy() })
  const statusOf = async (path: string, headers: Record<string, string>, agentOf: Agent): Promise<number> =>
    await new Promise((resolve, reject) => {
      const outgoing = request(server.url + path, { headers, agent: agentOf }, incoming => {
        incoming.resume().on('end', () => { resolve(incoming.statusCode!) })
      })
      outgoing.on('error', reject).end()
    })
  const left = { pages }
  const answers = Promise.all(Array.from({ length: pages }, async (_, i) => {
    const headers = { cookie, host: new URL(server.issuer).host }
    const status = await statusOf(`/dashboard${paths[i % paths.length]}`, headers, agent)
    left.pages--
    return status
  }))
  const own = new Agent({ keepAlive: true })
  t.teardown(() => { own.destroy() })
  const [checks, waits]: [number[], number[]] = [[], []]
  while (left.pages > 0) {
    const begin = performance.now()
    checks.push(await statusOf('/api/v1/invoices', { 'x-api-key': key }, own))
    waits.push(performance.now() - begin)
  }
  t.strictSame(new Set(await answers), new Set([200]))
  t.strictSame(new Set(checks), new Set([200]))
  const sorted = waits.toSorted((one, other) => one - other)
  t.comment(`${checks.length} checks; the longest took ${sorted.at(-1)!.toFixed(0)} ms, half of them at most ` +
    `${sorted[Math.floor(sorted.length / 2)]!.toFixed(0)} ms`)
})
