/** OAuth clients: the record, its secrets and its grants. */
import { hintOf } from '../../secrets/credential-text.ts'
import { digestOf } from '../../secrets/digest.ts'
import { newId } from '../../secrets/random.ts'
import type { Page, PageQuery } from '../core/page.ts'
import { namesOf } from '../resources/scope.ts'
import { requireVisible, type Revised, type Operation } from '../core/operation.ts'

export const clientAuthMethods = ['client_secret_basic', 'client_secret_post', 'private_key_jwt'] as const
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

/** A machine that asks for tokens. */
export interface Client extends Revised {
  /** The `client_id`. */
  id: string
  /** Null: an operator made it for the deployment, or it registered openly and was not claimed yet. */
  organizationId: string | null
  name: string
  /** Whether an operator made it, or it registered itself (RFC 7591). */
  origin: 'operator' | 'registered'
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
  /** A token minted under another generation is dead. */
  generation: number
  /** Digest of the registration access token (RFC 7592 §3); null when an operator made it. */
  registrationAccessDigest: string | null
  registrationTokenId: string | null
  createdAt: Date
  /** Coarse; null: never. */
  lastUsedAt: Date | null
  revokedAt: Date | null
  revokedReason: string | null
}

export interface ClientRepository {
  insert (client: Client): Promise<void>
  get (id: string): Promise<Client | null>
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
  page (query: PageQuery, filter: ClientFilter): Promise<Page<Client>>
}

export interface ClientPort { clients: ClientRepository }

/** Filter of a list; a member that is left out does not narrow it. */
export interface ClientFilter {
  organizationId?: string
  /** Exactly this name. */
  name?: string
  origin?: Client['origin']
  revoked?: boolean
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
  const { name, allowlist, introspects, assertionProfile, generation } = client
  const grants = client.grants.map(({ resourceId, scopes }) => ({ resourceId, scopes: namesOf(scopes) }))
  return {
    organizationId: client.organizationId,
    subject: client.id,
    detail: { name, grants, allowlist, introspects, assertionProfile, generation, ...more }
  }
}
