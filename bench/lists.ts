/** The dashboard's list of API keys where there are very many, on both databases: each page, and what it costs. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { startPostgres, type Postgres } from '../test/support/postgres.ts'
import { median, scratch, start, stop, type Part, type Row, type Server } from './measuring.ts'

interface Listing { url: string, cookie: string, key: string }
interface Spent { statements: number, milliseconds: number, cpu: number }

/** The page, and what it is for. The first is the one with a promise of its own. */
const pages = [
  ['', 'newest first'], ['?status=active', 'active'], ['?status=revoked', 'revoked: none is'],
  ['?search=nightly', 'search: a thousandth'], ['?search=no-key-has-this', 'search: none'],
  ['?sort=name', 'by name'], ['?sort=lastUsedAt', 'by last use'], ['?sort=expiresAt', 'by end']
] as const

/** Requests of one page in a round. */
const requests = 20

export const lists: Part = async ({ keys, rounds }) => {
  const postgres = await startPostgres()
  const servers: [string, Server<Listing>, Postgres | null][] = []
  try {
    servers.push(['SQLite', await start<Listing>('lists-server.ts', [join(scratch, 'lists'), keys, 4311]), null])
    servers.push([
      'PostgreSQL',
      await start<Listing>('lists-server.ts', [join(scratch, 'lists-pg'), keys, 4312, postgres.url]), postgres
    ])
    const rows: Row[] = []
    for (const [name, server, database] of servers) {
      for (const [path, what] of pages) rows.push(...await rowsOf(name, server, database, path, what, rounds))
    }
    return rows
  } finally {
    await Promise.all(servers.map(([, server]) => stop(server.process)))
    await postgres.stop()
  }
}

async function rowsOf (
  name: string, server: Listing, postgres: Postgres | null, path: string, what: string, rounds: number
): Promise<Row[]> {
  const [cpu, walls, database, statements]: [number[], number[], number[], number[]] = [[], [], [], []]
  await ask(server, path, 3)
  for (let round = 0; round < rounds; round++) {
    const [before, used] = [await spent(server), postgres === null ? 0 : cpuOf(postgres)]
    walls.push(await ask(server, path, requests))
    const after = await spent(server)
    cpu.push((after.cpu - before.cpu) / requests)
    database.push(postgres === null
      ? (after.milliseconds - before.milliseconds) / requests
      : (cpuOf(postgres) - used) / requests)
    statements.push((after.statements - before.statements) / requests)
  }
  const isPromised = path === ''
  return [{
    what: `keys, ${what}`,
    against: `${name}, CPU of the server`,
    values: cpu,
    // The first page has the promise; of the others the measured figure is told.
    ...(isPromised ? { reach: ['≤', 30] as const } : {}),
    unit: ' ms',
    absolute: `${median(walls).toFixed(0)} ms in all; database ${median(database).toFixed(1)} ms, ` +
      `${median(statements).toFixed(0)} statements with those of the session`
  }]
}

/** Milliseconds for one page. @throws Error for another answer than a page. */
async function ask ({ url, cookie }: Listing, path: string, times: number): Promise<number> {
  const begin = performance.now()
  for (let i = 0; i < times; i++) {
    const answer = await fetch(`${url}/dashboard/api-keys${path}`, { headers: { cookie } })
    await answer.text()
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status}`)
    // What it does in the background is not the page's.
    if (i === 0) await pause(0)
  }
  return (performance.now() - begin) / times
}

async function spent ({ url }: Listing): Promise<Spent> {
  return await (await fetch(`${url}/spent`)).json() as Spent
}

/** Milliseconds of CPU that the processes of a PostgreSQL have used, those that have ended included. */
function cpuOf ({ dataFolder }: Postgres): number {
  const main = readFileSync(join(dataFolder, 'postmaster.pid'), 'utf8').split('\n', 1)[0]!
  const ticks = (pid: string, fields: readonly number[]): number => {
    const [, after] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
    return fields.reduce((sum, field) => sum + Number(after!.split(' ')[field]), 0)
  }
  let sum = ticks(main, [11, 12, 13, 14])
  for (const pid of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      if (readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[1] === main) sum += ticks(pid, [11, 12])
    } catch {
      // The process has ended.
    }
  }
  // Of a hundredth of a second.
  return sum * 10
}
