/** One server among several on a PostgreSQL: it joins them, follows the change feed, and keeps its lease renewed. */
import { hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import type pg from 'pg'
import { version } from '../../config/version.ts'
import type { DatabaseHistory } from '../../domain/maintenance/lost-change.ts'
import type { Report } from '../../telemetry/background.ts'
import type { Metrics } from '../../telemetry/metrics.ts'
import type { CachedRegistry } from '../cache/cached-registry.ts'
import type { Change, ChangeListener } from '../cache/changes.ts'
import { newListener } from '../engine/postgresql/postgresql.ts'
import type { Limits } from '../engine/timeouts.ts'
import type { CacheLease } from './cache-lease.ts'
import { changesChannel, countsChannel } from './channels.ts'
import { historyOf, replicationOf } from './database-history.ts'
import { closeClient, listen, runBy, socketOf } from './feed-connection.ts'
import { poll, prune, recentEntries, type FeedEntry, type Poll } from './feed.ts'
import { instant } from '../../base/trust.ts'
import type { LostChangeDetector } from '../lost-changes/lost-change-detector.ts'
import { join, leave, type Membership } from './membership.ts'
import { mostChanges, retentionMs } from '../lost-changes/remembered-entries.ts'

export interface ReplicaOptions {
  id: string
  url: string
  limits: Limits
  /** The configured lease, in milliseconds. That of the servers that are there already prevails. */
  lease: number
  cacheLease: CacheLease
  cache: CachedRegistry
  listeners: readonly ChangeListener[]
  detector: LostChangeDetector
  /**
   * Records that this server follows a history of the database that no server has followed; `isComplete`: all that this
   * server remembers was compared with it.
   */
  onNewHistory: (history: DatabaseHistory, isComplete: boolean) => Promise<void>
  /** Another server has reported its position. */
  onReport: (replicaId: string, position: string) => void
  /** Another server has sent its counts. */
  onCounts: (counts: string) => void
  /** Resolves once no guard is trusted that follows this server. Never rejects. */
  outdateGuards (): Promise<void>
  metrics: Metrics
  /** Takes the errors of following the feed. */
  report: Report
}

/** The reload of the cache. `failure` null: it has not failed. */
interface Reload { isDone: boolean, failure: unknown }

/** Polls in a lease, at least. */
const pollsPerLease = 4

/** Leases between two rounds of pruning. */
const leasesPerPruning = 5

/** The longest pause before the database is tried again, in milliseconds. */
const maxPause = 1_000

/**
 * Follows the change feed, and knows whether its cache may be used. Polls on the connection on which it listens, so
 * that there is one connection to lose.
 */
export class Replica {
  readonly #options: ReplicaOptions
  readonly #lease: CacheLease
  /** The cache is unusable until it is reloaded. */
  #reload: Reload = { isDone: false, failure: null }
  /** Whether this server has followed the feed before, and so remembers entries. */
  #hasFollowed = false
  /** Resolves once the subjects of lost changes are refused. */
  #refusedLost: Promise<void> = Promise.resolve()
  #mustPoll = false
  #wake = () => {}
  #pruneAt = performance.now()
  readonly #closing = new AbortController()
  #running: Promise<void> = Promise.resolve()

  constructor (options: ReplicaOptions) {
    this.#options = options
    this.#lease = options.cacheLease
  }

  /** Begins; resolves once the cache may be used, or the first attempt has failed. Continues until `close`. */
  async join (): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#running = this.#run(resolve)
    await promise
  }

  /** A connection to the database broke: the cache is unusable until the database has answered another poll. */
  invalidateLease (): void {
    this.#options.detector.invalidate()
    this.#lease.invalidate()
    this.#pollNow()
  }

  /** Once it resolves, this server and its guards use memory only if it has applied all that was committed before. */
  async catchUp (): Promise<void> {
    const called = performance.now()
    this.#pollNow()
    while (this.#lease.isValid() && !this.#lease.hasAppliedSince(called)) await sleep(1)
    if (this.#lease.hasAppliedSince(called)) return
    // The cache is unusable now, but the answer to an earlier poll may arrive and would renew the lease.
    this.#lease.ignorePollsUntil(called)
    await this.#options.outdateGuards()
  }

  /** Deregisters, so that no change waits for this server. From then on its cache is unusable. */
  async close (): Promise<void> {
    this.#closing.abort()
    this.#lease.close()
    this.#wake()
    await this.#running
  }

  async #run (attempted: () => void): Promise<void> {
    const { id, url, limits, detector, metrics, report } = this.#options
    for (let failures = 0, joined = 1; !this.#closing.signal.aborted; failures++, joined++) {
      detector.invalidate()
      const client = newListener(url, limits, this.#lease.duration)
      let isFollowing = true
      const onLoss = () => { if (isFollowing) this.invalidateLease() }
      client.on('error', onLoss)
      client.on('notification', notification => { this.#onNotification(notification) })
      try {
        await client.connect()
        // The driver reports it a few turns later, during which a check might still use the cache.
        socketOf(client).on('end', onLoss).on('close', onLoss)
        await this.#follow(client, joined, () => {
          failures = 0
          attempted()
        })
        if (this.#closing.signal.aborted) await this.#leave(client, { id, joined })
      } catch (error) {
        metrics.polls.increment('failed')
        report(error)
      } finally {
        isFollowing = false
        this.#lease.end()
        closeClient(client)
      }
      attempted()
      await sleep(Math.random() * Math.min(maxPause, 50 * 2 ** failures), undefined, {
        signal: this.#closing.signal
      }).catch(() => {})
    }
  }

  /**
   * Joins, and follows the feed on `client` until this server closes or is evicted. @throws when the connection fails,
   * and, having left, when changes cannot be applied.
   */
  async #follow (client: pg.Client, joined: number, onRenewal: () => void): Promise<void> {
    const { detector, metrics } = this.#options
    const membership = { id: this.#options.id, joined }
    const start = await this.#join(client, membership)
    if (start === null) return
    let position = start
    let waiting: string[] = []
    while (!this.#closing.signal.aborted) {
      this.#mustPoll = false
      const sent = instant()
      const found = await poll(client, membership, position, waiting)
      if (found === null) return
      this.#lease.confirmRegistration(sent)
      waiting = await this.#leaveOnFailure(this.#apply(found), client, membership)
      position = found.position
      detector.expire(sent)
      metrics.polls.increment('answered')
      const { isDone, failure } = this.#reload
      if (failure !== null) await this.#leaveOnFailure(Promise.reject(failure), client, membership)
      if (isDone) {
        this.#lease.renew(sent)
        onRenewal()
      }
      const isPruned = await this.#pruneIfDue(client)
      // The next poll reports this position to the servers that wait for it.
      if (waiting.length === 0 && isPruned) await this.#waitForNotification()
    }
  }

  /** Returns the position from which to follow the feed. Null: this server has joined again since. */
  async #join (client: pg.Client, { id, joined }: Membership): Promise<string | null> {
    await listen(client, id)
    // Before joining, so that no change ever waits for a server that fails at it, and none is acknowledged by the new
    // position while guards are trusted that have not applied it.
    await this.#notifyListeners({ of: 'everything' })
    const run = runBy(client)
    const history = await historyOf(run)
    const lost = await this.#options.detector.findLost(run)
    const identity = { id, host: hostname(), pid: process.pid, version, lease: this.#options.lease }
    const place = await join(client, identity, joined, history)
    if (place === null) return null
    this.#lease.adopt(place.lease)
    // The reload below includes these changes. When they turn out to be lost, the servers that made them may be gone.
    const recent = await this.#leaveOnFailure(recentEntries(client, retentionMs, mostChanges), client, { id, joined })
    // After joining: what is read from here on includes every commit before the position that is followed.
    this.#refusedLost = this.#refuseLost({ lost, recent }, place.isKnown ? null : history)
    this.#startReload()
    await this.#leaveOnFailure(this.#notifyListeners({ of: 'everything' }), client, { id, joined })
    return place.position
  }

  /**
   * Reloads the cache, which may take longer than a lease. Meanwhile the feed is followed, its changes are applied to
   * the load, and the cache is unusable. Lost changes are refused first.
   */
  #startReload (): void {
    this.#lease.end()
    const reload: Reload = this.#reload = { isDone: false, failure: null }
    this.#refusedLost
      .then(() => this.#options.cache.reload())
      .then(() => { reload.isDone = true }, (error: unknown) => { reload.failure = error })
      .finally(() => { this.#pollNow() })
  }

  /** `recent`: the latest entries of the feed. `history`: a new one; null: servers have followed it before. */
  async #refuseLost (
    { lost, recent }: { lost: readonly FeedEntry[], recent: readonly FeedEntry[] }, history: DatabaseHistory | null
  ): Promise<void> {
    const { detector, onNewHistory } = this.#options
    await detector.refuse(lost)
    if (history !== null) await onNewHistory(history, this.#hasFollowed && detector.isComplete)
    this.#hasFollowed = true
    detector.begin()
    detector.remember(recent, instant())
  }

  /** Awaits `work`. If it fails, deregisters, so that no change waits for this server, and rethrows. */
  async #leaveOnFailure<T> (work: Promise<T>, client: pg.Client, membership: Membership): Promise<T> {
    try {
      return await work
    } catch (error) {
      await this.#leave(client, membership)
      throw error
    }
  }

  async #leave (client: pg.Client, membership: Membership): Promise<void> {
    // First the lease: once this server has left, changes are acknowledged without it.
    this.#lease.deregister()
    await this.#options.outdateGuards()
    await leave(client, membership)
  }

  /** Returns the other servers that made the changes. */
  async #apply ({ entries }: Poll): Promise<string[]> {
    const { id, cache, detector } = this.#options
    // Remembered before they count as applied: from then on the server that waits may acknowledge them.
    detector.remember(entries, instant())
    for (const { changes } of entries) {
      for (const change of changes) {
        if (change.of === 'everything') this.#startReload()
        else cache.apply(change)
        await this.#notifyListeners(change)
      }
    }
    return [...new Set(entries.map(({ replicaId }) => replicaId).filter(replicaId => replicaId !== id))]
  }

  async #notifyListeners (change: Change): Promise<void> {
    for (const listener of this.#options.listeners) await listener(change)
  }

  #onNotification ({ channel, payload = '' }: pg.Notification): void {
    const { id, onReport, onCounts } = this.#options
    const [from, text] = [payload.slice(0, payload.indexOf(' ')), payload.slice(payload.indexOf(' ') + 1)]
    if (channel.startsWith(changesChannel)) this.#pollNow()
    else if (!channel.startsWith(countsChannel)) onReport(from, text)
    else if (from !== id) onCounts(text)
  }

  /** Polls at once, or once more after a poll that is under way. */
  #pollNow (): void {
    this.#mustPoll = true
    this.#wake()
  }

  /** Resolves at the next notification, or when the next regular poll is due. */
  async #waitForNotification (): Promise<void> {
    if (this.#mustPoll || this.#closing.signal.aborted) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, this.#lease.duration / pollsPerLease)
    this.#wake = resolve
    await promise
    clearTimeout(timer)
  }

  /** Returns whether pruning is not due or done; else it continues after the next poll. */
  async #pruneIfDue (client: pg.Client): Promise<boolean> {
    if (performance.now() < this.#pruneAt) return true
    if (await prune(client, this.#options)) return false
    this.#options.metrics.replication = await replicationOf(runBy(client))
    // Random, so that several servers do not prune at the same time.
    this.#pruneAt = performance.now() + this.#lease.duration * leasesPerPruning * (0.5 + Math.random())
    return true
  }
}
