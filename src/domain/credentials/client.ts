/** OAuth clients: the record, its secrets and its grants. */
import type { Listed, ListQuery, Sought } from '../core/list.ts'
import { hintOf } from '../../secrets/credential-text.ts'
import { digestOf } from '../../secrets/digest.ts'
import { newId } from '../../secrets/random.ts'
import { auditedAnnotations, type Annotated } from '../core/annotations.ts'
import { namesOf } from '../resources/scope.ts'
import { requireVisible, type Revised, type Operation } from '../core/operation.ts'
import {
  defaultAlgorithm, idTokenAlgorithms, type ClientKeyUse, type IdTokenAlgorithm
} from '../tokens/signing-key.ts'

/** The methods by which a client proves itself at the token endpoint. */
export const provingMethods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const
/** `none`: a public client, which has nothing to prove itself with (RFC 6749 §2.1). */
export const clientAuthMethods = [...provingMethods, 'none'] as const
export type ClientAuthMethod = typeof clientAuthMethods[number]

/** Profile of client assertions (protocol/provider/client-assertion.ts): the newest one, or that of RFC 7523. */
export const assertionProfiles = ['strict', 'rfc7523'] as const
export type AssertionProfile = typeof assertionProfiles[number]

/** Client metadata by RFC 7591 §2, spelled as there. Descriptive only: no authority is ever read from it. */
export interface ClientMetadata {
  token_endpoint_auth_method: ClientAuthMethod
  grant_types: string[]
  response_types: string[]
  jwks?: { keys: Record<string, unknown>[] }
  [member: string]: unknown
}

/** The algorithm that signs the client's ID tokens. */
export function idTokenAlgorithmOf ({ metadata }: { metadata: ClientMetadata }): IdTokenAlgorithm {
  return idTokenAlgorithms.find(each => each === metadata.id_token_signed_response_alg) ?? defaultAlgorithm
}

/** Whether a client that authenticates so has a secret. */
export function usesSecret (method: ClientAuthMethod): boolean {
  return method === 'client_secret_basic' || method === 'client_secret_post'
}

export interface ClientSecret {
  id: string
  digest: string
  hint: string
  createdAt: Date
  /** Null: until it is rotated. */
  expiresAt: Date | null
}

/** The scopes that a client may get on one resource. Never holds an API-key-only scope. */
export interface ClientGrant {
  resourceId: string
  /** References. */
  scopes: readonly string[]
}

export const clientOrigins = ['operator', 'registered', 'hosted'] as const
export type ClientOrigin = typeof clientOrigins[number]

/** A machine that asks for tokens. */
export interface Client extends Annotated, Revised {
  /** The `client_id`. */
  id: string
  /** Null: an operator made it for the deployment, or it registered openly and was not claimed yet. */
  organizationId: string | null
  name: string
  /** Whether an operator made it, it registered itself (RFC 7591), or a document on its own host describes it. */
  origin: ClientOrigin
  metadata: ClientMetadata
  secrets: readonly ClientSecret[]
  /** The first is the default, for token requests without `resource`. */
  grants: readonly ClientGrant[]
  /** Where it may ask for tokens from and use them from; empty: from everywhere. */
  allowlist: readonly string[]
  /** Ids of the resources whose credentials it may introspect (RFC 7662 §4). */
  introspects: readonly string[]
  /** Matters for private_key_jwt alone. */
  assertionProfile: AssertionProfile
  /**
   * False: it may leave PKCE out of a request for an ID token that has a `nonce`, which then does the same (RFC 9700
   * §2.1.1). Always true of a public client.
   */
  pkceRequired: boolean
  /** A token minted under another generation is dead. */
  generation: number
  /** Digest of the registration access token (RFC 7592 §3); null when an operator made it. */
  registrationAccessDigest: string | null
  registrationTokenId: string | null
  /** The member whose credential made it, and who may change it by a role that changes own records; null: none. */
  creatorId: string | null
  createdAt: Date
  /** Coarse; null: never. */
  lastUsedAt: Date | null
  revokedAt: Date | null
  revokedReason: string | null
  /** Null: it is not disabled. */
  disabledAt: Date | null
  disabledReason: string | null
}

/** `disabled`: it can be enabled. `revoked`: for good, whether it was disabled or not. */
export const clientStatuses = ['active', 'disabled', 'revoked'] as const
export type ClientStatus = typeof clientStatuses[number]

export function statusOfClient ({ revokedAt, disabledAt }: Pick<Client, 'revokedAt' | 'disabledAt'>): ClientStatus {
  if (revokedAt !== null) return 'revoked'
  return disabledAt === null ? 'active' : 'disabled'
}

/** Whether a client can be given or use anything. */
export function isActive ({ revokedAt, disabledAt }: Pick<Client, 'revokedAt' | 'disabledAt'>): boolean {
  return revokedAt === null && disabledAt === null
}

export interface ClientRepository extends ClientKeyUse {
  insert (client: Client): Promise<void>
  get (id: string): Promise<Client | null>
  /** Those of these ids, at most `mostInSet`, that there are. */
  several (ids: readonly string[]): Promise<Client[]>
  byRegistrationAccessDigest (digest: string): Promise<Client | null>
  /** Replaces everything but id and createdAt, its secrets and grants included; returns it with its next revision. */
  update (client: Client): Promise<Client>
  /** Adds one to the generation of every client that has a grant on the resource. */
  raiseGenerations (filter: { resourceId: string }): Promise<void>
  /** Sets `lastUsedAt` of many clients at once; not part of any change. */
  touch (usage: ReadonlyMap<string, Date>): Promise<void>
  /** Sets `lastUsedAt` now, for every check to see; false: there is no such client any more. */
  use (id: string, at: Date): Promise<boolean>
  /** Registered clients that were never used nor changed and were created before `createdBefore`. */
  idle (createdBefore: Date, limit: number): Promise<Client[]>
  remove (id: string): Promise<void>
  page (query: ListQuery, filter: ClientFilter): Promise<Listed<Client>>
}

export interface ClientPort { clients: ClientRepository }

/** Filter of a list; a member that is left out does not narrow it. `search`: in the name, or the id. */
export interface ClientFilter extends Sought {
  organizationId?: string
  /** Exactly this name. */
  name?: string
  origin?: Client['origin']
  creatorId?: string
  externalId?: string
  status?: ClientStatus
  /** Those that have a grant on it. */
  resourceId?: string
}

/** A client and, where one was made, its secret in clear: shown now and never again (LB-09). */
export interface NewClient { client: Client, secret: string | null }

/** @throws Failure `not_found`, also for a client of another organization. */
export async function getClient ({ store, actor }: Operation<ClientPort>, id: string): Promise<Client> {
  return requireVisible(actor, await store.clients.get(id), 'client', id)
}

/** Whether `digest` is that of a secret of the client that is valid at `now`. The digests are public to the caller. */
export function currentSecrets (client: Client, now: Date): readonly ClientSecret[] {
  return client.secrets.filter(secret => isCurrent(secret, now))
}

export function newClientSecret (secret: string, now: Date): ClientSecret {
  return { id: newId('sec'), digest: digestOf(secret), hint: hintOf(secret), createdAt: now, expiresAt: null }
}

export function isCurrent (secret: ClientSecret, now: Date): boolean {
  return secret.expiresAt === null || secret.expiresAt > now
}

export function endingBy (secret: ClientSecret, end: Date): ClientSecret {
  return { ...secret, expiresAt: secret.expiresAt !== null && secret.expiresAt < end ? secret.expiresAt : end }
}

export function nextGeneration (client: Client): Client {
  return { ...client, generation: client.generation + 1 }
}

export function about (client: Client, more: Record<string, unknown> = {}) {
  const { name, allowlist, introspects, assertionProfile, pkceRequired, generation, creatorId } = client
  const grants = client.grants.map(({ resourceId, scopes }) => ({ resourceId, scopes: namesOf(scopes) }))
  return {
    organizationId: client.organizationId,
    subject: client.id,
    detail: {
      name,
      grants,
      allowlist,
      introspects,
      assertionProfile,
      pkceRequired,
      generation,
      creatorId,
      ...auditedAnnotations(client),
      ...more
    }
  }
}
