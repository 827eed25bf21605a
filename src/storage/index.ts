/** The domain's store on SQLite or PostgreSQL, and the registry that checks look into. */
import type { ChainKeys } from '../domain/audit-chain.ts'
import type { Replica, ReplicaMemory } from '../domain/drift.ts'
import type { Registry } from '../domain/registry.ts'
import type { Repositories, Store } from '../domain/store.ts'
import { Failure } from '../errors.ts'
import { auditKeys, newId, newSecret } from '../secrets.ts'
import { newWatch, type Watch } from '../watch.ts'
import { importedDigests } from './api-keys.ts'
import type { Change, Follower, Note } from './changes.ts'
import { migrate, openDatabase, type Database } from './database.ts'
import { pendingMigrations } from './inspection.ts'
import type { Limits } from './limits.ts'
import { repositoriesOver } from './repositories.ts'
import { unbuffered, View } from './view.ts'

/** An open store, migrated to what this version needs. */
export interface Storage {
  store: Store
  registry: Registry
  /** The servers on this database whose memory can be compared with it: so far, this one. */
  replicas: readonly Replica[]
  /** Has `follower` told of what transactions change from now on. */
  follow (follower: Follower): void
  /** Resolves when the database answers. @throws Failure `storage_unavailable`. */
  ping (): Promise<void>
  /** The migrations that this version needs and the database has not had. @throws Failure `storage_unavailable`. */
  pendingMigrations (): Promise<string[]>
  /** How many records checks can look at without the database, by kind. */
  inMemory (): Record<string, number>
  /** Connections of this server to its database, by state. */
  connections (): Record<string, number>
  /** Rolls back transactions that are not done; afterwards everything is `storage_unavailable`. */
  close (): Promise<void>
}

export interface StorageOptions {
  limits?: Partial<Limits>
  /** LATCHKEY_SECRET, the newest first: audit rows are sealed under it. Without any, under one that ends with the process. */
  secrets?: readonly string[]
  watch?: Watch
}

/**
 * Opens the database at `url` (`file:…` or `postgresql://…`) and applies the migrations it lacks.
 * @throws ConfigurationError for another kind of URL, and when another server has the SQLite file; Failure
 * `storage_unavailable` when the database cannot be reached.
 */
export async function openStorage (url: string, { limits = {}, secrets = [newSecret()], watch = newWatch() }: StorageOptions = {}): Promise<Storage> {
  const database = await openDatabase(url, limits, watch)
  try {
    await migrate(url)
    return {
      ...await storeOn(database, auditKeys(secrets), watch),
      ping: database.ping,
      pendingMigrations: () => pendingMigrations(database),
      connections: database.connections,
      close: database.close,
    }
  } catch (error) {
    await database.close()
    throw error
  }
}

/** One server on SQLite knows of every change, and so may keep a view. On PostgreSQL others may write: ask every time. */
async function storeOn (database: Database, keys: ChainKeys, { measures }: Watch): Promise<Pick<Storage, 'store' | 'registry' | 'replicas' | 'follow' | 'inMemory'>> {
  const followers: Follower[] = []
  const follow = (follower: Follower): void => { followers.push(follower) }
  if (database.provider === 'postgresql') {
    const repositories = repositoriesOver(database.queries, () => {}, keys)
    const keeping = { note: () => {}, followers, keys }
    return { store: storeFrom(database, repositories, keeping), registry: unbuffered(repositories, database.reads), replicas: [replica(nothingHeld)], follow, inMemory: () => ({}) }
  }
  const note: Note = change => view.apply(change)
  const repositories = repositoriesOver(database.queries, note, keys)
  const absent = async () => ({ revoked: await repositories.revokedTokens.live(new Date(0)), imported: await importedDigests(database.queries) })
  const view = new View(unbuffered(repositories, database.reads), await absent(), absent, measures.registry)
  return { store: storeFrom(database, repositories, { note, followers, keys }), registry: view, replicas: [replica(view)], follow, inMemory: () => view.sizes() }
}

function replica (memory: ReplicaMemory): Replica {
  return { id: newId('rpl'), source: memory.source, held: () => memory.held(), differences: () => memory.differences(), reload: () => memory.reload() }
}

/** Where every check asks the database. */
const nothingHeld: ReplicaMemory = { source: 'database', held: () => 0, differences: async () => [], reload: async () => {} }

/** What is done about what a transaction changed, and what its audit rows are sealed with. */
interface Keeping { note: Note, followers: readonly Follower[], keys: ChainKeys }

function storeFrom (database: Database, repositories: Repositories, { note, followers, keys }: Keeping): Store {
  const transaction: Store['transaction'] = async (work, isolation) => {
    let changes: Change[] = []
    try {
      return await database.transaction(queries => {
        changes = []
        return work(repositoriesOver(queries, change => { changes.push(change) }, keys))
      }, isolation)
    } catch (error) {
      // Nothing was kept; only when the database went away in the middle of COMMIT does nobody know.
      if (!(error instanceof Failure && error.code === 'storage_unavailable')) changes = []
      throw error
    } finally {
      changes.forEach(note)
      await Promise.all(changes.flatMap(change => followers.map(follower => follower(change))))
    }
  }
  return {
    ...repositories,
    // A row and the head of its chain are two: outside of a transaction they get one of their own, that waits for the head.
    audit: { ...repositories.audit, append: async event => { await transaction(tx => tx.audit.append(event), 'read committed') } },
    transaction,
  }
}
