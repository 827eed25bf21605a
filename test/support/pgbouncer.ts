/** PgBouncer in front of a PostgreSQL, with its package's defaults except for the mode. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { programPath } from './program-path.ts'
import { freePort, stop } from './running-server.ts'
import { until } from './waiting.ts'

/** Null: it is not installed (Debian: pgbouncer). */
export const program = programPath('pgbouncer')

export interface Pgbouncer {
  /** The URL of the database through the pooler. */
  url: string
  close (): Promise<void>
}

/** Starts one for every database of the server at `databaseUrl`. `settings`: lines of its section [pgbouncer]. */
export async function startPgbouncer (
  databaseUrl: string, settings: Record<string, string | number>
): Promise<Pgbouncer> {
  const { hostname, port, username, password } = new URL(databaseUrl)
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-pgbouncer-'))
  const own = await freePort()
  const users = join(folder, 'users.txt')
  const file = join(folder, 'pgbouncer.ini')
  await writeFile(users, `"${username}" "${decodeURIComponent(password)}"\n`)
  await writeFile(
    file,
    [
      '[databases]',
      `* = host=${hostname} port=${port}`,
      '[pgbouncer]',
      ...Object.entries({
        listen_addr: '127.0.0.1',
        listen_port: own,
        unix_socket_dir: '',
        auth_type: 'plain',
        auth_file: users,
        ...settings
      }).map(([name, value]) => `${name} = ${value}`),
      ''
    ].join('\n')
  )
  // PgBouncer refuses to run as root; its files have to be readable for its account.
  for (const [path, mode] of [[folder, 0o755], [users, 0o644], [file, 0o644]] as const) await chmod(path, mode)
  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
  const child = spawn(program ?? 'pgbouncer', [file], { stdio: ['ignore', 'ignore', 'pipe'], ...nobody })
  let said = ''
  child.stderr.on('data', bytes => { said += String(bytes) })
  await until('PgBouncer listens', async () => {
    if (child.exitCode !== null) throw new Error(`PgBouncer did not start:\n${said}`)
    const socket = connect(own, '127.0.0.1')
    const listens = await once(socket, 'connect').then(() => true, () => false)
    socket.destroy()
    return listens
  })
  return {
    url: Object.assign(new URL(databaseUrl), { port: String(own) }).href,
    async close () {
      await stop(child)
      await rm(folder, { recursive: true, force: true })
    },
  }
}
