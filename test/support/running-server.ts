/** A server as an operator starts it: `latchkey serve`, in a process and a data folder of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { until } from './waiting.ts'

const root = resolve(import.meta.dirname, '../..')

/** The command itself, as package.json names it. */
export const latchkeyCommand = join(root, 'bin', 'latchkey.js')

export interface RunningServer {
  url: string
  dataFolder: string
  environment: Record<string, string>
  /** Its output so far, standard output and standard error. */
  said (): string
}

interface Cleaner { teardown (work: () => unknown): void }

/** Starts it and waits for the address in its output; the end of the test stops and removes it. */
export async function startServer (t: Cleaner, more: Record<string, string> = {}): Promise<RunningServer> {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-cli-'))
  const port = await freePort()
  const dataFolder = more.LATCHKEY_DATA ?? join(folder, 'data')
  const environment = ownEnvironment(
    { LATCHKEY_DATA: dataFolder, PORT: String(port), LATCHKEY_LOG_LEVEL: 'warn', ...more }
  )
  const server = spawn(process.execPath, [latchkeyCommand, 'serve'], {
    cwd: folder, env: environment, stdio: ['ignore', 'pipe', 'pipe']
  })
  const said: string[] = []
  for (const stream of [server.stdout, server.stderr]) stream.on('data', bytes => { said.push(String(bytes)) })
  t.teardown(async () => {
    await stop(server)
    await rm(folder, { recursive: true, force: true })
  })
  await listening(dataFolder, server, () => said.join(''))
  return { url: `http://127.0.0.1:${environment.PORT}`, dataFolder, environment, said: () => said.join('') }
}

export interface Ran { code: number | null, stdout: string, stderr: string }

/** Runs a program to its end. */
export async function run (
  command: string, parameters: readonly string[],
  options: { cwd?: string, env?: Record<string, string>, uid?: number } = {}
): Promise<Ran> {
  const child = spawn(command, parameters, { stdio: ['ignore', 'pipe', 'pipe'], cwd: root, ...options })
  const ran: Ran = { code: null, stdout: '', stderr: '' }
  child.stdout.on('data', bytes => { ran.stdout += String(bytes) })
  child.stderr.on('data', bytes => { ran.stderr += String(bytes) })
  ran.code = (await once(child, 'close'))[0] as number | null
  return ran
}

/** This process's environment without the variables of another Latchkey. */
export function ownEnvironment (more: Record<string, string>): Record<string, string> {
  const inherited = Object.entries(process.env).filter(([name, value]) =>
    value !== undefined && !/^(LATCHKEY_|DATABASE_URL$|PORT$|HOST$)/.test(name)
  )
  return { ...Object.fromEntries(inherited) as Record<string, string>, ...more }
}

/** A free port of this machine, below the range of outgoing connections, so that none of them takes it meanwhile. */
export async function freePort (): Promise<number> {
  for (;;) {
    const port = randomInt(10_000, 32_000)
    const server = createServer().listen(port, '127.0.0.1')
    const isFree = await once(server, 'listening').then(() => true, () => false)
    if (!isFree) continue
    server.close()
    await once(server, 'close')
    return port
  }
}

/** Ends a process that was started here with SIGTERM, and waits for it. */
export async function stop (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  await once(child, 'close')
}

/**
 * Resolves once the `latchkey serve` in `child`, whose data is in `dataFolder`, listens. @throws its output when it
 * ends instead.
 */
export async function listening (dataFolder: string, child: ChildProcess, said: () => string): Promise<void> {
  await until('the server listens', () => {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`the server did not start:\n${said()}`)
    return existsSync(join(dataFolder, 'server.json'))
  })
}
