/** The port of the audit log: what storage keeps of events and chains. */
import type { PageQuery, Page } from '../core/page.ts'
import type { ChainedEvent, ChainHead, UnsealedHead } from './chain.ts'
import type { AuditEvent, AuditEventType } from './event.ts'

/** The storage that this concept needs. Rows are only ever added, but for what retention takes away. */
export interface AuditLog {
  /**
   * Adds the row to the end of its chain, and opens the chain with it if there was none. In a transaction, it is there
   * if the transaction is kept; nobody else adds to that chain meanwhile. @throws Failure `audit_chain_broken` for a
   * chain whose head is not sealed by this deployment, and for one that is gone.
   */
  append (event: AuditEvent): Promise<void>
  /**
   * Adds the row with this number, whatever its chain is like, which goes on from it: nothing before it is proved by
   * its head any more.
   */
  resume (event: AuditEvent, sequence: number, previous: string): Promise<void>
  page (query: PageQuery, filter: AuditFilter): Promise<Page<AuditEvent>>
  /** Rows of a chain behind a place, oldest first. */
  chained (after: ChainPlace, limit: number, filter: AuditFilter): Promise<ChainedEvent[]>
  /** Rows of these types about a subject in a chain, by their numbers; few. */
  about (chain: string, subject: string, types: readonly AuditEventType[]): Promise<ChainedEvent[]>
  head (chain: string): Promise<ChainHead | null>
  /** As `head`; in a transaction, nobody else adds to that chain until it ends. */
  holdHead (chain: string): Promise<ChainHead | null>
  heads (query: PageQuery, filter: { chain?: string }): Promise<Page<ChainHead>>
  /** Of these chains, the ones without a head. */
  withoutHead (chains: readonly string[]): Promise<string[]>
  /**
   * The id of a row of the chain that has no number from 1 on; of the chain '', of a row that is in none. Null: there
   * is no such row.
   */
  unplaced (chain: string): Promise<string | null>
  /**
   * The first chain behind this one in the order of their names, known by its head or by its rows; behind '' is the
   * first of all.
   */
  nextChain (after: string): Promise<string | null>
  /** Whether nothing that is audited was ever kept in this database. */
  isNew (): Promise<boolean>
  /** From now on `append` takes a chain of the deployment that is not there to be gone, in this process. */
  expectChain (): void
  /** Heads that are not sealed under the key of this name. At most `limit`. */
  headsNotUnder (key: string, limit: number): Promise<ChainHead[]>
  /** Gives a head another seal, if it is still the one that was read. */
  reseal (before: ChainHead, after: ChainHead): Promise<void>
  /**
   * Removes the rows of a chain between what was pruned before and what `head` says is now, but those of the types that
   * stay. In a transaction that holds the head.
   */
  prune (before: ChainHead, head: UnsealedHead, staying: readonly AuditEventType[]): Promise<void>
}

export interface AuditPort { audit: AuditLog }

/** Which rows are wanted; what is left out does not narrow them. */
export interface AuditFilter {
  organizationId?: string
  actor?: string
  type?: AuditEventType
  /** One of these. */
  types?: readonly AuditEventType[]
  subject?: string
  /** From this instant on. */
  from?: Date
  /** Before this instant. */
  until?: Date
}

/** A place in a chain: the row with this number; 0 is before the first. */
export interface ChainPlace { chain: string; sequence: number }
