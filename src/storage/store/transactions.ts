import type { ChainKeys } from '../../domain/audit/chain.ts'
import type { Repositories, Store } from '../../domain/store.ts'
import { Failure } from '../../base/errors.ts'
import type { Change, ChangeListener, ChangeReport } from '../cache/changes.ts'
import type { Database } from '../engine/engine.ts'
import type { AppendedEntry } from '../replication/feed.ts'
import type { Queries } from '../engine/prisma.ts'
import { repositoriesOver } from './repositories.ts'

/** What is done about what a transaction changed. */
export interface TransactionHooks {
  /** For each change, once it is kept. */
  note: ChangeReport
  followers: readonly ChangeListener[]
  /** Adds to a transaction what follows from what it changed. */
  complete? (queries: Queries, changes: readonly Change[], note: ChangeReport): Promise<void>
  /**
   * Writes the changes down for other servers, as the last statement; returns the entry that it wrote. No changes: they
   * are to know what this transaction found. Null: nobody else has to know.
   */
  append? (queries: Queries, changes: readonly Change[]): Promise<AppendedEntry | null>
  /** Resolves once every server knows. */
  acknowledge? (entry: AppendedEntry): Promise<void>
}

/** Transactions that tell what they changed of that which checks look at. */
export function transactions (
  database: Database, keys: ChainKeys, { note, followers, complete, append, acknowledge }: TransactionHooks
): Store['transaction'] {
  return async (work, isolation) => {
    let changes: Change[] = []
    let entry: AppendedEntry | null = null
    const result = await database.transaction(async queries => {
      changes = []
      let recorded = false
      const record: ChangeReport = change => { changes.push(change) }
      const repositories = repositoriesOver(queries, record, keys)
      const recording = <T>(append: (record: T) => Promise<void>) => async (record: T): Promise<void> => {
        recorded = await append(record).then(() => true)
      }
      const { audit, credits } = repositories
      const result = await work({
        ...repositories,
        audit: { ...audit, append: recording(audit.append) },
        credits: { ...credits, append: recording(credits.append) }
      })
      // What changes nothing because it is so already may go by what another server did a moment ago, which not all
      // have heard.
      const found = changes.length === 0 && !recorded && isolation !== 'read committed'
      if (changes.length > 0) await complete?.(queries, changes, record)
      entry = found || changes.length > 0 ? await append?.(queries, changes) ?? null : null
      return result
    }, isolation).catch(error => {
      // Nothing was kept; only when the database went away in the middle of COMMIT does nobody know.
      if (!(error instanceof Failure && error.code === 'storage_unavailable')) changes = []
      throw error
    }).finally(async () => {
      changes.forEach(note)
      await Promise.all(changes.flatMap(change => followers.map(follower => follower(change))))
    })
    if (entry !== null) await acknowledge?.(entry)
    return result
  }
}

/**
 * A row of the audit log and the head of its chain are two: outside of a transaction they get one of their own, that
 * waits for the head.
 */
export function withTransactionalAudit (repositories: Repositories, transaction: Store['transaction']): Store {
  return {
    ...repositories,
    audit: {
      ...repositories.audit,
      append: async event => {
        await transaction(tx => tx.audit.append(event), 'read committed')
      }
    },
    transaction
  }
}

/** What writes something that checks look at, by port. */
const changing: { [Port in keyof Repositories]?: readonly (keyof Repositories[Port])[] } = {
  organizations: ['update'],
  resources: ['update', 'revokeAll'],
  clients: ['update', 'use', 'raiseGenerations', 'remove'],
  members: ['update'],
  groups: ['update', 'remove', 'addMember', 'removeMember'],
  policies: ['insert', 'update', 'remove'],
  apiKeys: ['update'],
  publishableKeys: ['update'],
  webhookTokens: ['update', 'handOver'],
  registrationTokens: ['update'],
  managementTokens: ['update'],
  signingKeys: ['insert', 'update', 'reseal', 'remove'],
  revokedTokens: ['insert', 'prune'],
}

type Methods = Record<string, (...args: unknown[]) => Promise<unknown>>

/** Where others have to be told of a change, what makes one outside of a transaction gets one of its own. */
export function withTransactionalChanges (
  repositories: Repositories, transaction: Store['transaction']
): Repositories {
  const ports = Object.entries(changing).map(([port, methods]) => {
    const through = (method: string) => (...args: unknown[]) =>
      transaction(tx => (tx as unknown as Record<string, Methods>)[port]![method]!(...args), 'read committed')
    return [port, {
      ...repositories[port as keyof Repositories],
      ...Object.fromEntries((methods as string[]).map(method => [method, through(method)]))
    }]
  })
  return { ...repositories, ...Object.fromEntries(ports) as Partial<Repositories> }
}
