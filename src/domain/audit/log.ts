/** The port of the audit log: what storage keeps of events and chains. */
import type { PageQuery, Page } from '../core/page.ts'
import type { ChainedEvent, ChainHead, UnsealedHead } from './chain.ts'
import type { AuditEvent, AuditEventType } from './event.ts'

/** The storage of audit rows. Rows are added, and removed by retention alone. */
export interface AuditLog {
  /**
   * Appends the row to its chain, and opens the chain if there is none. Inside a transaction the row is kept with it,
   * and no other transaction appends to that chain meanwhile.
   * @throws Failure `audit_chain_broken` for a chain whose head is not sealed by this deployment, or is missing.
   */
  append (event: AuditEvent): Promise<void>
  /**
   * Appends the row with this number whatever the state of its chain, which continues from it: the head proves no
   * earlier row any more.
   */
  resume (event: AuditEvent, sequence: number, previous: string): Promise<void>
  page (query: PageQuery, filter: AuditFilter): Promise<Page<AuditEvent>>
  /** The number of rows by day, UTC, and type. */
  counts (filter: AuditFilter & { from: Date, until: Date }): Promise<AuditCount[]>
  /** Rows of a chain behind a place, oldest first. */
  chained (after: ChainPlace, limit: number, filter: AuditFilter): Promise<ChainedEvent[]>
  /** Rows of these types about a subject in a chain, by number; few. */
  about (chain: string, subject: string, types: readonly AuditEventType[]): Promise<ChainedEvent[]>
  head (chain: string): Promise<ChainHead | null>
  /** As `head`; inside a transaction, locks the chain against other appends until it ends. */
  holdHead (chain: string): Promise<ChainHead | null>
  heads (query: PageQuery, filter: { chain?: string }): Promise<Page<ChainHead>>
  /** Of these chains, the ones without a head. */
  withoutHead (chains: readonly string[]): Promise<string[]>
  /** The id of a row of the chain whose number is below 1; for the chain '', of a row without a chain. Null: none. */
  unplaced (chain: string): Promise<string | null>
  /** The first chain after this one by name, found by its head or by its rows; after '': the first of all. */
  nextChain (after: string): Promise<string | null>
  /** Whether the database has never held an audited record. */
  isNew (): Promise<boolean>
  /**
   * From now on, in this process, `append` treats an absent chain of the deployment as missing instead of opening it.
   */
  expectChain (): void
  /** At most `limit` heads that are not sealed under the key of this name. */
  headsNotUnder (key: string, limit: number): Promise<ChainHead[]>
  /** Replaces the seal of a head, if the head is still the one that was read. */
  reseal (before: ChainHead, after: ChainHead): Promise<void>
  /**
   * Removes the rows of a chain between the pruned number of `before` and that of `head`, except the types in
   * `staying`. In a transaction that holds the head.
   */
  prune (before: ChainHead, head: UnsealedHead, staying: readonly AuditEventType[]): Promise<void>
}

/** `day`: 'YYYY-MM-DD', UTC. */
export interface AuditCount { day: string, type: string, count: number }

export interface AuditPort { audit: AuditLog }

/** Filters of audit rows; an absent one matches all. */
export interface AuditFilter {
  organizationId?: string
  actor?: string
  type?: AuditEventType
  /** One of these. */
  types?: readonly AuditEventType[]
  subject?: string
  requestId?: string
  /** In its canonical form. */
  address?: string
  /** From this instant on. */
  from?: Date
  /** Before this instant. */
  until?: Date
}

/** A place in a chain: the row with this number; 0 is before the first. */
export interface ChainPlace { chain: string; sequence: number }
