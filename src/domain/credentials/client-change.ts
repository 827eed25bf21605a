/** OAuth clients as operators manage them: creation, update, rotation of secrets, revocation. */
import { change, type RecordKind } from '../audit/change.ts'
import { secondsAfter } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { readAllowlist } from '../../base/ip-address.ts'
import { newSecret, newId } from '../../secrets/random.ts'
import { auditEvent, type AuditEventType } from '../audit/event.ts'
import type { Actor } from '../core/actor.ts'
import { annotated, notAnnotated, type AnnotationInput } from '../core/annotations.ts'
import { type Operation } from '../core/operation.ts'
import { requireAllRecords } from '../core/own-records.ts'
import {
  requireDelegable, requireDeployment, requireGrantsDelegable, requireGrantsHeld
} from '../members/delegation.ts'
import { requireUsableResource } from '../resources/resource.ts'
import { requireGrantable } from '../resources/scope.ts'
import { requireActiveOrganization } from '../tenancy/organization.ts'
import { describeClient, describedAnew, type ClientDescription } from '../client-metadata/description.ts'
import type { PrivateSchemes } from '../client-metadata/redirect-uri.ts'
import { requirePublicKeys } from './client-keys.ts'
import {
  type ClientAuthMethod, type AssertionProfile, about, type Client, type NewClient, newClientSecret, nextGeneration,
  endingBy, isCurrent, currentSecrets, usesSecret, type ClientGrant, type ClientPort
} from './client.ts'
import type { AuditPort } from '../audit/log.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import type { ResourcePort } from '../resources/resource.ts'

/** A grant as an operator writes it: the resource by id or identifier. */
export interface GrantInput { resource: string, scopes: readonly string[] }
export interface ClientInput extends AnnotationInput, ClientDescription {
  /** Null: the deployment. */
  organizationId: string | null
  name: string
  grants: readonly GrantInput[]
  allowlist?: readonly string[]
  introspects?: readonly string[]
  tokenEndpointAuthMethod?: ClientAuthMethod
  /** `strict` unless given. */
  assertionProfile?: AssertionProfile
  /** True unless given. */
  pkceRequired?: boolean
  jwks?: { keys: Record<string, unknown>[] }
}

/**
 * `privateSchemes`: those without a dot that redirect URIs may have. @throws Failure `invalid_request`,
 * `unknown_resource`, `unknown_scope`, `scope_api_key_only`, `invalid_allowlist`, `not_found`,
 * `insufficient_permissions`.
 */
export async function createClient (
  operation: Operation<AuditPort & ClientPort & OrganizationPort & ResourcePort>, input: ClientInput,
  privateSchemes: PrivateSchemes = new Set()
): Promise<NewClient> {
  const { store, clock, actor } = operation
  const now = clock()
  const method = input.tokenEndpointAuthMethod ?? 'client_secret_basic'
  const secret = usesSecret(method) ? newSecret() : null
  const described = describeClient(input, method, privateSchemes)
  if ((method === 'private_key_jwt') !== (input.jwks !== undefined)) {
    throw new Failure('invalid_request', {
      message: 'A client with private_key_jwt needs its public keys in jwks; others have none.',
      details: { field: 'jwks' }
    })
  }
  return await store.transaction(async (tx) => {
    if (input.organizationId !== null) await requireActiveOrganization(tx, actor, input.organizationId)
    else requireDeployment(actor, 'A client of the deployment takes a deployment-wide credential.')
    const client: Client = {
      id: newId('cli'),
      organizationId: input.organizationId,
      name: input.name,
      origin: 'operator',
      metadata: {
        client_name: input.name,
        token_endpoint_auth_method: method,
        ...described,
        ...(input.jwks ? { jwks: requirePublicKeys(input.jwks) } : {}),
      },
      secrets: secret === null ? [] : [newClientSecret(secret, now)],
      grants: await resolveGrants(tx, actor, input.organizationId, input.grants),
      allowlist: readAllowlist(input.allowlist ?? []),
      introspects: await resolveIntrospects(tx, actor, input.organizationId, input.introspects ?? []),
      assertionProfile: input.assertionProfile ?? 'strict',
      pkceRequired: pkceSetting(input.pkceRequired ?? true, method),
      generation: 1,
      registrationAccessDigest: null,
      registrationTokenId: null,
      creatorId: actor.creator?.id ?? null,
      createdAt: now,
      lastUsedAt: null,
      revokedAt: null,
      revokedReason: null,
      disabledAt: null,
      disabledReason: null,
      ...annotated(input, notAnnotated),
      revision: 1,
    }
    await requireGrantsHeld(tx, actor, client)
    await tx.clients.insert(client)
    await tx.audit.append(auditEvent(actor, now, 'client.created', about(client)))
    return { client, secret }
  })
}

export interface ClientChange extends AnnotationInput, ClientDescription {
  name?: string
  grants?: readonly GrantInput[]
  allowlist?: readonly string[]
  introspects?: readonly string[]
  assertionProfile?: AssertionProfile
  pkceRequired?: boolean
  /** Claims a client that registered openly for an organization. */
  organizationId?: string
}

/** @throws Failure `invalid_request` for a public client without PKCE: nothing else keeps its codes from a thief. */
function pkceSetting (pkceRequired: boolean, method: ClientAuthMethod): boolean {
  if (pkceRequired || method !== 'none') return pkceRequired
  throw new Failure('invalid_request', {
    message: 'A public client always needs PKCE; only a client that proves itself can leave it out.',
    details: { field: 'pkceRequired' }
  })
}

/** Changes a client. New scopes or a new allowlist end its outstanding tokens at once (LB-12, LB-13). */
export async function updateClient (
  operation: Operation<AuditPort & ClientPort & OrganizationPort & ResourcePort>, id: string, change: ClientChange,
  privateSchemes: PrivateSchemes = new Set()
): Promise<Client> {
  return await changeClient(operation, id, 'client.updated', async (before, tx) => {
    const organizationId = await claimedBy(tx, operation, before, change.organizationId)
    const { name: _, metadata: __, externalId: ___, ...authority } = change
    const isAboutAuthority = Object.values(authority).some(given => given !== undefined)
    if (isAboutAuthority) await requireGrantsDelegable(tx, operation.actor, before)
    const after: Client = {
      ...before,
      organizationId,
      name: change.name ?? before.name,
      metadata: describedAnew(before, change, privateSchemes),
      grants: change.grants ? await resolveGrants(tx, operation.actor, organizationId, change.grants) : before.grants,
      allowlist: change.allowlist ? readAllowlist(change.allowlist) : before.allowlist,
      introspects: change.introspects
        ? await resolveIntrospects(tx, operation.actor, organizationId, change.introspects, before.introspects)
        : before.introspects,
      assertionProfile: change.assertionProfile ?? before.assertionProfile,
      pkceRequired: change.pkceRequired === undefined
        ? before.pkceRequired
        : pkceSetting(change.pkceRequired, before.metadata.token_endpoint_auth_method),
      ...annotated(change, before)
    }
    if (isAboutAuthority) await requireGrantsHeld(tx, operation.actor, after)
    return authorityDiffers(before, after) ? nextGeneration(after) : after
  })
}

/**
 * Gives a client a new secret. The ones before stay valid for `overlapSeconds` at most; 0 is the emergency: they end
 * now, and so do the tokens that were minted with them. @throws Failure `conflict` for another overlap when
 * `mostSecretsInOverlap` secrets are in theirs.
 */
export async function rotateClientSecret (
  operation: Operation<AuditPort & ClientPort & ResourcePort>, id: string, overlapSeconds: number
): Promise<{ client: Client; secret: string } > {
  const secret = newSecret()
  const client = await changeClient(operation, id, 'client.secret_rotated', async (before, tx) => {
    if (!usesSecret(before.metadata.token_endpoint_auth_method)) {
      throw new Failure('invalid_request', {
        message: 'This client has no secret to rotate: it is public, or authenticates with its own keys.'
      })
    }
    await requireGrantsHeld(tx, operation.actor, before)
    const now = operation.clock()
    requireFewSecretsInOverlap(before, overlapSeconds, now)
    // Expired ones are kept for a while, so that their further use is noticed.
    const kept = before.secrets.filter((held, i) => isCurrent(held, now) || i < rememberedSecrets)
      .map(held => endingBy(held, secondsAfter(now, overlapSeconds)))
    const after = { ...before, secrets: [newClientSecret(secret, now), ...kept] }
    return overlapSeconds === 0 ? nextGeneration(after) : after
  })
  return { client, secret }
}

/** How many replaced secrets of a client may work beside the newest at a time, as with API keys. */
export const mostSecretsInOverlap = 100

/** @throws Failure `conflict`. */
export function requireFewSecretsInOverlap (client: Client, overlapSeconds: number, now: Date): void {
  if (overlapSeconds === 0 || currentSecrets(client, now).length <= mostSecretsInOverlap) return
  throw new Failure('conflict', {
    message:
      `${mostSecretsInOverlap} secrets that the client ${client.id} had before still work in their overlap; wait ` +
      'until some have ended, or rotate without an overlap, which ends all of them.',
    details: { mostInOverlap: mostSecretsInOverlap }
  })
}

/** How many secrets of a client, besides the newest, are remembered after their end. */
export const rememberedSecrets = 10

/** How clients are found, kept and audited. */
export const clients: RecordKind<Client, ClientPort> = {
  name: 'client',
  organizationOf: ({ organizationId }) => organizationId,
  own: { scope: 'clients:write', creatorOf: ({ creatorId }) => creatorId },
  get: (tx, id) => tx.clients.get(id),
  update: (tx, after) => tx.clients.update(after),
  about,
}

/**
 * As `change`, for a client that was neither revoked nor disabled.
 * @throws Failure `credential_revoked`, `credential_disabled`.
 */
export async function changeClient<Ports extends AuditPort & ClientPort> (
  operation: Operation<Ports>, id: string, type: AuditEventType,
  decide: (before: Client, tx: Ports) => Promise<Client>
): Promise<Client> {
  return await change(operation, clients, id, type, async (before, _now, tx) => {
    requireNotRevoked(before)
    if (before.disabledAt === null) return await decide(before, tx)
    throw new Failure('credential_disabled', {
      message: `The client ${id} is disabled; enable it before it is changed, or revoke it.`
    })
  })
}

export function requireNotRevoked ({ id, revokedAt }: Client): void {
  if (revokedAt === null) return
  throw new Failure('credential_revoked', { message: `The client ${id} was revoked; create a new one.` })
}

export async function claimedBy (
  tx: OrganizationPort, { actor }: Operation<OrganizationPort>, client: Client, organizationId: string | undefined
): Promise<string | null> {
  if (organizationId === undefined || organizationId === client.organizationId) return client.organizationId
  if (client.organizationId !== null || client.origin !== 'registered') {
    throw new Failure('conflict', {
      message: `The client ${client.id} belongs to ${client.organizationId ?? 'the deployment'} and cannot move.`
    })
  }
  return (await requireActiveOrganization(tx, actor, organizationId)).id
}

export async function resolveGrants (
  tx: ResourcePort, actor: Actor, organizationId: string | null, grants: readonly GrantInput[]
): Promise<ClientGrant[]> {
  const resolved = new Map<string, ClientGrant>()
  for (const { resource: name, scopes } of grants) {
    const resource = await requireUsableResource(tx, organizationId, name)
    if (resolved.has(resource.id)) {
      throw new Failure('invalid_request', {
        message: `The resource ${resource.identifier} is granted twice.`, details: { field: 'grants' }
      })
    }
    const granted = requireDelegable(actor, resource, requireGrantable(scopes, resource.scopes, resource.identifier))
    resolved.set(resource.id, { resourceId: resource.id, scopes: granted })
  }
  return [...resolved.values()]
}

/**
 * Introspection for a resource shows the credentials of every organization for it, so on a resource of the deployment
 * it is not an organization's to give.
 * @throws Failure `insufficient_permissions`.
 */
export async function resolveIntrospects (
  tx: ResourcePort, actor: Actor, organizationId: string | null, names: readonly string[], held: readonly string[] = []
): Promise<string[]> {
  if (names.some(name => !held.includes(name))) requireAllRecords(actor, 'clients:write', 'Introspection')
  const ids = new Set<string>()
  for (const name of names) {
    const resource = await requireUsableResource(tx, organizationId, name)
    if (resource.organizationId === null && !held.includes(resource.id)) {
      requireDeployment(
        actor,
        `The resource ${resource.identifier} belongs to the deployment; letting a client introspect for it takes ` +
          'the admin token.'
      )
    }
    ids.add(resource.id)
  }
  return [...ids]
}

export function authorityDiffers (before: Client, after: Client): boolean {
  const authority = ({ organizationId, grants, allowlist, metadata: { grant_types: grantTypes } }: Client) =>
    JSON.stringify({ organizationId, grants, allowlist, grantTypes })
  return authority(before) !== authority(after)
}
