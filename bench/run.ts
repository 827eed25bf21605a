/**
 * `npm run bench`: ratios of throughput, measured side by side in one run. One server process pinned to one core, the load
 * (wrk) on the other; alternating rounds, so that a machine that drifts drifts for all of them. Prints the median ratio and
 * its spread over the rounds. Absolute figures say little about another machine; they are printed for orientation.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' }, seconds: { type: 'string', default: '4' }, clients: { type: 'string', default: '1000' } } })
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const scratch = mkdtempSync(join(tmpdir(), 'latchkey-wrk-'))

interface Server { process: ChildProcess, url: string, key: string, clients: string[] }
interface Load { name: string, url: string, script: string }

for (const [tool, remedy] of [['wrk', 'apt-get install wrk'], ['taskset', 'apt-get install util-linux']] as const) {
  if (spawnSync('which', [tool]).status !== 0) throw new Error(`npm run bench needs ${tool}: ${remedy}`)
}

async function start (file: string, port: number): Promise<Server> {
  const child = spawn('taskset', ['-c', '0', process.execPath, join(import.meta.dirname, file), values.clients, String(port)], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', chunk => { text += chunk })
  while (!text.includes('\n')) await Promise.race([once(child.stdout, 'data'), once(child, 'exit').then(() => { throw new Error(`${file} ended`) })])
  return { process: child, ...JSON.parse(text) as Omit<Server, 'process'> }
}

/** Requests per second of one load. @throws when a single answer is not 2xx: a ratio of failures means nothing. */
function measure ({ name, url, script }: Load, duration: number): number {
  const file = join(scratch, `${name.replaceAll(/\W+/g, '-')}.lua`)
  writeFileSync(file, script)
  const { stdout } = spawnSync('taskset', ['-c', '1', 'wrk', '-t1', '-c32', `-d${duration}s`, '-s', file, url], { encoding: 'utf8' })
  const rate = Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1])
  if (/Non-2xx|Socket errors/.test(stdout) || !(rate > 0)) throw new Error(`${name}: ${stdout}`)
  return rate
}

function get (headers: Record<string, string> = {}): string {
  return `wrk.method = "GET"\n${Object.entries(headers).map(([name, value]) => `wrk.headers["${name}"] = "${value}"`).join('\n')}\n`
}

/** Every client in turn. */
function tokenRequests (clients: readonly string[]): string {
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

function introspectionRequest ({ clients }: Server, token: string): string {
  return `wrk.method = "POST"\nwrk.headers["authorization"] = "Basic ${clients[0]}"\nwrk.headers["content-type"] = "application/x-www-form-urlencoded"\nwrk.body = "token=${token}"\n`
}

async function tokenFor ({ url, clients }: Server): Promise<string> {
  const response = await fetch(`${url}/api/v1/auth/token`, { method: 'POST', headers: { authorization: `Basic ${clients[0]}` }, body: new URLSearchParams({ grant_type: 'client_credentials' }) })
  return (await response.json() as { access_token: string }).access_token
}

function median (numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)]!
}

/** Measures the loads in turn, `rounds` times, after one unmeasured turn to warm up. */
function alternate (loads: readonly Load[]): Map<string, number[]> {
  for (const load of loads) measure(load, 2)
  const rates = new Map<string, number[]>(loads.map(({ name }) => [name, []]))
  for (let round = 0; round < rounds; round++) for (const load of loads) rates.get(load.name)!.push(measure(load, seconds))
  return rates
}

function report (rates: Map<string, number[]>, comparisons: readonly [what: string, against: string][]): void {
  for (const [what, against] of comparisons) {
    const ratios = rates.get(what)!.map((rate, round) => rate / rates.get(against)![round]!)
    const figure = (ratio: number) => ratio.toFixed(2)
    process.stdout.write([
      what.padEnd(34), against.padEnd(30), figure(median(ratios)).padStart(6), `${figure(Math.min(...ratios))} – ${figure(Math.max(...ratios))}`.padStart(14),
      Math.round(median(rates.get(what)!)).toString().padStart(9), Math.round(median(rates.get(against)!)).toString().padStart(9),
    ].join(' ') + '\n')
  }
}

const latchkey = await start('latchkey-server.ts', 4300)
const stock = await start('stock-server.ts', 4301)
try {
  const token = await tokenFor(latchkey)
  process.stdout.write(`${rounds} alternating rounds of ${seconds} s, 32 connections, ${values.clients} clients in turn\n\n`)
  process.stdout.write(`${'what'.padEnd(34)} ${'against'.padEnd(30)} ${'ratio'.padStart(6)} ${'spread'.padStart(14)} ${'req/s'.padStart(9)} ${'req/s'.padStart(9)}\n`)
  report(alternate([
    { name: 'bare route', url: `${latchkey.url}/bare`, script: get() },
    { name: 'guarded route, API key', url: `${latchkey.url}/guarded`, script: get({ 'x-api-key': latchkey.key }) },
    { name: 'guarded route, access token', url: `${latchkey.url}/guarded`, script: get({ authorization: `Bearer ${token}` }) },
    { name: 'introspection of a token', url: `${latchkey.url}/api/v1/oauth/introspect`, script: introspectionRequest(latchkey, token) },
  ]), [['guarded route, API key', 'bare route'], ['guarded route, access token', 'bare route'], ['introspection of a token', 'bare route']])
  report(alternate([
    { name: 'bare route that signs', url: `${latchkey.url}/sign`, script: tokenRequests(latchkey.clients) },
    { name: 'token endpoint', url: `${latchkey.url}/api/v1/auth/token`, script: tokenRequests(latchkey.clients) },
    { name: 'oidc-provider as it comes', url: `${stock.url}/token`, script: tokenRequests(stock.clients) },
  ]), [['token endpoint', 'bare route that signs'], ['token endpoint', 'oidc-provider as it comes']])
} finally {
  latchkey.process.kill()
  stock.process.kill()
  rmSync(scratch, { recursive: true })
}
