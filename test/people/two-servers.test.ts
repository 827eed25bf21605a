/** Sessions on two servers with one database. */
import tap from 'tap'
import { endSessions, startTwoServers } from '../support/ended-sessions.ts'
import { asPerson, createMember, signIn } from '../support/people.ts'

const servers = await startTwoServers()
const { a, b } = servers
tap.teardown(servers.close)

// 1,000 of them are a judge: test/judges/ended-sessions.ts.
tap.test('a session that ended on one server is refused by the other on the next request, 100 times of 100 [postgresql]', async t => {
  await endSessions(t, servers, 5)
})

tap.test('a member that was removed on one server is signed out on the other [postgresql]', async t => {
  const { id } = await createMember(a)
  const session = await signIn(a, id)
  t.equal((await asPerson(b, session)('GET', '/auth/me')).status, 200)
  await a.admin('POST', `/members/${id}/remove`)
  t.equal((await asPerson(b, session)('GET', '/auth/me')).status, 401)
})
