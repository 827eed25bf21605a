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
  | { of: 'publishableKey', id: string }
  /** Any number of them. */
  | { of: 'webhookTokens' }
  | { of: 'revokedToken', jti: string, expiresAt: Date }
  | { of: 'revokedTokensPruned', before: Date }

/** Takes note of a change. Called after its statement has run. */
export type Note = (change: Change) => void
