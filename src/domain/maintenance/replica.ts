/** The servers on one database, as operators see them. */
import type { Page, PageQuery } from '../core/page.ts'

export interface ReplicaState {
  /** `rpl_…`, another one at each start. */
  id: string
  host: string
  pid: number
  version: string
  /** Milliseconds: for so long at most a change waits for it. Null: it is the only server there can be. */
  lease: number | null
  /** When it started. */
  createdAt: Date
  /** Its last sign of life. */
  seenAt: Date
  /** When it said good-bye, or was counted out. Null: changes wait for it. */
  leftAt: Date | null
  /** Whether it gave a sign of life within its lease, and so may go by its memory. */
  live: boolean
  /** Changes that it has not applied. */
  behind: number
}

export interface ReplicaDirectory {
  /** Those that are and that were in the last days. */
  page (query: PageQuery): Promise<Page<ReplicaState>>
}
