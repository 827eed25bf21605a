/** Sessions on two servers with one database. */
import tap from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { asPerson, createMember, signIn } from '../support/people.ts'
import { freshDatabase } from '../support/postgres.ts'
import { startServer } from '../support/test-server.ts'

const database = await freshDatabase()
const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
const a = await startServer({ database: database.url, environment })
const b = await startServer({ database: database.url, environment, issuer: a.issuer })
tap.teardown(async () => {
  await Promise.all([a.close(), b.close()])
  await database.drop()
})

tap.test('a session that ended on one server is refused by the other on the next request, 1,000 times of 1,000 [postgresql]', async t => {
  // Each in an organization of its own: an audit chain takes one row at a time.
  const members = await Promise.all(Array.from({ length: 20 }, () => createMember(a)))
  const statuses: string[] = []
  for (let round = 0; round < 50; round++) {
    await Promise.all(members.map(async ({ id }) => {
      const session = await signIn(a, id)
      const before = await asPerson(b, session)('GET', '/auth/me')
      const ended = await asPerson(a, session)('POST', '/auth/logout')
      const after = await asPerson(b, session)('GET', '/auth/me')
      statuses.push([before, ended, after].map(({ status }) => status).join())
    }))
  }
  t.equal(statuses.length, 1_000)
  t.strictSame([...new Set(statuses)], ['200,204,401'])
})

tap.test('a member that was removed on one server is signed out on the other [postgresql]', async t => {
  const { id } = await createMember(a)
  const session = await signIn(a, id)
  t.equal((await asPerson(b, session)('GET', '/auth/me')).status, 200)
  await a.admin('POST', `/members/${id}/remove`)
  t.equal((await asPerson(b, session)('GET', '/auth/me')).status, 401)
})
