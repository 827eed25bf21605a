/** The changes that the cache and the other servers have to know of. */
import type { Awaitable } from '../../base/awaitable.ts'
import type { Refused } from '../../domain/maintenance/lost-change.ts'

/** A change of data that checks read. The cache applies it once the transaction is committed. */
export type Change =
  | { of: 'organization', id: string }
  /** Those of one owner; null: the deployment. Undefined: written by an earlier version, which did not name it. */
  | { of: 'resources', organizationId?: string | null }
  | { of: 'client', id: string }
  /** Any number of them. */
  | { of: 'clients' }
  | { of: 'member', id: string }
  /** Those of one organization. Undefined: written by an earlier version, which did not name it. */
  | { of: 'members', organizationId?: string }
  /** Those of one owner; null: the deployment. */
  | { of: 'policies', organizationId: string | null }
  | { of: 'apiKey', digest: string, resourceId: string }
  /** `shared`: for a resource of the deployment. */
  | { of: 'importedKey', digest: string, resourceId: string, shared: boolean }
  | { of: 'authorization', id: string }
  /** Undefined: any number of them. */
  | { of: 'authorizations', ids?: readonly string[] }
  /** By the ids of issuers and rules. */
  | { of: 'trustedIssuers', ids: readonly string[] }
  | { of: 'managementToken', digest: string }
  | { of: 'registrationToken', id: string }
  /** Any number of them. */
  | { of: 'signingKeys' }
  | { of: 'publishableKey', id: string }
  /** Undefined: any number of them. */
  | { of: 'webhookTokens', ids?: readonly string[] }
  | { of: 'revokedToken', jti: string, expiresAt: Date }
  | { of: 'revokedTokensPruned', before: Date }
  /** The changes that a failover lost, and the decisions about them. `refused`: from now on. */
  | { of: 'lostChanges', refused?: Refused }
  /** Unknown: this server was disconnected, or another one wrote a change that this version does not know. */
  | { of: 'everything' }

/** Records a change, after its statement has run. */
export type ChangeReport = (change: Change) => void

const known: Record<Change['of'], true> = {
  organization: true,
  resources: true,
  client: true,
  clients: true,
  member: true,
  members: true,
  policies: true,
  apiKey: true,
  importedKey: true,
  authorization: true,
  authorizations: true,
  trustedIssuers: true,
  managementToken: true,
  registrationToken: true,
  signingKeys: true,
  publishableKey: true,
  webhookTokens: true,
  revokedToken: true,
  revokedTokensPruned: true,
  lostChanges: true,
  everything: true,
}

/** Parses a change that another server wrote as JSON. */
export function readChange (written: { of: string }): Change {
  const change = written as Change
  switch (change.of) {
    case 'revokedToken': return { ...change, expiresAt: new Date(change.expiresAt) }
    case 'revokedTokensPruned': return { ...change, before: new Date(change.before) }
    // Without `resourceId`: written by a version that looked keys up by their digest alone.
    case 'apiKey': return typeof change.resourceId === 'string' ? change : { of: 'everything' }
    default: return Object.hasOwn(known, written.of) ? change : { of: 'everything' }
  }
}

/**
 * Called with each committed change of any server before it is acknowledged, which waits for the result. Called with
 * `everything` after this server was disconnected.
 */
export type ChangeListener = (change: Change) => Awaitable<void>
