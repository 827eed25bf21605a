/** The vocabulary of authentication: what a caller presents, whom it proves, and why it is refused. */
import type { Creator } from '../core/actor.ts'
import type { AccessLevel, ObjectRestriction } from '../credentials/api-key.ts'
import type { Resource } from '../resources/resource.ts'
import type { Environment } from '../../secrets/credential-text.ts'

/** The outcome of authentication, whatever the proof. */
export interface Principal {
  kind: 'api_key' | 'access_token' | 'management_token' | 'session' | 'person' | 'admin_token'
  /** What `id` names in an access token; absent: the client, or the member for whom it acts. */
  idKind?: 'api_key' | 'workload_rule'
  /**
   * It was exchanged for something that lives longer (RFC 8693): what is made by it must not outlive it. Absent: no.
   */
  isExchanged?: boolean
  /**
   * The id of the key, also in a token that it was exchanged for; the `client_id`, the management token's id, the
   * publishable key's id, the member's id of a person and of a token by which a client acts for them, or `admin`.
   */
  id: string
  /** The end user of a session; what a trusted issuer calls a workload. Null: the machine acts for itself. */
  subject: string | null
  name: string
  /**
   * The organization it acts for; null: none, or, for the admin token and for management tokens, the whole deployment.
   */
  organizationId: string | null
  /** Every organization whose data it reaches, its own first. */
  organizations: readonly string[]
  environment: Environment
  /** The identifier of the resource the credential is for; null: the admin token, which is for the management API. */
  resource: string | null
  /** The id of that resource. */
  resourceId: string | null
  /**
   * The groups of the member that it is bound to, for policies; empty: it is bound to none. Null: that member is
   * missing, so its groups are unknown.
   */
  groups: readonly string[] | null
  /** The access level of an API key; null: it is no API key. `scopes` has what that level amounts to now. */
  access: AccessLevel | null
  scopes: readonly string[]
  /** The member whose permissions bound it, as they are now; null: none does. */
  creator: Creator | null
  /** The client that acts for a member, and the authorization by which it does. Absent or null: it acts for itself. */
  actingFor?: ActingFor | null
  /** The API key or access token that vouches for it, and with which it ends. Absent or null: none. */
  vouchedBy?: string | null
  /** The objects it is restricted to, by type; other types are not restricted. */
  objects: ObjectRestriction
  allowlist: readonly string[]
  /** Null: never. */
  expiresAt: Date | null
}

/** What the token of a person names beside that person. */
export interface ActingFor { clientId: string, authorizationId: string }

/** Every reason for which a request is refused. Precise, for the log; the resource's style collapses them outside. */
export type Reason =
  | 'no_credential' | 'several_credentials' | 'credential_in_query' | 'key_as_bearer' | 'malformed' | 'unknown'
  | 'foreign_deployment' | 'wrong_resource' | 'revoked' | 'expired' | 'rotated' | 'disabled' | 'superseded'
  | 'organization_suspended' | 'address_not_allowed' | 'wrong_environment' | 'organization_not_found'
  | 'feature_missing' | 'insufficient_scope' | 'policy_denied' | 'object_not_allowed' | 'api_key_required'
  | 'session_required' | 'person_required' | 'cross_site_request' | 'reauthentication_required' | 'rate_limited'
  | 'quota_exceeded' | 'insufficient_credits' | 'insufficient_budget' | 'tls_required'

/** The budget that a call does not fit into. `limit`, `left`: micro-dollars; absent: not for the caller. */
export interface ShortBudget {
  of: 'global' | 'account' | 'organization', period: 'day' | 'month', limit?: number, left?: number, resetsAt: Date
}

/** A refusal: the reason, and the credential that was refused, as far as it is known. */
export interface Refusal {
  reason: Reason
  /** The kind of credential; null: none was presented, or more than one. */
  presented: 'api_key' | 'access_token' | 'person_session' | null
  /** The credential's id, once it was found. */
  subject: string | null
  organizationId: string | null
  /** For a client that acts for the subject. */
  actingFor?: ActingFor
  /** For `insufficient_scope`. */
  requiredScopes?: readonly string[]
  /** For `insufficient_budget`. */
  budget?: ShortBudget
  /** For `policy_denied`: the id of the policy. For the log alone. */
  policy?: string
}

/** What a caller presented. */
export interface Credential { kind: 'api_key' | 'access_token', text: string }

/** Where, for what and when a credential was presented. */
export interface Presentation {
  /** Null: any resource of this deployment. */
  readonly resource: Resource | null
  /** Where any resource will do: the ids of those whose imported keys count. Left out: the deployment's. */
  readonly among?: readonly string[]
  /** Null: unknown, and no allowlist lets it pass. */
  readonly address: string | null
  /** The allowlist is applied by another server, which asks about the credential. */
  readonly leavesAllowlist?: boolean
  /** The type of the objects of a route that takes webhooks; null or left out: it takes none. */
  readonly webhookType?: string | null
  /** Whether the request changes more than the person's own session; left out: it may. */
  readonly changes?: boolean
  /** The one moment at which the verdict is judged. */
  readonly now: Date
}
