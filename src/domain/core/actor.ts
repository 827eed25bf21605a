/** Who acts: the credential behind an operation, and what bounds it. */
/**
 * The member that a credential was made for, and what they may do at the moment, as patterns of scopes on every
 * resource.
 */
export interface Creator { id: string; permissions: readonly string[] }

/** Who acts, from where, in which request. */
export interface Actor {
  /** `admin` for the admin token, `system` for the server itself, else the id of the credential. */
  id: string
  /** The organization the actor is confined to; null: the whole deployment is theirs to see. */
  organizationId: string | null
  /** What it may do on the management API, and so the most it may hand on there; null: everything. */
  scopes: readonly string[] | null
  /** The member that bounds it: the keys it makes are bound to them too. Null: none does. */
  creator: Creator | null
  /** What binds it besides, and so what it makes for the management API; null: nothing. */
  restrictions: Restrictions | null
  /**
   * The client's address as seen through trusted proxies, `unknown` where it could not be told; null when there was no
   * request.
   */
  address: string | null
  requestId: string | null
}

/** The server acting on its own behalf: seeding, reaping, rotating. */
export const systemActor: Actor = {
  id: 'system', organizationId: null, scopes: null, creator: null, restrictions: null, address: null, requestId: null
}

export interface Restrictions {
  /** Empty: from everywhere. */
  allowlist: readonly string[]
  /** Null: for good. */
  expiresAt: Date | null
  /** Type of object → the ids it is restricted to; a type that is not named is not restricted. */
  objects?: Readonly<Record<string, readonly string[]>>
}
