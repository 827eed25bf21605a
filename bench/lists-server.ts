/**
 * A server with any number of API keys in one organization, and with its dashboard. The first key is created normally;
 * the others are copies of its row that the database makes. Prints its address and a session. `GET /spent` says what
 * the process has spent so far: its CPU time, its statements, and how long they took.
 */
import Database from 'better-sqlite3'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { createMember } from '../src/domain/members/member.ts'
import { beginSession } from '../src/domain/people/person-session.ts'
import {
  buildServer, createApiKey, createOrganization, loadConfig, openLatchkey, updateResource
} from '../src/index.ts'
import { copyKey } from '../test/support/copied-keys.ts'

const [folder, count, port, databaseUrl] = [
  process.argv[2]!, Number(process.argv[3]), Number(process.argv[4]), process.argv[5]
]
const issuer = `http://127.0.0.1:${port}`
mkdirSync(folder, { recursive: true })
const config = loadConfig({
  PORT: String(port),
  LATCHKEY_DATA: folder,
  LATCHKEY_ISSUER: issuer,
  LATCHKEY_LOG_LEVEL: 'silent',
  ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl })
})
const spent = { statements: 0, milliseconds: 0 }

const latchkey = await openLatchkey(config)
const { operation } = latchkey
await updateResource(operation, issuer, { scopes: [{ name: 'company:read', keyOnly: false, description: null }] })
const { id: organizationId } = await createOrganization(operation, { name: 'Bench' })
const member = await createMember(operation, { organizationId, name: 'Ada', role: 'owner' })
const { key: first, text } = await createApiKey(operation, {
  organizationId, name: 'bench', resource: issuer, environment: 'live', scopes: ['company:read'], creatorId: member.id
})
await copyKey(databaseUrl ?? `file:${join(folder, 'latchkey.db')}`, first.id, count - 1)
const { text: session } = await operation.store.transaction(tx => beginSession(
  tx, { address: null, requestId: null },
  { member, identityId: null, amr: ['otp'], provider: null, vouchedBy: null },
  { max: config.sessionMax }, new Date()
))
const app = await buildServer(latchkey)
await app.register(async api => {
  await api.register(latchkey.guard, { resource: issuer })
  api.get('/guarded', { config: { scopes: ['company:read'] } }, async () => ({ company: 'Bench', status: 'active' }))
})
app.get('/spent', async () => {
  const { user, system } = process.cpuUsage()
  return { ...spent, cpu: (user + system) / 1_000 }
})
if (databaseUrl === undefined) watchSqlite()
else watchPostgresql()
await app.listen({ port, host: '127.0.0.1' })
process.stdout.write(JSON.stringify({ url: issuer, cookie: `latchkey_session=${session}`, key: text }) + '\n')

function note (milliseconds: number): void {
  spent.statements++
  spent.milliseconds += milliseconds
}

function watchSqlite (): void {
  const statement = Object.getPrototypeOf(new Database(':memory:').prepare('SELECT 1')) as Record<string, Method>
  for (const name of ['all', 'get', 'run']) {
    const run = statement[name]!
    statement[name] = function (...parameters) {
      const start = performance.now()
      try {
        return run.apply(this, parameters)
      } finally {
        note(performance.now() - start)
      }
    }
  }
}

function watchPostgresql (): void {
  const client = pg.Client.prototype as unknown as Record<string, Method>
  const query = client.query!
  client.query = function (...parameters) {
    const start = performance.now()
    const last = parameters.at(-1)
    if (typeof last === 'function') {
      parameters[parameters.length - 1] = (...answer: unknown[]) => {
        note(performance.now() - start)
        return (last as (...each: unknown[]) => unknown)(...answer)
      }
    }
    const answer = query.apply(this, parameters)
    const done = () => { note(performance.now() - start) }
    if (answer instanceof Promise) answer.then(done, done)
    return answer
  }
}

type Method = (this: any, ...parameters: unknown[]) => unknown
