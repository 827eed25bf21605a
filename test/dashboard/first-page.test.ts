/** What a page of the dashboard costs: bytes to a browser that has nothing yet, and queries for 50 keys with usage. */
import tap from 'tap'
import { gzipSync } from 'node:zlib'
import { createPerson } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'

const server = await startServer()
tap.teardown(server.close)
const { send, latchkey: { telemetry: { metrics } } } = server

const person = await createPerson(server)
for (let i = 0; i < 60; i++) {
  await server.createKey({ organization: person.organization, name: `Program ${i}`, creator: person.id })
}
const page = (path: string) => send({ path, headers: { cookie: person.cookie, accept: 'text/html' } })

tap.test('the first page, with its styles and scripts, has at most 15 kB compressed', async t => {
  const { text } = await page('/dashboard/api-keys')
  const files = [...text.matchAll(/(?:href|src)="(\/assets\/[\w.-]+\.(?:css|js|svg))"/g)].map(found => found[1]!)
  t.ok(files.length >= 4, files.join(', '))
  const bodies = [text, ...await Promise.all(files.map(async path => (await send({ path })).text))]
  const size = bodies.reduce((sum, body) => sum + gzipSync(body).length, 0)
  t.ok(size <= 15_000, `${size} bytes`)
  t.comment(`${size} bytes`)
})

tap.test('50 keys with usage are at most 3 queries besides those of the session', async t => {
  const statements = () => metrics.statements.entries().reduce((sum, [, , , { count }]) => sum + count, 0)
  const costOf = async (work: () => Promise<unknown>) => {
    const before = statements()
    await work()
    return statements() - before
  }
  await page('/dashboard/api-keys')
  const session = await costOf(() => send({ path: '/api/v1/auth/me', headers: { cookie: person.cookie } }))
  const all = await costOf(() => page('/dashboard/api-keys'))
  t.comment(`${all} queries, ${session} of them for the session`)
  t.ok(all - session <= 3, `${all} queries, ${session} of them for the session`)
})
