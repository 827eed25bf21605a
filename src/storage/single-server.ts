import { hostname } from 'node:os'
import { version } from '../config/config.ts'
import type { ChainKeys } from '../domain/audit/chain.ts'
import { newId } from '../secrets/secrets.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { negativeFactsIn } from './cache/negative-facts.ts'
import type { ChangeListener, ChangeReport } from './cache/changes.ts'
import type { Database } from './engine/engine.ts'
import type { Storage } from './storage.ts'
import { withReads } from './engine/reads.ts'
import { repositoriesOver } from './store/repositories.ts'
import { transactions, withTransactionalAudit } from './store/transactions.ts'
import { uncachedRegistry, CachedRegistry } from './cache/cached-registry.ts'

/** On SQLite one server makes every change, and hands each to its view before it is acknowledged: it always knows. */
export async function singleServerStorage (
  database: Database, keys: ChainKeys, { metrics }: Telemetry
): Promise<Omit<Storage, 'migrated' | 'ping' | 'isFull' | 'pendingMigrations' | 'connections'>> {
  const note: ChangeReport = change => view.apply(change)
  const { reads } = database
  const repositories = withReads(repositoriesOver(database.queries, note, keys), reads)
  const view = new CachedRegistry(uncachedRegistry(repositories, reads), negativeFactsIn(reads), metrics.registry)
  await view.reload()
  const followers: ChangeListener[] = []
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
    store: withTransactionalAudit(repositories, transactions(database, keys, { note, followers })),
    registry: view,
    replicas: [{
      id, source: 'memory', held: () => view.held(), differences: () => view.differences(), reload: () => view.reload()
    }],
    directory: {
      page: async ({ after }) => ({ items: after === null ? [{ ...self, seenAt: new Date() }] : [], hasMore: false })
    },
    subscribe: follower => {
      followers.push(follower)
    },
    join: async () => {},
    peers: null,
    isTrusted: () => true,
    feedProblem: () => null,
    inMemory: () => view.sizes(),
    refusedSubjects: () => 0,
    close: database.close,
  }
}
