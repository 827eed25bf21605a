/** The domain's transactions: they report their changes, and acknowledge them once every server has applied them. */
import type { ChainKeys } from '../../domain/audit/chain.ts'
import type { Repositories, Store } from '../../domain/store.ts'
import { Failure } from '../../base/errors.ts'
import type { Change, ChangeListener, ChangeReport } from '../cache/changes.ts'
import type { Database } from '../engine/engine.ts'
import type { Queries } from '../engine/prisma.ts'
import type { AppendedEntry } from '../replication/feed.ts'
import { repositoriesOver } from './repositories.ts'

/** What happens with the changes of a transaction. */
export interface TransactionHooks {
  /** Called with each change once it is committed. */
  note: ChangeReport
  listeners: readonly ChangeListener[]
  /** Adds to the transaction what its changes entail. */
  complete? (queries: Queries, changes: readonly Change[], note: ChangeReport): Promise<void>
  /**
   * Appends the changes to the feed, as the last statement, and returns the entry. Without changes the entry makes the
   * other servers apply what this transaction has seen. Null: no other server needs it.
   */
  append? (queries: Queries, changes: readonly Change[]): Promise<AppendedEntry | null>
  /** Resolves once every server has applied the entry. */
  acknowledge? (entry: AppendedEntry): Promise<void>
}

export function transactions (
  database: Database, keys: ChainKeys, { note, listeners, complete, append, acknowledge }: TransactionHooks
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
      // A transaction that finds nothing to change may have seen another server's recent change, which not every server
      // has applied yet.
      const foundOnly = changes.length === 0 && !recorded && isolation !== 'read committed'
      if (changes.length > 0) await complete?.(queries, changes, record)
      entry = foundOnly || changes.length > 0 ? await append?.(queries, changes) ?? null : null
      return result
    }, isolation).catch(error => {
      // Rolled back; but if the connection was lost during COMMIT it may be committed, so the changes are applied.
      if (!(error instanceof Failure && error.code === 'storage_unavailable')) changes = []
      throw error
    }).finally(async () => {
      changes.forEach(note)
      await Promise.all(changes.flatMap(change => listeners.map(listener => listener(change))))
    })
    if (entry !== null) await acknowledge?.(entry)
    return result
  }
}

/**
 * `audit.append` writes two rows, the event and the head of its chain; outside a transaction it opens one, which waits
 * for the head.
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

/** The methods that change what checks read, by port. */
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
  authorizations: ['end', 'endAll', 'limit'],
  trustedIssuers: ['update', 'remove'],
  workloadRules: ['update', 'remove'],
  signingKeys: ['insert', 'update', 'reseal', 'remove'],
  revokedTokens: ['insert', 'prune'],
}

type Methods = Record<string, (...args: unknown[]) => Promise<unknown>>

/** Each of these methods opens a transaction when called outside of one, so that its change reaches the feed. */
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
