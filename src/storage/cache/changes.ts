import type { Awaitable } from '../../base/awaitable.ts'
import type { Refused } from '../../domain/maintenance/lost-change.ts'

/** What a write changed of that which checks look at. The view forgets it, or learns it, once the write is kept. */
export type Change =
  | { of: 'organization', id: string }
  /** Of one owner; null: the deployment's. Left out: by an earlier version, which did not say. */
  | { of: 'resources', organizationId?: string | null }
  | { of: 'client', id: string }
  /** Any number of them. */
  | { of: 'clients' }
  | { of: 'member', id: string }
  /** Any number of them, of one organization. Left out: by an earlier version, which did not say. */
  | { of: 'members', organizationId?: string }
  /** Of one owner; null: the deployment's. */
  | { of: 'policies', organizationId: string | null }
  | { of: 'apiKey', digest: string, resourceId: string }
  /** `shared`: of a resource of the deployment. */
  | { of: 'importedKey', digest: string, resourceId: string, shared: boolean }
  | { of: 'managementToken', digest: string }
  | { of: 'registrationToken', id: string }
  /** Any number of them. */
  | { of: 'signingKeys' }
  | { of: 'publishableKey', id: string }
  /** These. Left out: any number of them. */
  | { of: 'webhookTokens', ids?: readonly string[] }
  | { of: 'revokedToken', jti: string, expiresAt: Date }
  | { of: 'revokedTokensPruned', before: Date }
  /** What a failover has lost, and what was decided about it. `refused`: from now on. */
  | { of: 'lostChanges', refused?: Refused }
  /** Nobody knows what: this server was away, or another one speaks of what this version does not know. */
  | { of: 'everything' }

/** Takes note of a change. Called after its statement has run. */
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

/** A change as another server wrote it, in JSON. */
export function readChange (written: { of: string }): Change {
  const change = written as Change
  switch (change.of) {
    case 'revokedToken': return { ...change, expiresAt: new Date(change.expiresAt) }
    case 'revokedTokensPruned': return { ...change, before: new Date(change.before) }
    // As a version wrote it that looked keys up by their digest alone.
    case 'apiKey': return typeof change.resourceId === 'string' ? change : { of: 'everything' }
    default: return Object.hasOwn(known, written.of) ? change : { of: 'everything' }
  }
}

/**
 * Told of changes that are kept, by whichever server, before they are acknowledged to whoever made them: what it
 * returns is waited for. Of `everything` when this server was away.
 */
export type ChangeListener = (change: Change) => Awaitable<void>
