/**
 * Remote guards in the simulation: each follows one server as docs/remote-guard.md says, with messages that are late
 * and lost, pauses, and a clock of its own. The rules of trust are those of base/trust.ts; the sessions are modelled
 * after src/decision/guard-sessions/guard-session.ts, the guards after src/guard/remote/session.ts.
 */
import { margin, never, type Instant } from '../../src/base/trust.ts'
import type { Random, Schedule } from './schedule.ts'

/** The rules of guards and of servers towards them; a test replaces one by a wrong one. */
export interface GuardRules {
  trustedUntil (sent: Instant, lease: number): Instant
  isTrusted (until: Instant, monotonic: number, wall: number): boolean
  /** Whether a guard is trusted no longer than its server trusts itself. */
  cutsToServer: boolean
  /** The moment of a poll from which its trust is counted. */
  guardCountsFrom: 'sent' | 'answered'
  /** Whether a server reports a change before its guards have applied it. */
  reportsEarly: boolean
  /** Whether a server joins again while its guards are trusted. */
  joinsEarly: boolean
  /** Whether a server that lost its own trust acknowledges without regard to its guards. */
  forgetsItsGuards: boolean
  /** Whether a look-up is kept although a change was applied since its answer was made. */
  keepsOldLookups: boolean
  /** Whether the trust of a session that was too late is forgotten with it. */
  forgetsLateSessions: boolean
}

export const guardRules = {
  cutsToServer: true,
  guardCountsFrom: 'sent',
  reportsEarly: false,
  joinsEarly: false,
  forgetsItsGuards: false,
  keepsOldLookups: false,
  forgetsLateSessions: false
} as const satisfies Partial<GuardRules>

/** What guards need of the simulated world. */
export interface GuardWorld {
  schedule: Schedule
  random: Random
  rules: GuardRules
  lease: number
  loses (): boolean
  delay (): number
  lookAtGuard (guard: Guard): void
}

/** What guards need of the server that they follow. */
export interface GuardedServer {
  now (): number
  /** Runs an action now, or when the server resumes. */
  take (act: () => void): void
  after (milliseconds: number, act: () => void): void
  /** Milliseconds for which it may use its own cache. */
  remaining (): number
  /** Reads a record, from the cache or the database. */
  read (record: number, found: (version: number) => void): void
}

/** One session, as its server keeps it. */
class Session {
  position = 0
  heard = 0
  applied = 0
  trustUntil = -Infinity
  hasEnded = false
  waiting: { position: number, record: number }[] = []
}

/** The sessions of one server. */
export class Sessions {
  readonly #world: GuardWorld
  readonly #server: GuardedServer
  #sessions = new Set<Session>()
  readonly #unsettled = new Set<() => void>()

  constructor (world: GuardWorld, server: GuardedServer) {
    this.#world = world
    this.#server = server
  }

  open (): Session {
    const session = new Session()
    this.#sessions.add(session)
    return session
  }

  /** A change was applied; null: to every record. */
  note (record: number): void {
    for (const session of this.#sessions) {
      session.heard++
      session.waiting.push({ position: ++session.position, record })
    }
  }

  /** Calls `done` once every guard has applied what was noted, or has no trust from before it. */
  settle (done: () => void): void {
    const { rules } = this.#world
    const late = [...this.#sessions].filter(session => session.applied < session.position && this.#isTrusted(session))
      .map(session => ({ session, position: session.position, deadline: session.trustUntil }))
    if (late.length === 0 || rules.reportsEarly) {
      done()
      return
    }
    let isOver = false
    const consider = (): void => {
      const left = late.filter(({ session, position, deadline }) =>
        session.applied < position && this.#server.now() < deadline)
      if (isOver || left.length > 0) return
      isOver = true
      this.#unsettled.delete(consider)
      for (const { session, position } of late) if (session.applied < position) this.#end(session)
      done()
    }
    this.#unsettled.add(consider)
    for (const { deadline } of late) this.#server.after(deadline - this.#server.now(), consider)
  }

  /** The answer to a poll; null: the guard has to open another session. */
  poll (session: Session, applied: number): { position: number, records: number[], trustFor: number } | null {
    if (session.hasEnded) return null
    session.applied = applied
    session.waiting = session.waiting.filter(({ position }) => position > applied)
    for (const consider of [...this.#unsettled]) consider()
    const { rules, lease } = this.#world
    const trustFor = Math.max(0, rules.cutsToServer ? Math.min(lease / 2, this.#server.remaining()) : lease / 2)
    session.trustUntil = Math.max(session.trustUntil, this.#server.now() + trustFor)
    return { position: session.position, records: session.waiting.map(({ record }) => record), trustFor }
  }

  lookUp (session: Session, record: number, found: (version: number, position: number | null) => void): void {
    if (session.hasEnded) return
    const { heard, position } = session
    this.#server.read(record, version => { found(version, session.heard === heard ? position : null) })
  }

  #isTrusted ({ trustUntil }: Session): boolean {
    return this.#server.now() < trustUntil
  }

  #end (session: Session): void {
    session.hasEnded = true
    if (this.#world.rules.forgetsLateSessions) this.#sessions.delete(session)
  }
}

/** A guard, with a version of each record in memory. */
export class Guard {
  readonly memory = new Map<number, number>()
  readonly server: GuardedServer
  readonly #world: GuardWorld
  readonly #sessions: Sessions
  readonly #rate: number
  #until = never
  #session: Session | null = null
  #applied = 0
  #jumped = 0
  #isFrozen = false
  #backlog: (() => void)[] = []
  #attempt = 0

  constructor (world: GuardWorld, server: GuardedServer, sessions: Sessions) {
    this.#world = world
    this.server = server
    this.#sessions = sessions
    this.#rate = 1 + (world.random() - 0.5) * margin
  }

  isTrusted (): boolean {
    return this.#world.rules.isTrusted(this.#until, this.#now(), this.#wall())
  }

  get isRunning (): boolean {
    return !this.#isFrozen
  }

  open (): void {
    const attempt = ++this.#attempt
    this.#until = never
    this.#session = null
    this.memory.clear()
    this.#ask(() => this.#sessions.open(), session => {
      if (attempt !== this.#attempt) return
      this.#session = session
      this.#applied = session.position
      this.#poll(attempt)
    })
    this.#retry(attempt, () => this.#session === null)
  }

  /** Looks a record up, if it is not in memory. */
  check (record: number): void {
    const session = this.#session
    if (session === null || this.memory.has(record) || !this.isTrusted()) return
    const { rules } = this.#world
    this.#askLater<[number, number | null]>(
      answer => { this.#sessions.lookUp(session, record, (version, position) => { answer([version, position]) }) },
      ([version, position]) => {
        if (session !== this.#session) return
        if (rules.keepsOldLookups || (position !== null && position >= this.#applied)) this.memory.set(record, version)
      }
    )
  }

  freeze (): void {
    this.#isFrozen = true
  }

  thaw (): void {
    this.#isFrozen = false
    this.#world.lookAtGuard(this)
    const backlog = this.#backlog
    this.#backlog = []
    for (const act of backlog) act()
  }

  jump (): void {
    this.#jumped += this.#world.random() * 5_000
  }

  #poll (attempt: number): void {
    const session = this.#session!
    const sent = { monotonic: this.#now(), wall: this.#wall() }
    let isAnswered = false
    const applied = this.#applied
    this.#ask(() => this.#sessions.poll(session, applied), news => {
      if (attempt !== this.#attempt) return
      isAnswered = true
      if (news === null) {
        this.open()
        return
      }
      for (const record of news.records) this.memory.delete(record)
      this.#applied = news.position
      const { rules } = this.#world
      const from = rules.guardCountsFrom === 'sent' ? sent : { monotonic: this.#now(), wall: this.#wall() }
      this.#until = rules.trustedUntil(from, news.trustFor)
      // A poll is held until there is news: modelled by a pause.
      const { random, lease } = this.#world
      this.#after(random() * lease / 16, () => { if (attempt === this.#attempt) this.#poll(attempt) })
    })
    this.#retry(attempt, () => !isAnswered)
  }

  /** Opens another session if nothing has come: the connection was lost. */
  #retry (attempt: number, isStuck: () => boolean): void {
    this.#after(this.#world.lease, () => {
      if (attempt !== this.#attempt || !isStuck()) return
      this.open()
    })
  }

  #now (): number {
    return this.#world.schedule.now * this.#rate
  }

  #wall (): number {
    return this.#now() + this.#jumped
  }

  #take (act: () => void): void {
    if (this.#isFrozen) this.#backlog.push(act)
    else act()
  }

  #after (milliseconds: number, act: () => void): void {
    this.#world.schedule.after(Math.max(milliseconds, 0.01) / this.#rate, () => { this.#take(act) })
  }

  /** A request to the server and its answer; either may be lost. */
  #ask<T> (act: () => T, answered: (answer: T) => void): void {
    this.#askLater<T>(answer => { answer(act()) }, answered)
  }

  #askLater<T> (act: (answer: (value: T) => void) => void, answered: (answer: T) => void): void {
    const world = this.#world
    if (world.loses()) return
    world.schedule.after(world.delay(), () => {
      this.server.take(() => {
        act(value => {
          if (!world.loses()) world.schedule.after(world.delay(), () => { this.#take(() => { answered(value) }) })
        })
      })
    })
  }
}
