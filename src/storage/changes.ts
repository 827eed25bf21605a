import type { Awaitable } from '../awaitable.ts'

/** What a write changed of that which checks look at. The view forgets it, or learns it, once the write is kept. */
export type Change =
  | { of: 'organization', id: string }
  | { of: 'resources' }
  | { of: 'client', id: string }
  /** Any number of them. */
  | { of: 'clients' }
  | { of: 'member', id: string }
  /** Any number of them. */
  | { of: 'members' }
  /** Of one owner; null: the deployment's. */
  | { of: 'policies', organizationId: string | null }
  | { of: 'apiKey', digest: string }
  | { of: 'importedKey', digest: string }
  | { of: 'managementToken', digest: string }
  /** Any number of them. */
  | { of: 'signingKeys' }
  | { of: 'publishableKey', id: string }
  /** Any number of them. */
  | { of: 'webhookTokens' }
  | { of: 'revokedToken', jti: string, expiresAt: Date }
  | { of: 'revokedTokensPruned', before: Date }

/** Takes note of a change. Called after its statement has run. */
export type Note = (change: Change) => void

/** Told of changes that are kept, before they are acknowledged to whoever made them: what it returns is waited for. */
export type Follower = (change: Change) => Awaitable<void>
