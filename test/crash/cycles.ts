/** Load, a crash at some moment of it, a start on the same data, and a check of everything, in cycles. */
import { setTimeout as pause } from 'node:timers/promises'
import { eventually, patience, until } from '../support/waiting.ts'
import type { Caller } from './caller.ts'
import { newDice, type Dice } from './dice.ts'
import { findHalves } from './halves.ts'
import { Journal } from './journal.ts'
import { Gateway } from './gateway-load.ts'
import { Owner } from './load.ts'
import { newHome, startServer, type DatabaseName, type Home, type Server } from './process.ts'
import { worldOf, type World } from './world.ts'

export interface CrashOptions {
  database: DatabaseName
  cycles: number
  seed: number
  /** Concurrent callers. */
  callers?: number
  /** The number of servers that are killed while they create the database. */
  firstStarts?: number
  /** A manipulation of the data between the crash and the start, which the checks have to find. */
  meddle?: (databaseUrl: string, cycle: number) => Promise<void>
  /** Called after each cycle. */
  onCycle?: (cycle: number, report: CrashReport) => void
}

/** What is killed, and when. */
export const crashes = {
  sqlite: ['server under load', 'server while it starts', 'server while it stops'],
  postgresql: [
    'server under load', 'database under load', 'both under load', 'server while it starts', 'server while it stops'
  ]
} as const
export type Crash = typeof crashes[DatabaseName][number]

export interface CrashReport {
  crashes: Map<Crash, number>
  /** Acknowledged writes by kind. */
  acknowledged: ReadonlyMap<string, number>
  /** Requests without an answer, or answered by 503. */
  unanswered: number
  /** Changes that were acknowledged, and are missing or not in force. */
  lost: string[]
  /** Changes that are partly there. */
  halfDone: string[]
  /** Answers that no caller should get, failed starts, chains that do not verify. */
  wrong: string[]
  /**
   * Milliseconds from the start of a process to its listening, after a crash; and from the start of a killed database
   * to the first answer.
   */
  restarts: number[]
  recoveries: number[]
}

/** Claims of earlier cycles that each cycle checks again. The last cycle checks all. */
const looksBack = 40

/** The server verifies its whole audit log every so many cycles, and in the last one. */
const verifyEvery = 10

export async function crash (
  { database, cycles, seed, callers = 6, firstStarts = 4, meddle, onCycle }: CrashOptions
): Promise<CrashReport> {
  const dice = newDice(seed)
  const home = await newHome(database)
  const journal = new Journal()
  const report: CrashReport = {
    crashes: new Map(),
    acknowledged: journal.acknowledged,
    unanswered: 0,
    lost: [],
    halfDone: [],
    wrong: [],
    restarts: [],
    recoveries: []
  }
  const world = worldOf(home.port, home.adminToken, home.databaseUrl)
  const stage = { world, journal, dice, wrong: (what: string) => { report.wrong.push(what) } }
  const everybody = Array.from({ length: callers }, (_, i) =>
    // One in three spends on AI.
    i % 3 === 2 ? new Gateway(stage, `gateway ${i + 1}`) : new Owner(stage, `caller ${i + 1}`)
  )
  const heads = new Heads(world)
  const halves = new Set<string>()
  let server: Server | null = null
  try {
    await killFirstStarts(home, dice, firstStarts)
    server = await (cycles > 10 ? warmStart(home) : started(home, report))
    for (let cycle = 1; cycle <= cycles; cycle++) {
      const kind = crashOf(cycle, database, dice)
      report.crashes.set(kind, (report.crashes.get(kind) ?? 0) + 1)
      server = await crashOnce(kind, {
        home,
        server,
        dice,
        everybody,
        report,
        meddle: async () => {
          await meddle?.(home.databaseUrl, cycle)
        },
        world
      })
      const isLast = cycle === cycles
      for (const subject of journal.due(isLast ? Infinity : looksBack, dice.number)) {
        const lost = await journal.check(subject, world).catch((error: unknown) => `${subject}: ${String(error)}`)
        if (lost !== null) report.lost.push(`cycle ${cycle}: ${lost}`)
      }
      for (const half of await findHalves(world)) {
        // Reported once: it stays half done.
        if (!halves.has(half)) report.halfDone.push(`cycle ${cycle}: ${half}`)
        halves.add(half)
      }
      report.wrong.push(
        ...(await heads.compare(isLast || cycle % verifyEvery === 0)).map(fault => `cycle ${cycle}: ${fault}`)
      )
      await heads.remember()
      report.unanswered = journal.unanswered
      onCycle?.(cycle, report)
    }
    return report
  } finally {
    await server?.kill()
    await world.close()
    await home.close()
  }
}

/** Kills servers on an empty database, in the middle of its migrations and first keys. */
async function killFirstStarts (home: Home, dice: Dice, times: number): Promise<void> {
  for (let i = 0; i < times; i++) {
    const first = startServer(home)
    await pause(300 + dice.number(900))
    await first.kill()
  }
}

/** Only a process that ends gracefully saves its compiled code, so that later ones start sooner. */
async function warmStart (home: Home): Promise<Server> {
  const first = startServer(home)
  await first.ready
  await first.stop()
  const second = startServer(home)
  await second.ready
  return second
}

function crashOf (cycle: number, database: DatabaseName, dice: Dice): Crash {
  // Each kind once in order, so that a short run covers all; random after that.
  const possible = crashes[database]
  if (cycle <= possible.length) return possible[cycle - 1]!
  return dice.number(2) === 0 ? 'server under load' : dice.pick(possible)
}

interface Scene {
  home: Home,
  server: Server,
  dice: Dice,
  everybody: readonly Caller[],
  report: CrashReport,
  world: World,
  meddle: () => Promise<void>
}

/** Resolves with a running server. */
async function crashOnce (kind: Crash, scene: Scene): Promise<Server> {
  const { home, server, dice, everybody, report, world, meddle } = scene
  let over = false
  const load = Promise.all(everybody.map(caller => caller.work(() => over)))
  const stopLoad = async () => {
    over = true
    await load
  }
  await underLoad(report, dice)
  if (kind === 'database under load') {
    await home.postgres!.kill()
    await pause(dice.number(150))
    await home.postgres!.restart()
    report.recoveries.push(await recovered(world, report))
    await pause(50)
    await stopLoad()
    return server
  }
  if (kind === 'both under load') await Promise.all([home.postgres!.kill(), server.kill()])
  else if (kind === 'server while it stops') await stopSuddenly(server, dice)
  else await server.kill()
  await stopLoad()
  if (kind === 'both under load') await home.postgres!.restart()
  await meddle()
  if (kind === 'server while it starts') {
    const next = startServer(home)
    await pause(dice.number(700))
    await next.kill()
  }
  return await started(home, report)
}

/**
 * Waits until some more writes are acknowledged, and a moment longer: the crash then comes at a random point of the
 * next ones.
 */
async function underLoad ({ acknowledged }: CrashReport, dice: Dice): Promise<void> {
  const count = () => [...acknowledged.values()].reduce((sum, n) => sum + n, 0)
  const enough = count() + 1 + dice.number(100)
  await until(`${enough} writes are acknowledged`, () => count() >= enough)
  await pause(dice.number(25))
}

async function stopSuddenly (server: Server, dice: Dice): Promise<void> {
  const stopped = server.stop()
  await pause(dice.number(60))
  await server.kill()
  await stopped
}

async function started (home: Home, report: CrashReport): Promise<Server> {
  const began = performance.now()
  const server = startServer(home)
  await server.ready
  report.restarts.push(performance.now() - began)
  return server
}

/** Milliseconds until the server, which was never restarted, answers from its database again. */
async function recovered (world: World, report: CrashReport): Promise<number> {
  const began = performance.now()
  const answer = await eventually(
    () => world.admin('GET', '/organizations?limit=1').catch(() => null), found => found?.status === 200
  )
  if (answer?.status === 200) return performance.now() - began
  report.wrong.push(`the server did not recover within ${patience / 1_000} seconds of its database`)
  return Infinity
}

/** The acknowledged heads of audit chains, kept in this process, out of reach of a crash. */
class Heads {
  readonly #world: World
  readonly #known = new Map<string, { chain: string, sequence: number, hash: string }>()

  constructor (world: World) {
    this.#world = world
  }

  async remember (): Promise<void> {
    for (
      const { id: chain, sequence, hash } of await this.#world.rows('SELECT "id", "sequence", "hash" FROM "AuditChain"')
    ) this.#known.set(chain, { chain, sequence: Number(sequence), hash })
  }

  /** Faults of the chains by the server's own verification: of the known heads, and if `wholly` of the whole log. */
  async compare (wholly: boolean): Promise<string[]> {
    const known = [...this.#known.values()].slice(wholly ? 0 : -200)
    const faults: string[] = []
    for (let i = 0; i < known.length; i += 200) {
      const { status, text, json } = await this.#world.admin('POST', '/audit/verify', {
        heads: known.slice(i, i + 200)
      })
      if (status !== 200 || json.fault !== null) faults.push(`a head that was known before: ${text}`)
    }
    for (let path = wholly ? '/audit/verify' : null; path !== null;) {
      const { status, text, json } = await this.#world.admin('GET', path)
      if (status !== 200 || json.fault !== null) faults.push(`the audit log: ${text}`)
      path = json.nextCursor === undefined ? null : `/audit/verify?cursor=${json.nextCursor}`
    }
    return faults
  }
}
