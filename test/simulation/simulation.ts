/**
 * Simulates the acknowledgement protocol of docs/replicas.md with more servers than a machine can run, under faults:
 * messages are late, lost and reordered, servers are stopped, put to sleep and never resumed, clocks run at different
 * rates and jump, connections break. The rules under test are the server's own (src/base/trust.ts and
 * src/storage/replication/lease.ts); the rest of a server is modelled after src/storage/replication/replica.ts and
 * acknowledgements.ts. Time is in milliseconds.
 */
import * as trust from '../../src/base/trust.ts'
import * as lease from '../../src/storage/replication/lease.ts'
import { Guard, guardRules, Sessions, type GuardedServer, type GuardRules, type GuardWorld } from './guards.ts'
import { random, Schedule, type Random } from './schedule.ts'

const real = { ...trust, ...lease }

/** The rules as they are; a test replaces one by a wrong one, to show that the simulation detects it. */
export interface Rules
  extends Pick<typeof real, 'trustedUntil' | 'isTrusted' | 'isVisible' | 'mayAcknowledge' | 'mayEvict'>, GuardRules {
  /** The moment of a poll from which the lease is counted. */
  countsFrom: 'sent' | 'answered'
  /** Whether an answer of the database is cached although a change was applied since its request. */
  keepsLate: boolean
  /** Whether a message that a server sent before it joined again is void on arrival. */
  voidsLate: boolean
  /** Whether a change that finds nothing to do waits for acknowledgement like any other. */
  announcesFound: boolean
  /** Whether the acknowledging server waits for its own feed, too. */
  waitsForItself: boolean
  /** Whether a server without a valid lease at an acknowledgement may get one from a poll sent before. */
  forgetsInvalidation: boolean
  /** Whether the complete set may be read while another read of it runs. */
  readsAtWill: boolean
  /** Whether a server answers from its cache before its first read of the complete set has ended. */
  trustsUnread: boolean
  /** Whether changes applied during a read of the complete set are lost when it ends. */
  losesMeanwhile: boolean
}

export const rules: Rules = {
  ...real,
  ...guardRules,
  countsFrom: 'sent',
  keepsLate: false,
  voidsLate: true,
  announcesFound: true,
  waitsForItself: true,
  forgetsInvalidation: false,
  readsAtWill: false,
  trustsUnread: false,
  losesMeanwhile: false
}

/** `guards`: that follow each server; none unless given. */
export interface Setting { seed: number, servers: number, changes: number, lease: number, guards?: number }

export interface Outcome {
  /** The first stale answer, in words; null: none. */
  violation: string | null
  acknowledged: number
  /** Acknowledgements after a whole lease. */
  lapsed: number
  /** The number of checks of a server's answers. */
  looks: number
  /** The share of the checks at which a server answered from its cache. */
  trusted: number
  /** As `looks` and `trusted`, of guards. */
  guardLooks: number
  guardsTrusted: number
  polls: number
  joins: number
  /** Milliseconds until acknowledgement, in ascending order. */
  waits: number[]
}

/** `record` null: the change found nothing to do. `version`: the record's new version. */
interface Entry { xid: bigint, record: number | null, writer: number, version?: number }
interface Row { position: string, joined: number, beat: number, left: boolean }

const records = 6

/** The page size of a read of the complete set. */
const page = 3

/** The database: it handles a message at once on arrival, and a snapshot contains what has committed by then. */
class Database {
  readonly rows = new Map<number, Row>()
  readonly versions: number[] = Array.from({ length: records }, () => 0)
  feed: Entry[] = []
  #next = 100n
  readonly #underWay = new Set<bigint>()

  begin (): bigint {
    const xid = this.#next++
    this.#underWay.add(xid)
    return xid
  }

  commit (entry: Entry): void {
    this.#underWay.delete(entry.xid)
    this.feed.push(entry)
    if (entry.record !== null) entry.version = ++this.versions[entry.record]!
  }

  snapshot (): string {
    const underWay = [...this.#underWay].sort((one, other) => one < other ? -1 : 1)
    return `${underWay[0] ?? this.#next}:${this.#next}:${underWay.join(',')}`
  }

  join (id: number, joined: number, voidsLate: boolean): string | null {
    const position = this.snapshot()
    if (voidsLate && joined <= (this.rows.get(id)?.joined ?? 0)) return null
    this.rows.set(id, { position, joined, beat: (this.rows.get(id)?.beat ?? 0) + 1, left: false })
    return position
  }

  poll (id: number, joined: number, position: string): { position: string, entries: Entry[] } | null {
    const row = this.rows.get(id)
    if (row === undefined || row.left || row.joined !== joined) return null
    row.position = position
    row.beat++
    return { position: this.snapshot(), entries: this.feed.filter(({ xid }) => !real.isVisible(xid, position)) }
  }

  behind (id: number, xid: bigint): { id: number, beat: number }[] {
    return [...this.rows].filter(([each, row]) => each !== id && !row.left && !real.isVisible(xid, row.position)).map((
      [id, { beat }]
    ) => ({ id, beat }))
  }

  evict (id: number, beat: number): void {
    const row = this.rows.get(id)
    if (row?.beat === beat) row.left = true
  }

  prune (): void {
    const xmin = (position: string) => BigInt(position.split(':')[0]!)
    const live = [...this.rows.values()].filter(({ left }) => !left).map(({ position }) => xmin(position))
    const bound = [xmin(this.snapshot()), ...live].reduce((least, each) => each < least ? each : least)
    this.feed = this.feed.filter(({ xid }) => xid >= bound)
  }
}

/**
 * A committed change, as its server knows it. `committed`, `observed`: by the server's clock; `began`: by the world's.
 */
interface Pending {
  xid: bigint,
  committed: number,
  began: number,
  thaws: number,
  observed: number | null,
  unconfirmed: Map<number, number> | null,
  reported: Map<number, string>,
  record: number,
  version: number,
  over: boolean
}

class Server implements GuardedServer {
  readonly id: number
  readonly world: World
  readonly sessions: Sessions
  /** The cached versions, by record. */
  readonly cache = new Map<number, number>()
  /** The complete set, like that of revoked tokens: a version of every record. */
  whole = new Map<number, number>()
  readonly pending = new Set<Pending>()
  until = trust.never
  frozen: 'running' | 'stopped' | 'asleep' = 'running'
  thaws = 0
  readonly #rate: number
  readonly #start: number
  #slept = 0
  /** The time of the last poll of which everything has been applied. */
  #applied = -Infinity
  /** Polls sent before this time do not extend the lease. */
  #invalidated = -Infinity
  #sleeps: number | null = null
  #jumped = 0
  #changes = 0
  #attempt = 0
  /** Whether all of `whole` was read since it joined. */
  #hasRead = false
  /** For each running read of the complete set: the changes applied since it began. */
  readonly #meanwhile = new Set<Map<number, number>>()
  #isReading = false
  #toRead: ((isDone: boolean) => void)[] = []
  #polling = false
  #notified = false
  #backlog: (() => void)[] = []

  constructor (world: World, id: number) {
    this.world = world
    this.id = id
    this.sessions = new Sessions(world, this)
    // Two rates differ by at most the margin.
    this.#rate = 1 + (world.random() - 0.5) * trust.margin
    this.#start = world.random() * 1e6
  }

  now (): number {
    return this.#start + ((this.#sleeps ?? this.world.schedule.now) - this.#slept) * this.#rate
  }

  wall (): number {
    return this.world.schedule.now * this.#rate + this.#jumped
  }

  isTrusted (): boolean {
    return this.world.rules.isTrusted(this.until, this.now(), this.wall())
  }

  remaining (): number {
    return Math.max(0, Math.min(this.until.monotonic - this.now(), this.until.wall - this.wall()))
  }

  read (record: number, found: (version: number) => void): void {
    const cached = this.isTrusted() ? this.cache.get(record) : undefined
    if (cached !== undefined) found(cached)
    else this.ask(database => database.versions[record]!, found)
  }

  /** Runs an action on this server: now, or when it resumes. */
  take (act: () => void): void {
    if (this.frozen === 'running') act()
    else this.#backlog.push(act)
  }

  after (milliseconds: number, act: () => void): void {
    this.world.schedule.after(Math.max(milliseconds, 0.01) / this.#rate, () => { this.take(act) })
  }

  /** Sends a request to the database, and passes on its answer; either message may be lost. */
  ask <T> (act: (database: Database) => T, answered: (answer: T) => void): void {
    const { world } = this
    if (world.loses()) return
    world.schedule.after(world.delay(), () => {
      const answer = act(world.database)
      if (!world.loses()) world.schedule.after(world.delay(), () => { this.take(() => { answered(answer) }) })
    })
  }

  freeze (how: 'stopped' | 'asleep'): void {
    this.frozen = how
    if (how === 'asleep') this.#sleeps = this.world.schedule.now
  }

  thaw (): void {
    if (this.frozen === 'asleep') this.#slept += this.world.schedule.now - this.#sleeps!
    this.#sleeps = null
    this.frozen = 'running'
    this.thaws++
    // Its first action after resuming may be an answer.
    this.world.look(this)
    const backlog = this.#backlog
    this.#backlog = []
    for (const act of backlog) act()
  }

  jump (): void {
    this.#jumped += this.world.random() * 5_000
  }

  join (): void {
    const attempt = ++this.#attempt
    this.until = trust.never
    this.#polling = false
    this.world.outcome.joins++
    this.#outdate()
    // Its row will say that it has applied everything; its guards have not, as long as they are trusted.
    if (this.world.rules.joinsEarly) this.#register(attempt)
    else this.sessions.settle(() => { if (attempt === this.#attempt) this.#register(attempt) })
    this.#giveUp(attempt, () => !this.#polling)
  }

  /** Everything in the memory of its guards is outdated. */
  #outdate (): void {
    for (let record = 0; record < records; record++) this.sessions.note(record)
  }

  #register (attempt: number): void {
    this.ask(database => database.join(this.id, attempt, this.world.rules.voidsLate), position => {
      if (attempt !== this.#attempt || position === null) return
      this.cache.clear()
      this.#changes++
      this.#hasRead = false
      this.#reload(isDone => {
        if (attempt !== this.#attempt) return
        this.#hasRead = isDone
        if (isDone) this.notify()
        else this.join()
      })
      this.#poll(position, [])
    })
  }

  /** Its connection broke, and it has noticed. */
  lose (): void {
    this.join()
  }

  /** Reads everything again while in use. */
  repair (): void {
    this.cache.clear()
    this.#changes++
    this.#reload(() => {})
  }

  /** Reads the complete set; during another read, once more after it. */
  #reload (ended: (isDone: boolean) => void): void {
    if (this.world.rules.readsAtWill) {
      this.#readWhole(ended)
      return
    }
    this.#toRead.push(ended)
    if (!this.#isReading) this.#readForWaiting()
  }

  #readForWaiting (): void {
    const waiting = this.#toRead
    this.#toRead = []
    this.#isReading = waiting.length > 0
    if (!this.#isReading) return
    this.#readWhole(isDone => {
      for (const ended of waiting) ended(isDone)
      this.#readForWaiting()
    })
  }

  #readWhole (ended: (isDone: boolean) => void): void {
    const read = new Map<number, number>()
    const meanwhile = new Map<number, number>()
    this.#meanwhile.add(meanwhile)
    const end = (isDone: boolean) => {
      this.#meanwhile.delete(meanwhile)
      if (isDone) this.whole = read
      // As with revoked tokens, which never become valid again: a known newer version stays.
      if (isDone && !this.world.rules.losesMeanwhile) {
        for (const [record, version] of meanwhile) this.#learn(read, record, version)
      }
      ended(isDone)
    }
    const readFrom = (first: number) => {
      let isOver = false
      const answered = (versions: number[]) => {
        if (isOver) return
        isOver = true
        versions.forEach((version, i) => read.set(first + i, version))
        if (read.size < records) readFrom(first + page)
        else end(true)
      }
      this.ask(database => database.versions.slice(first, first + page), answered)
      this.after(2 * this.world.lease, () => {
        if (isOver) return
        isOver = true
        end(false)
      })
    }
    readFrom(0)
  }

  notify (): void {
    this.#notified = true
    this.#wake?.()
  }

  #wake: (() => void) | null = null

  /** Joins again if it still makes no progress. */
  #giveUp (attempt: number, isStuck: () => boolean): void {
    this.after(2 * this.world.lease, () => { if (attempt === this.#attempt && isStuck()) this.join() })
  }

  #poll (position: string, waiting: number[]): void {
    const { world } = this
    const attempt = this.#attempt
    const sent = { monotonic: this.now(), wall: this.wall() }
    let answered = false
    this.#polling = true
    this.#notified = false
    this.#wake = null
    world.outcome.polls++
    this.ask(database => {
      const found = database.poll(this.id, attempt, position)
      if (found !== null) {
        for (const writer of waiting) world.tell(writer, server => { server.report(this.id, position) })
      }
      return found
    }, found => {
      if (attempt !== this.#attempt) return
      answered = true
      if (found === null) {
        this.join()
        return
      }
      for (const { record, version } of found.entries) if (record !== null) this.apply(record, version!)
      this.sessions.settle(() => { if (attempt === this.#attempt) followed(found) })
    })
    const followed = (found: { position: string, entries: Entry[] }): void => {
      const mayTrust = this.#hasRead || world.rules.trustsUnread
      if (mayTrust) this.#applied = sent.monotonic
      if (mayTrust && sent.monotonic > this.#invalidated) {
        this.until = world.rules.trustedUntil(
          world.rules.countsFrom === 'sent' ? sent : { monotonic: this.now(), wall: this.wall() }, world.lease
        )
      }
      for (const pending of this.pending) this.#consider(pending)
      const others = [...new Set(found.entries.map(({ writer }) => writer))].filter(writer => writer !== this.id)
      const next = () => { this.#poll(found.position, others) }
      if (others.length > 0 || this.#notified) next()
      else this.#wait(next)
    }
    this.#giveUp(attempt, () => !answered)
  }

  #wait (next: () => void): void {
    const attempt = this.#attempt
    let over = false
    const go = () => {
      if (over || attempt !== this.#attempt) return
      over = true
      next()
    }
    this.#wake = go
    this.after(this.world.lease / 4, go)
  }

  apply (record: number, version: number): void {
    this.#changes++
    this.cache.delete(record)
    this.sessions.note(record)
    for (const known of [this.whole, ...this.#meanwhile]) this.#learn(known, record, version)
  }

  #learn (known: Map<number, number>, record: number, version: number): void {
    known.set(record, Math.max(known.get(record) ?? 0, version))
  }

  /** Checks a credential, and reads the record if it is not cached. */
  check (record: number): void {
    const { world } = this
    if (!this.isTrusted() || this.cache.has(record)) return
    const changes = this.#changes
    const promised = world.promised[record]!
    this.ask(database => database.versions[record]!, version => {
      if (version < promised) world.fail(`server ${this.id} read something stale`)
      if (changes === this.#changes || world.rules.keepsLate) this.cache.set(record, version)
    })
  }

  /** Changes a record, and acknowledges when the change is in force everywhere. */
  change (record: number): void {
    const { world } = this
    this.ask(database => database.begin(), xid => {
      this.after(world.random() * (world.random() < 0.3 ? 200 : 5), () => {
        this.#commit({ xid, record, writer: this.id }, record)
      })
    })
  }

  /**
   * Finds a record already in the requested state, whichever change caused it, and acknowledges when that is in force
   * everywhere.
   */
  repeat (record: number): void {
    const { world } = this
    this.ask(database => ({ xid: database.begin(), version: database.versions[record]! }), ({ xid, version }) => {
      this.#commit({ xid, record: null, writer: this.id }, record, version)
      if (!world.rules.announcesFound) world.promise(record, version)
    })
  }

  #commit (entry: Entry, record: number, found?: number): void {
    const { world } = this
    world.schedule.after(world.delay(), () => {
      world.database.commit(entry)
      const version = found ?? world.database.versions[record]!
      for (const server of world.servers) {
        world.tell(server.id, each => {
          each.notify()
        })
      }
      if (!world.loses()) {
        world.schedule.after(world.delay(), () => {
          this.take(() => {
            this.#committed(entry, record, version)
          })
        })
      }
    })
  }

  #committed ({ xid, record: changed, version: made }: Entry, record: number, version: number): void {
    if (changed !== null) this.apply(changed, made!)
    const [committed, began, thaws] = [this.now(), this.world.schedule.now, this.thaws]
    this.sessions.settle(() => { this.#announce({ xid, record, version, committed, began, thaws }) })
  }

  #announce (change: Pick<Pending, 'xid' | 'record' | 'version' | 'committed' | 'began' | 'thaws'>): void {
    const pending: Pending = {
      ...change,
      observed: null,
      unconfirmed: null,
      reported: new Map(),
      over: false
    }
    this.pending.add(pending)
    this.#readRows(pending)
    this.#consider(pending)
  }

  #readRows (pending: Pending): void {
    if (pending.over) return
    this.ask(database => database.behind(this.id, pending.xid), rows => {
      const still = pending.unconfirmed
      pending.observed ??= this.now()
      pending.unconfirmed = still === null
        ? new Map(rows.map(({ id, beat }) => [id, beat]))
        : new Map([...still].filter(([id]) => rows.some(row => row.id === id)))
      this.#consider(pending)
    })
    this.after(100, () => { this.#readRows(pending) })
  }

  report (id: number, position: string): void {
    for (const pending of this.pending) {
      pending.reported.set(id, position)
      this.#consider(pending)
    }
  }

  #consider (pending: Pending): void {
    const { world } = this
    if (pending.over) return
    for (const [id, position] of pending.reported) {
      if (world.rules.isVisible(pending.xid, position)) pending.unconfirmed?.delete(id)
    }
    const isBehind = world.rules.waitsForItself && this.isTrusted() && this.#applied < pending.committed
    if (
      !isBehind &&
      world.rules.mayAcknowledge(pending.unconfirmed?.size ?? Infinity, pending.committed, this.now(), world.lease)
    ) {
      pending.over = true
      // Its trust may have ended at once, with a connection: that of its guards ends by itself.
      if (this.#applied < pending.committed && !world.rules.forgetsItsGuards) {
        this.#outdate()
        this.sessions.settle(() => { this.#acknowledge(pending) })
      } else this.#acknowledge(pending)
    } else {
      this.after(pending.committed + world.lease - this.now(), () => {
        this.#consider(pending)
      })
    }
  }

  #acknowledge (pending: Pending): void {
    this.pending.delete(pending)
    if (this.world.rules.waitsForItself && !this.world.rules.forgetsInvalidation && this.#applied < pending.committed) {
      this.#invalidated = Math.max(this.#invalidated, pending.committed)
    }
    this.world.acknowledged(pending, this)
    if (pending.observed !== null && pending.unconfirmed!.size > 0) this.#evict(pending)
  }

  #evict (pending: Pending): void {
    const { world } = this
    if (world.rules.mayEvict(pending.observed!, this.now(), world.lease)) {
      for (const [id, beat] of pending.unconfirmed!) this.ask(database => { database.evict(id, beat) }, () => {})
    } else this.after(pending.observed! + world.lease - this.now(), () => { this.#evict(pending) })
  }
}

class World implements GuardWorld {
  readonly schedule = new Schedule()
  readonly database = new Database()
  readonly servers: Server[]
  readonly guards: Guard[]
  readonly random: Random
  readonly rules: Rules
  readonly lease: number
  /** The newest acknowledged version, by record. */
  readonly promised: number[] = Array.from({ length: records }, () => 0)
  readonly outcome: Outcome = {
    violation: null,
    acknowledged: 0,
    lapsed: 0,
    looks: 0,
    trusted: 0,
    guardLooks: 0,
    guardsTrusted: 0,
    polls: 0,
    joins: 0,
    waits: []
  }

  /** The rate of faults, 0 to 1, different in each world. */
  readonly #trouble: number

  constructor ({ seed, servers, lease, guards = 0 }: Setting, rules: Rules) {
    this.random = random(seed)
    this.rules = rules
    this.lease = lease
    this.#trouble = this.random()
    this.servers = Array.from({ length: servers }, (_, id) => new Server(this, id))
    this.guards = this.servers.flatMap(server =>
      Array.from({ length: guards }, () => new Guard(this, server, server.sessions)))
  }

  loses (): boolean {
    return this.random() < 0.03 * this.#trouble
  }

  delay (): number {
    const chance = this.random()
    if (chance < 0.04 * this.#trouble) return this.random() * 2.5 * this.lease
    return chance < 0.1 * this.#trouble ? this.random() * this.lease / 4 : 0.1 + this.random() * 2
  }

  /** Notifies a server. The notification may be late or lost. */
  tell (id: number, act: (server: Server) => void): void {
    const server = this.servers[id]!
    if (this.random() < 0.2 * this.#trouble) return
    this.schedule.after(this.delay(), () => { server.take(() => { act(server) }) })
  }

  acknowledged ({ record, version, began, committed, thaws, unconfirmed }: Pending, writer: Server): void {
    this.outcome.acknowledged++
    if (unconfirmed === null || unconfirmed.size > 0) this.outcome.lapsed++
    // A writer that was stopped itself is necessarily late.
    if (thaws === writer.thaws) {
      this.outcome.waits.push(this.schedule.now - began)
      // Its own guards are waited for, too, and delay what it applies itself: each time for half a lease at most.
      if (writer.now() > committed + this.lease * (this.guards.length > 0 ? 2.5 : 1) + 1) {
        this.fail(`server ${writer.id} delayed a change for longer than a lease`)
      }
    }
    this.promise(record, version)
  }

  /** Acknowledges that a record has at least this version. */
  promise (record: number, version: number): void {
    this.promised[record] = Math.max(this.promised[record]!, version)
    for (const server of this.servers) this.look(server)
    for (const guard of this.guards) this.lookAtGuard(guard)
  }

  /** Checks the answers that this server would give now. */
  look (server: Server): void {
    if (server.frozen !== 'running') return
    this.outcome.looks++
    if (!server.isTrusted()) return
    this.outcome.trusted++
    for (const [record, promised] of this.promised.entries()) {
      const versions = [server.cache.get(record) ?? promised, server.whole.get(record) ?? 0]
      for (const version of versions) {
        if (version < promised) {
          this.fail(
            `server ${server.id} answers from version ${version} of record ${record}, ` +
              `when ${promised} has been acknowledged`
          )
        }
      }
    }
  }

  /** Checks the answers that this guard would give now. */
  lookAtGuard (guard: Guard): void {
    if (!guard.isRunning) return
    this.outcome.guardLooks++
    if (!guard.isTrusted()) return
    this.outcome.guardsTrusted++
    for (const [record, promised] of this.promised.entries()) {
      const version = guard.memory.get(record) ?? promised
      if (version < promised) {
        this.fail(`a guard answers from version ${version} of record ${record}, when ${promised} was acknowledged`)
      }
    }
  }

  fail (what: string): void {
    this.outcome.violation ??= `after ${Math.round(this.schedule.now)} ms: ${what}`
  }

  /** Repeats an action, every so many milliseconds in the mean. */
  nowAndThen (mean: number, act: () => void): void {
    this.schedule.after(mean * (0.5 + this.random()), () => {
      act()
      this.nowAndThen(mean, act)
    })
  }

  /** As a client that got no answer in time, and retries on any server. */
  askAgain (record: number): void {
    const server = this.oneOf(this.servers)
    this.schedule.after(this.random() * this.lease / 4, () => { server.take(() => { server.repeat(record) }) })
  }

  oneOf<T> (all: readonly T[]): T {
    return all[Math.floor(this.random() * all.length)]!
  }

  troubleOfGuards (): void {
    if (this.guards.length === 0 || this.random() > this.#trouble) return
    const guard = this.oneOf(this.guards)
    const chance = this.random()
    if (!guard.isRunning) return
    if (chance < 0.3) guard.open()
    else if (chance < 0.4) guard.jump()
    else {
      guard.freeze()
      if (this.random() < 0.9) this.schedule.after(this.random() * 3 * this.lease, () => { guard.thaw() })
    }
  }

  trouble (): void {
    const server = this.oneOf(this.servers)
    if (this.random() > this.#trouble || server.frozen !== 'running') return
    const chance = this.random()
    if (chance < 0.3) server.lose()
    else if (chance < 0.4) server.jump()
    else {
      server.freeze(chance < 0.7 ? 'stopped' : 'asleep')
      // Some never resume.
      if (this.random() < 0.9) this.schedule.after(this.random() * 3 * this.lease, () => { server.thaw() })
    }
  }
}

/** Runs one world until so many changes have begun and had their effects, or an answer was stale. */
export function simulate (setting: Setting, under: Rules = rules): Outcome {
  const world = new World(setting, under)
  const { schedule, servers, lease, outcome } = world
  for (const server of servers) schedule.after(world.random() * lease, () => { server.join() })
  for (const guard of world.guards) schedule.after(world.random() * lease, () => { guard.open() })
  let changes = 0
  world.nowAndThen(lease / 5, () => {
    // Often several at once, which commit in any order.
    do {
      const server = world.oneOf(servers)
      const record = Math.floor(world.random() * records)
      if (changes++ >= setting.changes || server.frozen !== 'running') continue
      server.change(record)
      if (world.random() < 0.3) world.askAgain(record)
    } while (world.random() < 0.5)
  })
  world.nowAndThen(lease / 40, () => {
    for (const server of servers) world.look(server)
    for (const guard of world.guards) world.lookAtGuard(guard)
  })
  for (const server of servers) {
    world.nowAndThen(lease / 10, () => {
      server.take(() => {
        server.check(Math.floor(world.random() * records))
      })
    })
  }
  for (const server of servers) {
    world.nowAndThen(10 * lease, () => {
      server.take(() => {
        server.repair()
      })
    })
  }
  for (const guard of world.guards) {
    world.nowAndThen(lease / 10, () => { if (guard.isRunning) guard.check(Math.floor(world.random() * records)) })
  }
  world.nowAndThen(lease / Math.min(servers.length, 20), () => {
    world.trouble()
    world.troubleOfGuards()
  })
  world.nowAndThen(lease, () => {
    world.database.prune()
  })
  const end = setting.changes * lease / 5 + 5 * lease
  while (outcome.violation === null && schedule.now < end) schedule.step()
  outcome.waits.sort((one, other) => one - other)
  return outcome
}
