/** One Latchkey process, and APIs in Node, Python and Go that guard themselves from their own memory. */
import { spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { goFor, moduleFolder } from './go-module.ts'
import { startGuardedApi, startLatchkeyProcess, type GuardedApi, type LatchkeyProcess } from './guarded-api.ts'
import { programPath } from './program-path.ts'
import { until } from './waiting.ts'

const root = join(import.meta.dirname, '..', '..')

/** Milliseconds for which a guard of a server on SQLite may answer from memory. */
export const lease = 1_000

export interface NamedApi extends GuardedApi { name: string }

export interface Edge {
  server: LatchkeyProcess
  apis: readonly NamedApi[]
  /** Milliseconds that a busy machine may add. */
  slack: number
  /** Revokes keys while others are asked about, and asks every API after each answer. */
  revoke (times: number): Promise<{ passed: number, waits: number[] }>
  /** Stops an API while a key that it knows is revoked: how long that took, and its first answer afterwards. */
  stopDuring (api: NamedApi): Promise<{ waited: number, first: number }>
  /** Kills the server: the last pass of each API by memory, in milliseconds after it, and its answer from then on. */
  killServer (): Promise<{ lastPass: Record<string, number>, refused: Record<string, number> }>
  close (): Promise<void>
}

/** The command of each API, by its language; a language that is not installed is left out. */
async function commands (): Promise<Record<string, { command: string[], environment?: Record<string, string> }>> {
  const found: Awaited<ReturnType<typeof commands>> = {
    // The sources: what is built of them has a test of its own.
    Node: {
      command: [
        process.execPath, '--conditions=latchkey-source', join(root, 'packages', 'guard', 'examples', 'api.js')
      ]
    }
  }
  const python = programPath('python3')
  if (python !== null) {
    found.Python = {
      command: [python, join(root, 'clients', 'python', 'examples', 'api.py')],
      environment: { PYTHONPATH: join(root, 'clients', 'python', 'src') }
    }
  }
  const go = await goFor('1.22')
  if (go.skip === false) {
    const folder = join(root, 'node_modules', '.cache', 'clients', 'go')
    mkdirSync(folder, { recursive: true })
    const program = join(folder, 'edge-api')
    const { status, stderr } = spawnSync(go.path, ['build', '-o', program, './examples/api'], { cwd: moduleFolder })
    if (status !== 0) throw new Error(String(stderr))
    found.Go = { command: [program] }
  }
  return found
}

export async function startEdge (): Promise<Edge> {
  const ends: (() => unknown)[] = []
  const owner = { teardown: (end: () => unknown) => { ends.push(end) } } as Parameters<typeof startLatchkeyProcess>[0]
  const close = async (): Promise<void> => { for (const end of ends.reverse()) await end() }
  try {
    const server = await startLatchkeyProcess(owner)
    const apis: NamedApi[] = []
    for (const [name, { command, environment }] of Object.entries(await commands())) {
      const api = await startGuardedApi(owner, command, { ...await server.guardEnvironment(), ...environment })
      apis.push({ ...api, name })
    }
    return edgeOf(server, apis, close)
  } catch (error) {
    await close()
    throw error
  }
}

function edgeOf (server: LatchkeyProcess, apis: readonly NamedApi[], close: () => Promise<void>): Edge {
  const revokeKey = (id: string): Promise<unknown> => server.manage('POST', `/api-keys/${id}/revoke`)
  /** A key that every API has in memory. */
  const knownKey = async (): Promise<{ id: string, headers: Record<string, string> }> => {
    const { id, key } = await server.createKey()
    const headers = { 'x-api-key': key }
    for (const { name, ask } of apis) {
      await until(`${name} lets the key pass`, async () => await ask(headers) === 200)
      await ask(headers)
    }
    return { id, headers }
  }
  return {
    server,
    apis,
    slack: 500,
    close,
    async revoke (times) {
      const busy = await knownKey()
      const over = new AbortController()
      const load = Promise.all(apis.map(async ({ ask }) => { while (!over.signal.aborted) await ask(busy.headers) }))
      let passed = 0
      const waits: number[] = []
      for (let i = 0; i < times; i++) {
        const { id, headers } = await knownKey()
        const sent = performance.now()
        await revokeKey(id)
        waits.push(performance.now() - sent)
        const statuses = await Promise.all(apis.map(({ ask }) => ask(headers)))
        passed += statuses.filter(status => status !== 401).length
      }
      over.abort()
      await load
      return { passed, waits }
    },
    async stopDuring ({ process: child, ask }) {
      const { id, headers } = await knownKey()
      child.kill('SIGSTOP')
      const sent = performance.now()
      await revokeKey(id)
      const waited = Math.round(performance.now() - sent)
      const first = ask(headers)
      child.kill('SIGCONT')
      return { waited, first: await first }
    },
    async killServer () {
      const { headers } = await knownKey()
      const lastPass = Object.fromEntries(apis.map(({ name }) => [name, 0]))
      const refused: Record<string, number> = {}
      server.process.kill('SIGKILL')
      const killed = performance.now()
      await Promise.all(apis.map(async ({ name, ask }) => {
        for (;;) {
          const sent = performance.now()
          const status = await ask(headers)
          if (status !== 200) {
            refused[name] = status
            return
          }
          lastPass[name] = Math.round(sent - killed)
        }
      }))
      return { lastPass, refused }
    }
  }
}
