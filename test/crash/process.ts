/** The server process that is killed, and its PostgreSQL. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newSecret } from '../../src/secrets/random.ts'
import { startPostgres, type Postgres } from '../support/postgres.ts'
import { freePort, ownEnvironment } from '../support/running-server.ts'

export type DatabaseName = 'sqlite' | 'postgresql'

/** Everything that survives a crash: port, secrets, data. */
export interface Home {
  port: number
  adminToken: string
  databaseUrl: string
  /** Null: SQLite. */
  postgres: Postgres | null
  environment: Record<string, string>
  close (): Promise<void>
}

export async function newHome (database: DatabaseName): Promise<Home> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-crash-'))
  const postgres = database === 'postgresql' ? await startPostgres({ durable: true }) : null
  const port = await freePort()
  const adminToken = `lkadm_${newSecret()}`
  const databaseUrl = postgres?.url ?? `file:${join(folder, 'latchkey.db')}`
  const environment = ownEnvironment({
    // Compiling the sources takes half of a start.
    NODE_COMPILE_CACHE: join(folder, 'compiled'),
    PORT: String(port),
    LATCHKEY_DATA: folder,
    DATABASE_URL: databaseUrl,
    LATCHKEY_ADMIN_TOKEN: adminToken,
    LATCHKEY_SECRET: newSecret(),
    LATCHKEY_LOG_LEVEL: 'error',
  })
  const close = async () => {
    await postgres?.stop()
    await rm(folder, { recursive: true, force: true })
  }
  return { port, adminToken, databaseUrl, postgres, environment, close }
}

export interface Server {
  /** Resolves when it listens. Rejects with its output when it ends before. */
  ready: Promise<void>
  /** Its standard error so far. */
  said (): string
  /** SIGKILL, and waits until it has ended. */
  kill (): Promise<void>
  /** SIGTERM, and waits until it has ended. */
  stop (): Promise<void>
}

export function startServer ({ environment }: Home): Server {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'server.ts')], {
    env: environment, stdio: ['pipe', 'pipe', 'pipe']
  })
  const said: string[] = []
  child.stderr.on('data', bytes => { said.push(String(bytes)) })
  const end = async (signal: NodeJS.Signals) => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = once(child, 'close')
    child.kill(signal)
    await ended
  }
  const ready = listening(child, said)
  // A caller that kills it before it listens does not await this promise.
  ready.catch(() => {})
  return { ready, said: () => said.join(''), kill: () => end('SIGKILL'), stop: () => end('SIGTERM') }
}

async function listening (child: ChildProcess, said: readonly string[]): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    child.stdout!.on('data', bytes => { if (String(bytes).includes('ready')) resolve() })
    child.once('close', () => { reject(new Error(`the server ended before it listened: ${said.join('')}`)) })
  })
}
