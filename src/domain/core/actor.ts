/** The actor: the credential behind an operation, and its bounds. */
/** What a member may do, as references and patterns of scopes. */
export interface Permissions {
  /** On the management API. */
  managed: readonly string[]
  /** On the management API, for records that the member created. */
  own: readonly string[]
  /** On every other resource of its organization. */
  elsewhere: readonly string[]
}

/** The member that a credential was made for, and their present permissions. */
export interface Creator {
  id: string
  isOwner: boolean
  permissions: Permissions
  /** Names of the scopes of the management API that they have for own records alone. */
  own: readonly string[]
}

/** The actor of an operation, with its address and request. */
export interface Actor {
  /** `admin` for the admin token, `system` for the server itself, else the id of the credential. */
  id: string
  /** The organization that confines the actor; null: it may see the whole deployment. */
  organizationId: string | null
  /** Its scopes on the management API, and so the most that it may grant there; null: all. */
  scopes: readonly string[] | null
  /** The member that bounds it: keys that it makes are bound to that member too. Null: none. */
  creator: Creator | null
  /** Further restrictions, which apply to management credentials that it makes too; null: none. */
  restrictions: Restrictions | null
  /** The API key or access token that vouches for it, and with which keys that it makes end. Absent or null: none. */
  vouchedBy?: string | null
  /** Whether it is an OAuth client, or a workload that acts as itself. Absent: no. */
  isClient?: boolean
  /** Whether it is the session of a signed-in person. Absent: no. */
  isPerson?: boolean
  /** The client's address as seen through trusted proxies, `unknown` if it cannot be determined; null: no request. */
  address: string | null
  requestId: string | null
}

/** The server acting on its own behalf: seeding, reaping, rotating. */
export const systemActor: Actor = {
  id: 'system', organizationId: null, scopes: null, creator: null, restrictions: null, address: null, requestId: null
}

export interface Restrictions {
  /** Empty: every address. */
  allowlist: readonly string[]
  /** Null: never. */
  expiresAt: Date | null
  /** Type of object → the ids that are allowed; an absent type is not restricted. */
  objects?: Readonly<Record<string, readonly string[]>>
}
