/** Sessions on two servers with one database, ended more often than `npm test` has time for. */
import tap from 'tap'
import { endSessions, startTwoServers } from '../support/ended-sessions.ts'

tap.test('a session that ended on one server is refused by the other on the next request, 1,000 times of 1,000 [postgresql]', async t => {
  const servers = await startTwoServers()
  t.teardown(servers.close)
  await endSessions(t, servers, 50)
})
