import type { Socket } from 'node:net'
import { hostname } from 'node:os'
import pg from 'pg'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Report } from '../../telemetry/background.ts'
import { version } from '../../config/config.ts'
import type { DatabaseHistory } from '../../domain/maintenance/lost-change.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { Change, ChangeListener } from '../cache/changes.ts'
import {
  changesChannel,
  channels,
  countsChannel,
  join,
  leave,
  poll,
  prune,
  recentEntries,
  reportsChannel,
  type FeedEntry,
  type Membership,
  type Poll
} from './feed.ts'
import { instant, isTrusted, never, trustedUntil, type Instant } from './lease.ts'
import type { Limits } from '../engine/timeouts.ts'
import { newListener } from '../engine/postgresql/postgresql.ts'
import type { Recollection } from './recollection.ts'
import { mostChanges, retentionMs } from './remembered-entries.ts'
import { historyOf, replicationOf, type Run } from './database-history.ts'
import type { CachedRegistry } from '../cache/cached-registry.ts'

export interface ReplicaOptions {
  id: string
  url: string
  limits: Limits
  /** Milliseconds. That of the servers that are there already counts. */
  lease: number
  view: CachedRegistry
  followers: readonly ChangeListener[]
  recollection: Recollection
  /**
   * Notes that this server follows a history of the database that none has followed yet; `remembersAll`: it has been
   * compared with what it remembers.
   */
  notice: (history: DatabaseHistory, remembersAll: boolean) => Promise<void>
  /** Another server has told how far it is. */
  heard: (replicaId: string, position: string) => void
  /** Another server has told what it counted. */
  counted: (news: string) => void
  metrics: Metrics
  /** Takes what the following of the feed failed with. */
  report: Report
}

/** Of what a view has to know as a whole. `failure` null: it has not failed. */
interface Reading { isDone: boolean, failure: unknown }

/** How many polls there are in a lease at least. */
const polls = 4

/** Leases between two rounds of pruning. */
const pruning = 5

/** The longest wait before the database is tried again, in milliseconds. */
const longestPause = 1_000

/**
 * One server among several: follows the change feed, and knows whether its view may be gone by. Polls on the connection
 * that it listens on, so that there is one connection to lose.
 */
export class Replica {
  readonly #options: ReplicaOptions
  #lease: number
  #until: Instant = never
  /** Until when this server is surely among those that are waited for, trusting its view or not. */
  #standsUntil: Instant = never
  /** When the last poll was sent of which everything has been applied. */
  #applied = -Infinity
  /** No poll that was sent before is a reason to go by the view. */
  #doubted = -Infinity
  #distrustedAt = performance.now()
  /** What the view has to know as a whole: as long as it is being read, the view is out of use. */
  #reading: Reading = { isDone: false, failure: null }
  /** Whether it has followed the feed before, and so remembers what it brought. */
  #hasFollowed = false
  /** What the database has lost is refused. */
  #settled: Promise<void> = Promise.resolve()
  #notified = false
  #wake = () => {}
  #pruneAt = performance.now()
  readonly #closing = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor (options: ReplicaOptions) {
    this.#options = options
    this.#lease = options.lease
  }

  /** Milliseconds. */
  get lease (): number {
    return this.#lease
  }

  /**
   * Milliseconds: the lease that every server goes by which is waited for. Null: this one is not among them, as far as
   * it knows.
   */
  get sharedLease (): number | null {
    return isTrusted(this.#standsUntil, performance.now(), Date.now()) ? this.#lease : null
  }

  /** Whether the view holds nothing that has been changed and acknowledged since. Asked at every look-up. */
  isTrusted (): boolean {
    return isTrusted(this.#until, performance.now(), Date.now())
  }

  /** Milliseconds for which it could not be gone by. */
  get lapsed (): number {
    return this.isTrusted() ? 0 : performance.now() - Math.max(this.#distrustedAt, this.#until.monotonic)
  }

  /** Begins; resolves once the view may be gone by, or the first attempt has failed. Goes on until it is closed. */
  async join (): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#running = this.#run(resolve)
    await promise
  }

  /**
   * A connection of this process to the database has gone: the view is out of use until the database has answered
   * again.
   */
  doubt (): void {
    this.#options.recollection.doubt()
    this.#doubted = performance.now()
    this.#distrust()
    this.#poke()
  }

  /**
   * From when it resolves on, this server only goes by a view into which everything has been applied that had been
   * committed at the call.
   */
  async catchUp (): Promise<void> {
    const called = performance.now()
    this.#poke()
    while (this.isTrusted() && this.#applied < called) await sleep(1)
    // It does not go by its view now; the answer to a poll that was sent before may be on its way, and would have it do
    // so again.
    if (this.#applied < called) this.#doubted = Math.max(this.#doubted, called)
  }

  /** Says good-bye, so that nobody waits for this server. From then on its view is out of use. */
  async close (): Promise<void> {
    this.#closing.abort()
    this.#distrust()
    this.#wake()
    await this.#running
  }

  async #run (attempted: () => void): Promise<void> {
    for (let failures = 0, joined = 1; !this.#closing.signal.aborted; failures++, joined++) {
      this.#options.recollection.doubt()
      const client = newListener(this.#options.url, this.#options.limits, this.#lease)
      let attending = true
      const lost = () => { if (attending) this.doubt() }
      client.on('error', lost)
      client.on('notification', notification => { this.#heard(notification) })
      try {
        await client.connect()
        // The driver tells of it a few turns later, in which somebody might be let pass.
        socketOf(client).on('end', lost).on('close', lost)
        await this.#attend(client, joined, () => {
          failures = 0
          attempted()
        })
        if (this.#closing.signal.aborted) await this.#leave(client, { id: this.#options.id, joined })
      } catch (error) {
        this.#options.metrics.polls.increment('failed')
        this.#options.report(error)
      } finally {
        attending = false
        this.#distrust()
        hangUp(client)
      }
      attempted()
      await sleep(Math.random() * Math.min(longestPause, 50 * 2 ** failures), undefined, {
        signal: this.#closing.signal
      }).catch(() => {})
    }
  }

  /**
   * Follows the feed on a connection of its own until this server closes, or is counted out. @throws when the
   * connection fails, and, having taken leave, when what was changed cannot be applied.
   */
  async #attend (client: pg.Client, joined: number, following: () => void): Promise<void> {
    const { id, lease } = this.#options
    await client.query(
      [...await channels(client), reportsChannel(id)].map(channel => `LISTEN ${pg.escapeIdentifier(channel)}`).join(
        '; '
      )
    )
    // Who cannot do this is not to be waited for, time and again.
    await this.#tell({ of: 'everything' })
    const run = runBy(client)
    const history = await historyOf(run)
    const lost = await this.#options.recollection.lookFor(run)
    const place = await join(client, { id, host: hostname(), pid: process.pid, version, lease }, joined, history)
    if (place === null) return
    this.#lease = place.lease
    // What it is about to read has these in it. The servers that were there when they were made may be gone by the time
    // that they are missed.
    const recent = await this.#orLeave(recentEntries(client, retentionMs, mostChanges), client, { id, joined })
    // Again: what is read from here on has in it what was committed before the place in the feed from which it is
    // followed.
    this.#settled = this.#settle({ lost, recent }, place.isKnown ? null : history)
    this.#read()
    await this.#orLeave(this.#tell({ of: 'everything' }), client, { id, joined })
    let { position } = place
    let waiting: string[] = []
    while (!this.#closing.signal.aborted) {
      this.#notified = false
      const sent = instant()
      const found = await poll(client, { id, joined }, position, waiting)
      if (found === null) return
      this.#standsUntil = trustedUntil(sent, this.#lease)
      waiting = await this.#orLeave(this.#apply(found), client, { id, joined })
      position = found.position
      this.#options.recollection.forget(sent)
      this.#options.metrics.polls.increment('answered')
      const { isDone, failure } = this.#reading
      if (failure !== null) await this.#orLeave(Promise.reject(failure), client, { id, joined })
      if (isDone) {
        this.#trust(sent)
        following()
      }
      const isPruned = await this.#pruneNowAndThen(client)
      // Whoever waits is told by the next poll, which says how far this one came.
      if (waiting.length === 0 && isPruned) await this.#news()
    }
  }

  /**
   * Has the view forget everything and read anew what it has to know as a whole, which may take longer than a lease:
   * meanwhile the feed is followed, what it brings is applied to what is being read, and nothing is gone by. Nor is it
   * before what the database has lost is refused.
   */
  #read (): void {
    this.#distrust()
    const reading: Reading = this.#reading = { isDone: false, failure: null }
    this.#settled
      .then(() => this.#options.view.reload())
      .then(() => { reading.isDone = true }, (error: unknown) => { reading.failure = error })
      .finally(() => { this.#poke() })
  }

  /**
   * What this database has lost that this server knows of is refused before anything of it is gone by. `recent`: what
   * it has that was changed a short while ago. `history`: a new one.
   */
  async #settle (
    { lost, recent }: { lost: readonly FeedEntry[], recent: readonly FeedEntry[] }, history: DatabaseHistory | null
  ): Promise<void> {
    const { recollection, notice } = this.#options
    await recollection.settle(lost)
    if (history !== null) await notice(history, this.#hasFollowed && recollection.isComplete)
    this.#hasFollowed = true
    recollection.begin()
    recollection.remember(recent, instant())
  }

  /**
   * Awaits what has to be done before anything counts as applied. Who fails at it takes leave, so that nobody waits.
   * @throws what it failed with.
   */
  async #orLeave<T> (work: Promise<T>, client: pg.Client, membership: Membership): Promise<T> {
    try {
      return await work
    } catch (error) {
      await this.#leave(client, membership)
      throw error
    }
  }

  async #leave (client: pg.Client, membership: Membership): Promise<void> {
    // First: once it has left, what it has in memory is what others take for refused everywhere.
    this.#distrust()
    this.#standsUntil = never
    await leave(client, membership)
  }

  /** Returns who made the changes, besides this server. */
  async #apply ({ entries }: Poll): Promise<string[]> {
    const { id, view, recollection } = this.#options
    // Before they count as applied: whoever waits may answer its caller from then on.
    recollection.remember(entries, instant())
    for (const { changes } of entries) {
      for (const change of changes) {
        if (change.of === 'everything') this.#read()
        else view.apply(change)
        await this.#tell(change)
      }
    }
    return [...new Set(entries.map(({ replicaId }) => replicaId).filter(replicaId => replicaId !== id))]
  }

  async #tell (change: Change): Promise<void> {
    for (const follower of this.#options.followers) await follower(change)
  }

  #trust (sent: Instant): void {
    this.#applied = sent.monotonic
    if (sent.monotonic > this.#doubted && !this.#closing.signal.aborted) this.#until = trustedUntil(sent, this.#lease)
  }

  #distrust (): void {
    if (this.isTrusted()) this.#distrustedAt = performance.now()
    this.#until = never
  }

  #heard ({ channel, payload = '' }: pg.Notification): void {
    const [from, said] = [payload.slice(0, payload.indexOf(' ')), payload.slice(payload.indexOf(' ') + 1)]
    if (channel.startsWith(changesChannel)) this.#poke()
    else if (!channel.startsWith(countsChannel)) this.#options.heard(from, said)
    else if (from !== this.#options.id) this.#options.counted(said)
  }

  /** Polls at once, or, where a poll is under way, once more after it. */
  #poke (): void {
    this.#notified = true
    this.#wake()
  }

  /** Resolves when there is reason to poll. */
  async #news (): Promise<void> {
    if (this.#notified || this.#closing.signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, this.#lease / polls)
    this.#wake = resolve
    await promise
    clearTimeout(timer)
  }

  /** Whether nothing is left of what it is time to prune: else it goes on after the next poll. */
  async #pruneNowAndThen (client: pg.Client): Promise<boolean> {
    if (performance.now() < this.#pruneAt) return true
    if (await prune(client, this.#options)) return false
    this.#options.metrics.replication = await replicationOf(runBy(client))
    // Several servers need not do it at the same time.
    this.#pruneAt = performance.now() + this.#lease * pruning * (0.5 + Math.random())
    return true
  }
}

function runBy (client: pg.Client): Run {
  return async <Row extends object>(text: string, values: readonly unknown[]) => {
    const { rows } = await client.query<Row>(text, [...values])
    return rows
  }
}

/** Also where nobody is at the other end to say good-bye to. */
function hangUp (client: pg.Client): void {
  client.removeAllListeners()
  client.on('error', () => {})
  const timer = setTimeout(() => { socketOf(client).destroy() }, 500)
  client.end().catch(() => {}).finally(() => { clearTimeout(timer) })
}

function socketOf (client: pg.Client): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream
}
