/** The storage of a server on SQLite: it makes every change itself, so its cache is always current. */
import { hostname } from 'node:os'
import { version } from '../config/version.ts'
import type { ChainKeys } from '../domain/audit/chain.ts'
import { newId } from '../secrets/random.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { CachedRegistry } from './cache/cached-registry.ts'
import type { ChangeListener, ChangeReport } from './cache/changes.ts'
import { negativeFactsIn } from './cache/negative-facts.ts'
import { uncachedRegistry } from './cache/uncached-registry.ts'
import type { Database } from './engine/engine.ts'
import { withReads } from './engine/reads.ts'
import type { CommonPart, Storage } from './storage.ts'
import { repositoriesOver } from './store/repositories.ts'
import { transactions, withTransactionalAudit } from './store/transactions.ts'

/** Applies each change to the cache before the change is acknowledged. */
export async function singleServerStorage (
  database: Database, keys: ChainKeys, { metrics }: Telemetry
): Promise<Omit<Storage, CommonPart>> {
  const note: ChangeReport = change => cache.apply(change)
  const { reads } = database
  const repositories = withReads(repositoriesOver(database.queries, note, keys), reads)
  const cache = new CachedRegistry(uncachedRegistry(repositories, reads), negativeFactsIn(reads), metrics.registry)
  await cache.reload()
  const listeners: ChangeListener[] = []
  const id = newId('rpl')
  const self = {
    id,
    host: hostname(),
    pid: process.pid,
    version,
    lease: null,
    createdAt: new Date(),
    leftAt: null,
    live: true,
    behind: 0
  }
  return {
    store: withTransactionalAudit(repositories, transactions(database, keys, { note, listeners })),
    registry: cache,
    replicas: [{
      id,
      source: 'memory',
      held: () => cache.held(),
      differences: () => cache.differences(),
      reload: () => cache.reload()
    }],
    directory: {
      page: async ({ after }) => ({ items: after === null ? [{ ...self, seenAt: new Date() }] : [], hasMore: false })
    },
    subscribe: listener => {
      listeners.push(listener)
    },
    join: async () => {},
    peers: null,
    isTrusted: () => true,
    trustedFor: () => Infinity,
    whenUntrusted: () => {},
    feedProblem: () => null,
    inMemory: () => cache.sizes(),
    refusedSubjects: () => 0,
    close: database.close,
  }
}
