/** Tokens by which clients act for people, at guards in Node, Python and Go: counted and limited by authorization. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import tap, { type Test } from 'tap'
import { authorize, createAskingClient, redeem } from '../support/authorizing.ts'
import { foreignProgram } from '../support/foreign-programs.ts'
import { goFor, moduleFolder } from '../support/go-module.ts'
import { startGuardedApi } from '../support/guarded-api.ts'
import { startGuarded } from '../support/guarded-node-api.ts'
import { createPerson } from '../support/people.ts'
import { run } from '../support/running-server.ts'
import { decodeJwt, startServer, type Json, type TestServer } from '../support/test-server.ts'
import { eventually } from '../support/waiting.ts'

tap.setTimeout(600_000)

type Ask = (headers: Record<string, string>) => Promise<number>

const python = foreignProgram('python3', 'apt-get install python3')
const go = await goFor('1.22')
const folder = join(import.meta.dirname, '../../clients/python')
const built = join(import.meta.dirname, '../../node_modules/.cache/clients/go')

/** A guarded API in another language before a server of this process. */
async function foreignApi (t: Test, command: readonly string[], more: Record<string, string> = {}) {
  const server = await startServer({ environment: { LATCHKEY_REPLICA_LEASE: '10000' } })
  t.teardown(server.close)
  const { clientId, clientSecret } = await server.createClient({ introspects: [server.issuer] })
  const { ask } = await startGuardedApi(t, command, {
    ...more,
    LATCHKEY_URL: server.url,
    LATCHKEY_CLIENT_ID: clientId,
    LATCHKEY_CLIENT_SECRET: clientSecret,
    LATCHKEY_RESOURCE: server.issuer
  })
  return { server, ask }
}

const guards = [
  {
    language: 'Node',
    program: { skip: false as const },
    async start (t: Test) {
      const { server, get } = await startGuarded(t)
      return { server, ask: async (headers: Record<string, string>) => (await get(headers)).status }
    }
  },
  {
    language: 'Python',
    program: python,
    start: (t: Test) => foreignApi(t, [python.path, join(folder, 'examples/api.py')], {
      PYTHONPATH: join(folder, 'src'), PYTHONDONTWRITEBYTECODE: '1'
    })
  },
  {
    language: 'Go',
    program: go,
    async start (t: Test) {
      const program = join(built, 'api-for-people')
      await mkdir(built, { recursive: true })
      t.equal((await run(go.path, ['build', '-o', program, './examples/api'], { cwd: moduleFolder })).code, 0)
      return await foreignApi(t, [program])
    }
  }
]

async function connect (server: TestServer, organization?: string) {
  const person = await createPerson(server, organization === undefined ? {} : { organization })
  const client = await createAskingClient(server)
  const asked = { resource: server.issuer, scope: 'invoices:read' }
  const { json } = await redeem(server, client, await authorize(server, client, person, asked))
  const id = decodeJwt(json.access_token).payload.gnt as string
  return { id, organization: person.organization, headers: { authorization: `Bearer ${json.access_token}` } }
}

const usageOf = async (server: TestServer, id: string): Promise<Json> =>
  (await server.admin('GET', `/authorizations/${id}/usage`)).json

async function several (ask: Ask, headers: Record<string, string>, calls: number): Promise<number[]> {
  const statuses = []
  for (let i = 0; i < calls; i++) statuses.push(await ask(headers))
  return statuses
}

for (const { language, program, start } of guards) {
  tap.test(`CL-08: a guard in ${language} reports calls for people, and takes the limits of what they allowed`, program, async t => {
    const { server, ask } = await start(t)

    await t.test('calls are counted by authorization, and move its last use', async t => {
      const { id, organization, headers } = await connect(server)
      t.equal(await eventually(() => ask(headers), status => status === 200), 200)
      t.strictSame(await several(ask, headers, 6), [200, 200, 200, 200, 200, 200])
      const usage = await eventually(() => usageOf(server, id), ({ calls }) => calls >= 7)
      t.equal(usage.calls, 7)
      const { live } = (await server.admin('GET', `/organizations/${organization}/usage`)).json
      t.equal(live.calls, 7)
      t.not(await eventually(async () => (await usageOf(server, id)).lastUsedAt, at => at !== null), null)
    })

    await t.test('CD-10: a limit per minute holds from its acknowledgement on', async t => {
      const { id, headers } = await connect(server)
      t.equal(await ask(headers), 200)
      // What is reported once there is a limit counts for it.
      await eventually(() => usageOf(server, id), ({ calls }) => calls === 1)
      t.equal((await server.admin('PATCH', `/authorizations/${id}`, { callsPerMinute: 2 })).status, 200)
      t.strictSame(await several(ask, headers, 3), [200, 200, 429])
      t.equal((await eventually(() => usageOf(server, id), ({ calls }) => calls >= 3)).calls, 3)
    })

    await t.test('a limit per minute of the organization is that of its keys and its members\' clients', async t => {
      const { organization, headers } = await connect(server)
      const { key } = await server.createKey({ organization })
      await server.admin('PATCH', `/organizations/${organization}`, { callsPerMinute: 2 })
      t.strictSame([await ask(headers), await ask({ 'x-api-key': key }), await ask(headers)], [200, 200, 429])
    })

    await t.test('a monthly quota is counted exactly, by the server', async t => {
      const { id, headers } = await connect(server)
      await server.admin('PATCH', `/authorizations/${id}`, { callsPerMonth: 3 })
      const statuses = await Promise.all(Array.from({ length: 8 }, () => ask(headers)))
      t.strictSame(statuses.sort(), [200, 200, 200, 429, 429, 429, 429, 429])
      t.equal((await usageOf(server, id)).calls, 3)
    })
  })
}
