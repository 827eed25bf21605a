/** The servers on one database, for operators. */
import type { Page, PageQuery } from '../core/page.ts'

export interface ReplicaState {
  /** `rpl_…`, new at each start. */
  id: string
  host: string
  pid: number
  version: string
  /** Milliseconds for which a change waits for it at most. Null: it is the only possible server. */
  lease: number | null
  /** When it started. */
  createdAt: Date
  /** The time of its last heartbeat. */
  seenAt: Date
  /** The time at which it deregistered, or was evicted. Null: changes wait for it. */
  leftAt: Date | null
  /** Whether its last heartbeat is within its lease, so that its cache may be used. */
  live: boolean
  /** The number of changes that it has not applied. */
  behind: number
}

export interface ReplicaDirectory {
  /** The present servers, and those of the last days. */
  page (query: PageQuery): Promise<Page<ReplicaState>>
}
