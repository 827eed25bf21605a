/**
 * Measurement: server processes are pinned to one core, the load (wrk) to the other; candidates run in alternating
 * rounds, so that drift of the machine affects all of them.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The settings of a run. */
export interface Settings {
  rounds: number
  /** Of one measurement. */
  seconds: number
  clients: number
  /** Keys of the server that is compared with one of a thousand. */
  keys: number
  /** Seconds of load over which memory must not grow. */
  soak: number
  /** Revocations. */
  tries: number
}

/** A line of the table. Absolute figures depend on the machine; they are for orientation. */
export interface Row {
  what: string
  against: string
  /** One for each round. */
  values: readonly number[]
  /** `≥` or `≤`, and a figure for the median; absent: it is measured without a goal. */
  reach?: readonly ['≥' | '≤', number]
  unit?: string
  absolute: string
}

/** One part of the bench. Throws on an unexpected answer: a ratio of failures means nothing. */
export type Part = (settings: Settings) => Promise<Row[]>

export const scratch = mkdtempSync(join(tmpdir(), 'latchkey-bench-'))
const running = new Set<ChildProcess>()

/** Ends all running processes, and removes written files. */
export function cleanUp (): void {
  for (const child of running) child.kill('SIGKILL')
  rmSync(scratch, { recursive: true, force: true })
}

/** A server process, and the content of its first line. */
export type Server<Said> = Said & { process: ChildProcess, pid: number }

/** Starts a server of this folder on the first core; it prints one line of JSON once it listens. */
export async function start<Said extends object> (
  file: string, parameters: readonly (string | number)[], environment: NodeJS.ProcessEnv = process.env
): Promise<Server<Said>> {
  const child = run([join(import.meta.dirname, file), ...parameters.map(String)], environment)
  const said = JSON.parse(await firstLine(child, file)) as Said
  return { ...said, process: child, pid: child.pid! }
}

/**
 * A Node process on the first core. Its output is not read during a measurement: a verbose one needs another target.
 */
export function run (
  parameters: readonly string[], environment: NodeJS.ProcessEnv = process.env, said: 'pipe' | 'ignore' = 'pipe'
): ChildProcess {
  const child = spawn('taskset', ['-c', '0', process.execPath, ...parameters], {
    stdio: ['ignore', said, 'inherit'], env: environment
  })
  running.add(child)
  child.once('exit', () => { running.delete(child) })
  return child
}

export async function stop (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  // A stopped process handles no other signal.
  child.kill('SIGCONT')
  child.kill('SIGTERM')
  await ended
}

async function firstLine (child: ChildProcess, name: string): Promise<string> {
  let text = ''
  child.stdout!.setEncoding('utf8').on('data', chunk => { text += chunk })
  const ended = once(child, 'exit').then(() => { throw new Error(`${name} ended before it listened`) })
  while (!text.includes('\n')) await Promise.race([once(child.stdout!, 'data'), ended])
  ended.catch(() => {})
  return text.slice(0, text.indexOf('\n'))
}

/** The requests of wrk, and the process that answers. */
export interface Load {
  name: string
  url: string
  /** The process that answers. */
  pid: number
  /** In Lua. */
  script: string
  /** Arguments of the script. */
  parameters?: readonly (string | number)[]
}

export interface Measured {
  /** Requests per second. */
  rate: number
  /** CPU time of the answering process for a request, over all its threads, in microseconds. */
  cpu: number
  requests: number
  /** Milliseconds. */
  p50: number
  p99: number
}

/**
 * Keeps wrk from sleeping: something in its epoll is always ready. Waking a process on another core costs a virtual
 * machine as much as a request, and the answering server pays for it whenever wrk is idle, that is, only if it is
 * slower than wrk. A ratio of two servers on either side of that edge would be meaningless.
 */
const neverSleeping = `
local ffi = require("ffi")
ffi.cdef[[
  struct event { uint32_t events, packed_fd, aligned_fd, high; };
  int eventfd(unsigned int, int);
  int epoll_ctl(int, int, int, struct event *);
  long readlink(const char *, char *, size_t);
]]
local target = ffi.new("char[64]")
for fd = 0, 63 do
  local length = ffi.C.readlink("/proc/self/fd/" .. fd, target, 64)
  if length > 0 and ffi.string(target, length) == "anon_inode:[eventpoll]" then
    local ready = ffi.C.eventfd(1, 0)
    if ffi.C.epoll_ctl(fd, 1, ready, ffi.new("struct event", 1, ready, ready, 0)) ~= 0 then error("wrk would sleep") end
  end
end
`

const scripts = new Map<string, string>()

/** @throws Error if any answer is not 2xx. */
export function measure ({ name, url, pid, script, parameters = [] }: Load, seconds: number): Measured {
  const file = scripts.get(script) ?? join(scratch, `load-${scripts.size}.lua`)
  if (!scripts.has(script)) writeFileSync(file, neverSleeping + script)
  scripts.set(script, file)
  const before = cpuTime(pid)
  const { stdout, stderr, status, signal } = spawnSync('taskset', [
    '-c', '1', 'wrk', '-t1', '-c32', `-d${seconds}s`, '--latency', '--timeout', '20s', '-s', file, url, '--',
    ...parameters.map(String)
  ], { encoding: 'utf8' })
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1])
  if (/Non-2xx|Socket errors/.test(stdout) || !(rate > 0)) {
    throw new Error(`${name}: ${stdout}${stderr} (wrk ended with ${signal ?? status})`)
  }
  const requests = Number(/(\d+) requests in/.exec(stdout)![1])
  return { rate, requests, cpu: (cpuTime(pid) - before) / requests, p50: latency(stdout, 50), p99: latency(stdout, 99) }
}

/** CPU time of a process in microseconds. The kernel counts in hundredths of a second. */
function cpuTime (pid: number): number {
  const [, , ...rest] = readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/\(.*\)/, '').split(/\s+/)
  return (Number(rest[10]) + Number(rest[11])) * 10_000
}

function latency (stdout: string, percentile: number): number {
  const [, figure, unit] = new RegExp(`\\s${percentile}%\\s+([\\d.]+)(us|ms|s)`).exec(stdout)!
  return Number(figure) * { us: 0.001, ms: 1, s: 1000 }[unit as 'us' | 'ms' | 's']
}

/** Measures the loads in turn, `rounds` times, after one unmeasured turn to warm up. */
export function alternate (loads: readonly Load[], { rounds, seconds }: Settings): Map<string, Measured[]> {
  for (const load of loads) measure(load, 2)
  const measured = new Map<string, Measured[]>(loads.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) {
    for (const load of loads) measured.get(load.name)!.push(measure(load, seconds))
  }
  return measured
}

/** The throughput of one load against another, round by round. */
export function throughput (measured: Map<string, Measured[]>, what: string, against: string, atLeast: number): Row {
  const [one, other] = [measured.get(what)!, measured.get(against)!]
  const values = one.map(({ rate }, round) => rate / other[round]!.rate)
  const cpu = median(one.map(({ cpu }, round) => other[round]!.cpu / cpu)).toFixed(2)
  return {
    what,
    against,
    values,
    reach: ['≥', atLeast],
    absolute: `${perSecond(one)} against ${perSecond(other)}; by processor time ${cpu}`
  }
}

export function perSecond (measured: readonly Measured[]): string {
  return `${Math.round(median(measured.map(({ rate }) => rate)))}/s`
}

export function median (numbers: readonly number[]): number {
  return quantile(numbers, 0.5)
}

export function quantile (numbers: readonly number[], share: number): number {
  return [...numbers].sort((a, b) => a - b)[Math.min(numbers.length - 1, Math.floor(numbers.length * share))]!
}

/** Resident memory of a process in megabytes. */
export function resident (pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

export function get (headers: Record<string, string> = {}): string {
  return `wrk.method = "GET"\n${
    Object.entries(headers).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`).join('\n')
  }\n`
}

/** A token request of every client in turn. `clients`: their Basic credentials. */
export function tokenRequests (clients: readonly string[]): string {
  return [
    `local clients = { ${clients.map(each => `"Basic ${each}"`).join(', ')} }`,
    'local i = 0',
    'local headers = { ["content-type"] = "application/x-www-form-urlencoded" }',
    'request = function()',
    '  i = i % #clients + 1',
    '  headers["authorization"] = clients[i]',
    '  return wrk.format("POST", nil, headers, "grant_type=client_credentials")',
    'end',
  ].join('\n')
}

export async function tokenFor (url: string, client: string): Promise<string> {
  const response = await fetch(`${url}/api/v1/auth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${client}` },
    body: new URLSearchParams({ grant_type: 'client_credentials' })
  })
  if (response.status !== 200) throw new Error(`no token: ${response.status} ${await response.text()}`)
  return (await response.json() as { access_token: string }).access_token
}

/** Builds the package, and installs it: compiled, without its sources. Returns its command. */
export function packagedCommand (): string {
  const root = join(import.meta.dirname, '..')
  const folder = join(scratch, 'package')
  const command = join(folder, 'bin', 'latchkey.js')
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'scripts', 'build.ts')], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`the package could not be built: ${stdout}`)
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  for (const each of ['bin', 'dist', 'prisma', 'package.json']) {
    cpSync(join(root, each), join(folder, each), { recursive: true })
  }
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  return command
}

/** The environment without variables for another Latchkey or another Node. */
export function environmentWith (more: Record<string, string>): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) =>
    !/^(LATCHKEY_|NODE_|DATABASE_URL$|PORT$|HOST$)/.test(name)
  )
  return { ...Object.fromEntries(inherited), ...more }
}
