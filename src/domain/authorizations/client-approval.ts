/** Approvals: that an unverified client may act for the members of an organization that takes approved ones alone. */
import type { Page, PageQuery } from '../core/page.ts'
import type { Revised } from '../core/operation.ts'

/** One for each organization and client. It is made and removed; the audit log keeps both. */
export interface ClientApproval extends Revised {
  /** `cap_…` */
  id: string
  organizationId: string
  /** The `client_id`. */
  clientId: string
  /** The name that the client had; of a document that was not read yet, its URL. */
  name: string
  /** What was approved; null: whatever the document at that URL says. */
  fingerprint: string | null
  /** The id of the actor. */
  createdBy: string
  createdAt: Date
}

/** Filter of a list; a member that is left out does not narrow it. */
export interface ClientApprovalFilter { organizationId?: string, clientId?: string }

export interface ClientApprovalRepository {
  insert (approval: ClientApproval): Promise<void>
  get (id: string): Promise<ClientApproval | null>
  ofPair (organizationId: string, clientId: string): Promise<ClientApproval | null>
  /** Those of at most `mostInSet` clients. */
  ofClients (organizationId: string, clientIds: readonly string[]): Promise<ClientApproval[]>
  remove (id: string): Promise<void>
  page (query: PageQuery, filter: ClientApprovalFilter): Promise<Page<ClientApproval>>
}

export interface ClientApprovalPort { clientApprovals: ClientApprovalRepository }
