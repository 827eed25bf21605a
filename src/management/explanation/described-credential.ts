/** What a credential is, for people that ask about it: as much as its collection shows of it, never its secret. */
import type { Actor } from '../../domain/core/actor.ts'
import { statusOf, type ApiKey } from '../../domain/credentials/api-key.ts'
import { statusOfClient, type Client } from '../../domain/credentials/client.ts'
import { statusOfManagementToken, type ManagementToken } from '../../domain/credentials/management-token.ts'
import type { Authorization } from '../../domain/authorizations/authorization.ts'
import { managementResourceId } from '../../domain/resources/resource.ts'
import type { Repositories } from '../../domain/store.ts'

export const describedKinds = [
  'api_key', 'access_token', 'session', 'management_token', 'webhook_token', 'person_session', 'admin_token', 'client',
  'authorization'
] as const

export interface DescribedCredential {
  kind: typeof describedKinds[number]
  /** What `id` names for an access token; absent: a client, or the member for whom it acts. */
  idKind?: 'api_key'
  /** By which requests and audit rows name it: of an access token, its client's or key's, or its member's. */
  id: string
  /** The authorization by which a client acts for that member; null: none. */
  authorizationId: string | null
  /** Null: it has none, or the actor may not read its kind. */
  name: string | null
  /** The visible part of its secret; null as for `name`. */
  hint: string | null
  /** Null: the deployment. */
  organizationId: string | null
  status: string
  /** The resource that it is for; null: several, or none. */
  resourceId: string | null
  expiresAt: Date | null
}

/** By which scope a kind is read; null: its name is no record's. */
const readScopes: Readonly<Record<DescribedCredential['kind'], string | null>> = {
  api_key: 'api-keys:read',
  access_token: 'clients:read',
  session: 'publishable-keys:read',
  management_token: 'access-tokens:read',
  webhook_token: 'webhook-tokens:read',
  person_session: 'members:read',
  admin_token: null,
  client: 'clients:read',
  authorization: null,
}

/** Without the name and the hint of what the actor may not read: `audit:read` is for what happened. */
export function asReadBy ({ scopes }: Pick<Actor, 'scopes'>, described: DescribedCredential): DescribedCredential {
  const scope = readScopes[described.kind]
  const mayRead = scope === null || scopes === null || scopes.includes(scope)
  return mayRead ? described : { ...described, name: null, hint: null }
}

export function describedKey (key: ApiKey, now: Date): DescribedCredential {
  const { id, name, hint, organizationId, resourceId, expiresAt } = key
  const shown = { id, name, hint, organizationId, resourceId, expiresAt }
  return { kind: 'api_key', ...shown, authorizationId: null, status: statusOf(key, now) }
}

export function describedManagementToken (token: ManagementToken, now: Date): DescribedCredential {
  const { id, name, hint, organizationId, expiresAt } = token
  return {
    kind: 'management_token',
    id,
    authorizationId: null,
    name,
    hint,
    organizationId,
    status: statusOfManagementToken(token, now),
    resourceId: managementResourceId,
    expiresAt
  }
}

function describedClient (client: Client): DescribedCredential {
  const { id, name, organizationId } = client
  return {
    kind: 'client',
    id,
    authorizationId: null,
    name,
    hint: null,
    organizationId,
    status: statusOfClient(client),
    resourceId: null,
    expiresAt: null
  }
}

function describedAuthorization (authorization: Authorization): DescribedCredential {
  const { id, memberId, organizationId, resourceId, endedAt, expiresAt } = authorization
  return {
    kind: 'authorization',
    id: memberId,
    authorizationId: id,
    name: null,
    hint: null,
    organizationId,
    status: endedAt === null ? 'active' : 'ended',
    resourceId,
    expiresAt
  }
}

/** The credential with this id, as logs name it; null: there is none, or it is of a kind without a record to show. */
export async function describedById (store: Repositories, id: string, now: Date): Promise<DescribedCredential | null> {
  if (id.startsWith('key_')) {
    const key = await store.apiKeys.get(id)
    return key && describedKey(key, now)
  }
  if (id.startsWith('mat_')) {
    const token = await store.managementTokens.get(id)
    return token && describedManagementToken(token, now)
  }
  if (id.startsWith('aut_')) {
    const authorization = await store.authorizations.get(id)
    return authorization && describedAuthorization(authorization)
  }
  const client = await store.clients.get(id)
  return client && describedClient(client)
}
