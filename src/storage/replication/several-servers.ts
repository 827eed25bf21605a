/** The storage of one server among several on a PostgreSQL; docs/replicas.md describes the protocol. */
import type { Awaitable } from '../../base/awaitable.ts'
import { systemClock } from '../../base/clock.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { ChainKeys } from '../../domain/audit/chain.ts'
import { systemActor } from '../../domain/core/actor.ts'
import type { Repositories, Store } from '../../domain/store.ts'
import type { Operation } from '../../domain/core/operation.ts'
import type { Replica as ComparableReplica } from '../../domain/maintenance/drift.ts'
import { noticeHistory, noticeLostChanges } from '../../domain/maintenance/lost-change.ts'
import type { Peers } from '../../domain/metering/shared-counters.ts'
import { newId } from '../../secrets/random.ts'
import { attempt, type Report } from '../../telemetry/background.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { CachedRegistry } from '../cache/cached-registry.ts'
import type { Change, ChangeListener } from '../cache/changes.ts'
import { negativeFactsIn } from '../cache/negative-facts.ts'
import { uncachedRegistry } from '../cache/uncached-registry.ts'
import type { Database } from '../engine/engine.ts'
import { withReads } from '../engine/reads.ts'
import { LostChangeDetector } from '../lost-changes/lost-change-detector.ts'
import { findSubject } from '../lost-changes/lost-subjects.ts'
import { refusedInDatabase, RefusedSubjects, withoutRefused } from '../lost-changes/refused-subjects.ts'
import type { CommonPart, Storage } from '../storage.ts'
import { repositoriesOver } from '../store/repositories.ts'
import { transactions, withTransactionalAudit, withTransactionalChanges } from '../store/transactions.ts'
import { settleRevoked } from '../tables/lost-changes.ts'
import { AcknowledgementBarrier } from './acknowledgements.ts'
import { CacheLease } from './cache-lease.ts'
import { broadcastCounts, longestBroadcast } from './channels.ts'
import { append } from './feed.ts'
import { instant } from '../../base/trust.ts'
import { leasedRegistry } from './leased-registry.ts'
import { replicaPage } from './membership.ts'
import { Replica } from './replica.ts'
import { withEachRead } from './wrapped-registry.ts'

interface Options { url: string, keys: ChainKeys, lease: number, telemetry: Telemetry }

/** Until this server has joined, every check queries the database. */
export function severalServersStorage (
  database: Database, options: Options
): Omit<Storage, CommonPart> {
  const { url, lease, keys, telemetry: { metrics, background } } = options
  const id = newId('rpl')
  const [listeners, waits]: [ChangeListener[], (() => Awaitable<void>)[]] = [[], []]
  const { reads } = database
  const repositories = withReads(repositoriesOver(database.queries, refuseOutsideTransaction, keys), reads)
  const stored = uncachedRegistry(repositories, reads)
  const refused = new RefusedSubjects(reads)
  listeners.push(async ({ of }) => { if (of === 'lostChanges' || of === 'everything') await refused.reload() })
  const operation = (): Operation<Repositories> => ({ store, clock: systemClock, actor: systemActor })
  const detector = newDetector(database, stored, options.telemetry, operation)
  const verified = withEachRead(stored, read => detector.readVerified(read))
  const cache = new CachedRegistry(verified, negativeFactsIn(reads), metrics.registry)
  const barrier = new AcknowledgementBarrier(database.queries, id, metrics, background.report('counting_out'))
  const cacheLease = new CacheLease(options.lease)
  const { peers, onCounts } = newPeers(database, id)
  const replica = new Replica({
    id,
    url,
    limits: database.limits,
    lease,
    cacheLease,
    cache,
    listeners,
    detector,
    async onNewHistory (history, isComplete) {
      if (!await noticeHistory(operation(), id, history, isComplete)) return
      metrics.maybeLostChanges++
      background.log.error(history, 'the database has another history than the one that servers followed before: ' +
        'it may have lost acknowledged changes')
    },
    outdateGuards: () => afterAll(waits, background.report('feed')),
    metrics,
    report: background.report('feed'),
    onReport: (from, position) => { barrier.onReport(from, position) },
    onCounts,
  })
  database.onLoss(() => { replica.invalidateLease() })
  database.onConnect(() => { detector.invalidate() })
  const parts = { id, listeners, cache, cacheLease, refused, detector, barrier, replica }
  const transaction = replicatedTransaction(database, keys, parts)
  const store = withTransactionalAudit(withTransactionalChanges(repositories, transaction), transaction)
  const registries = {
    memory: withoutRefused(cache, refused), database: withoutRefused(verified, refusedInDatabase(reads))
  }
  return {
    store,
    registry: leasedRegistry(cacheLease, registries, metrics.registry),
    replicas: [comparable(parts)],
    directory: { page: query => replicaPage(database.queries, query) },
    subscribe: listener => { listeners.push(listener) },
    whenUntrusted: wait => { waits.push(wait) },
    join: () => replica.join(),
    peers,
    isTrusted: () => cacheLease.isValid(),
    trustedFor: () => cacheLease.remaining,
    feedProblem: () =>
      cacheLease.invalidFor < cacheLease.duration
        ? null
        : 'this server does not receive the changes of the others, and queries the database at every check',
    inMemory: () => cache.sizes(),
    refusedSubjects: () => refused.size,
    async close () {
      await replica.close()
      await database.close()
    },
  }
}

/** This server's trust may have ended at once, with a connection; that which it gave to guards ends by itself. */
async function afterAll (waits: readonly (() => Awaitable<void>)[], report: Report): Promise<void> {
  await attempt(async () => { await Promise.all(waits.map(wait => wait())) }, report)
}

function newDetector (
  { queries }: Database, stored: Registry, { metrics, background }: Telemetry, operation: () => Operation<Repositories>
): LostChangeDetector {
  return new LostChangeDetector({
    run: async <Row extends object>(text: string, values: readonly unknown[]) =>
      await queries.$queryRawUnsafe<Row[]>(text, ...values),
    find: subject => findSubject(stored, subject),
    refuse: entries => noticeLostChanges(operation(), entries),
    onLost (entries, recorded) {
      metrics.lostChanges += entries
      background.log.error(
        { entries, noticed: recorded.length },
        'the database has lost acknowledged changes: ' +
          'their subjects are refused until an operator decides (latchkey replicas lost)'
      )
    }
  })
}

function newPeers ({ queries }: Database, id: string): { peers: Peers, onCounts (counts: string): void } {
  let onBroadcast: (counts: string) => void = () => {}
  return {
    peers: {
      longest: longestBroadcast,
      broadcast: counts => broadcastCounts(queries, id, counts),
      onBroadcast: listener => { onBroadcast = listener },
    },
    onCounts: counts => { onBroadcast(counts) },
  }
}

interface Parts {
  id: string
  listeners: readonly ChangeListener[]
  cache: CachedRegistry
  cacheLease: CacheLease
  refused: RefusedSubjects
  detector: LostChangeDetector
  barrier: AcknowledgementBarrier
  replica: Replica
}

/** This server, whose cache can be compared with the database while it is in use. */
function comparable ({ id, cache, cacheLease, replica }: Parts): ComparableReplica {
  return {
    id,
    get source () { return cacheLease.isValid() ? 'memory' : 'database' },
    held: () => cacheLease.isValid() ? cache.held() : 0,
    differences: async () => cacheLease.isValid() ? await cache.differences(() => replica.catchUp()) : [],
    reload: () => cache.reload(),
  }
}

function replicatedTransaction (
  database: Database, keys: ChainKeys,
  { id, listeners, cache, cacheLease, refused, detector, barrier, replica }: Parts
): Store['transaction'] {
  return transactions(database, keys, {
    note: change => { if (isReplicated(change)) cache.apply(change) },
    listeners,
    complete: async (queries, changes, note) => {
      if (!refused.isEmpty) await settleRevoked(queries, changes, note)
    },
    append: async (queries, changes) =>
      changes.length === 0 || changes.some(isReplicated)
        ? await append(queries, id, changes.filter(isReplicated))
        : null,
    async acknowledge (entry) {
      // The feed may return it to this server only after the acknowledgement.
      detector.remember([entry], instant())
      // Also this server: the transaction may have seen a change of another server that is not applied here yet.
      await Promise.all([barrier.acknowledge(entry.xid, cacheLease.sharedDuration), replica.catchUp()])
    },
  })
}

/** Imported keys are not cached as a set here: a look-up uses an index, and there may be millions of them. */
function isReplicated ({ of }: Change): boolean {
  return of !== 'importedKey'
}

/** Outside a transaction a change would not reach the feed. */
function refuseOutsideTransaction (change: Change): void {
  if (isReplicated(change)) throw new Error(`a change (${change.of}) outside of a transaction`)
}
