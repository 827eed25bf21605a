/** Sessions that end on one server while another one, with the same database, is asked about them. */
import type { Test } from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { asPerson, createMember, signIn } from './people.ts'
import { freshDatabase } from './postgres.ts'
import { startServer, type TestServer } from './test-server.ts'

/** Two servers with one database. */
export interface TwoServers { a: TestServer, b: TestServer, close (): Promise<void> }

export async function startTwoServers (): Promise<TwoServers> {
  const database = await freshDatabase()
  const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
  const a = await startServer({ database: database.url, environment })
  const b = await startServer({ database: database.url, environment, issuer: a.issuer })
  const close = async () => {
    await Promise.all([a.close(), b.close()])
    await database.drop()
  }
  return { a, b, close }
}

/** 20 members end a session each in every round, and ask with it before and after. */
export async function endSessions (t: Test, { a, b }: TwoServers, rounds: number): Promise<void> {
  // Each in an organization of its own: an audit chain takes one row at a time.
  const members = await Promise.all(Array.from({ length: 20 }, () => createMember(a)))
  const statuses: string[] = []
  for (let round = 0; round < rounds; round++) {
    await Promise.all(members.map(async ({ id }) => {
      const session = await signIn(a, id)
      const before = await asPerson(b, session)('GET', '/auth/me')
      const ended = await asPerson(a, session)('POST', '/auth/logout')
      const after = await asPerson(b, session)('GET', '/auth/me')
      statuses.push([before, ended, after].map(({ status }) => status).join())
    }))
  }
  t.equal(statuses.length, 20 * rounds)
  t.strictSame([...new Set(statuses)], ['200,204,401'])
}
