/** Publishable keys and their signing keys, with which an application starts sessions of its end users (CK-10). */
import { change, type RecordKind } from '../audit/change.ts'
import { generateKeyPairSync } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { Failure } from '../../base/errors.ts'
import { newPublishableText, type Environment } from '../../secrets/credential-text.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import { reasonAgainstOrganization, requireActiveOrganization, type Organization } from '../tenancy/organization.ts'
import type { Listed, ListQuery, Sought } from '../core/list.ts'
import { requireUsableResource, type Resource } from '../resources/resource.ts'
import { requireDelegable } from '../members/delegation.ts'
import { namesOf, requireGrantable } from '../resources/scope.ts'
import { requireVisible, type Revised, type Operation } from '../core/operation.ts'
import type { AuditPort } from '../audit/log.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import type { ResourcePort } from '../resources/resource.ts'

/** The ports of the operations of this file. */
type Ports = AuditPort & OrganizationPort & PublishableKeyPort & ResourcePort

/**
 * A public key identifier, and the public half of the key pair that signs assertions for it. The holder of the private
 * half gets session tokens for end users (CK-10); Latchkey does not keep the private half.
 */
export interface PublishableKey extends Revised {
  /** `pbk_…` */
  id: string
  /** `<prefix>_pub_<live|test>_…`: stands in web pages, and is the `iss` of its assertions. No secret. */
  publishable: string
  organizationId: string
  resourceId: string
  environment: Environment
  name: string
  /** ES256, with its thumbprint as `kid`. */
  publicJwk: JWK
  /** References of the scopes of its sessions. */
  scopes: readonly string[]
  createdBy: string
  createdAt: Date
  revokedAt: Date | null
}

export interface PublishableKeyRepository {
  insert (key: PublishableKey): Promise<void>
  get (id: string): Promise<PublishableKey | null>
  byPublishable (text: string): Promise<PublishableKey | null>
  /** Replaces everything but id, publishable text and createdAt; returns it with its next revision. */
  update(key: PublishableKey): Promise<PublishableKey>
  page(
    query: ListQuery,
    filter: Sought & {
      organizationId?: string, name?: string, environment?: Environment, resourceId?: string, revoked?: boolean
    }
  ): Promise<Listed<PublishableKey>>
}

export interface PublishableKeyPort { publishableKeys: PublishableKeyRepository }

/** What speaks against a publishable key now, for its assertions as for its sessions; null: nothing. */
export function reasonAgainstPublishableKey (
  key: PublishableKey, resource: Resource | null, organization: Organization | null
): 'revoked' | 'wrong_resource' | 'organization_suspended' | 'feature_missing' | null {
  if (key.revokedAt !== null) return 'revoked'
  if (resource === null || resource.revokedAt !== null) return 'wrong_resource'
  const against = reasonAgainstOrganization(organization)
  if (against !== null) return against
  const { sessionFeature } = resource.style
  return sessionFeature === undefined || organization!.features.includes(sessionFeature) ? null : 'feature_missing'
}

export interface PublishableKeyInput {
  organizationId: string
  resource: string
  environment: Environment
  name: string
  scopes: readonly string[]
}

/** The private half of a signing key, in the two spellings that libraries read. */
export interface PrivateSigningKey {
  /** PKCS #8. */
  pem: string
  jwk: JWK
}

/**
 * Creates a publishable key and its signing key; `signingKey` is shown now and never again.
 * @throws Failure `not_found`, `organization_not_active`, `unknown_resource`, `unknown_scope`, `scope_api_key_only`.
 */
export async function createPublishableKey (
  { store, clock, actor }: Operation<Ports>, input: PublishableKeyInput
): Promise<{ key: PublishableKey, signingKey: PrivateSigningKey }> {
  const { publicJwk, signingKey } = await newSigningPair()
  return await store.transaction(async tx => {
    await requireActiveOrganization(tx, actor, input.organizationId)
    const resource = await requireUsableResource(tx, input.organizationId, input.resource)
    const key: PublishableKey = {
      id: newId('pbk'),
      publishable: newPublishableText(resource.style.keyPrefix, input.environment),
      organizationId: input.organizationId,
      resourceId: resource.id,
      environment: input.environment,
      name: input.name,
      publicJwk,
      scopes: requireDelegable(actor, resource, requireGrantable(input.scopes, resource.scopes, resource.identifier)),
      createdBy: actor.id,
      createdAt: clock(),
      revokedAt: null,
      revision: 1,
    }
    await tx.publishableKeys.insert(key)
    await tx.audit.append(auditEvent(actor, key.createdAt, 'publishable_key.created', about(key)))
    return { key, signingKey }
  })
}

/** @throws Failure `not_found`, also for a key of another organization. */
export async function getPublishableKey (
  { store, actor }: Operation<PublishableKeyPort>, id: string
): Promise<PublishableKey> {
  return requireVisible(actor, await store.publishableKeys.get(id), 'publishable key', id)
}

/**
 * Renames it. The scopes of its sessions never change: the key pair is bound to them. @throws Failure
 * `credential_revoked`.
 */
export async function updatePublishableKey (
  operation: Operation<AuditPort & PublishableKeyPort>, id: string, given: { name?: string }
): Promise<PublishableKey> {
  return await change(operation, publishableKeys, id, 'publishable_key.updated', before => {
    if (before.revokedAt === null) return { ...before, name: given.name ?? before.name }
    throw new Failure('credential_revoked', { message: `The publishable key ${id} was revoked; create a new one.` })
  })
}

/** Revokes it: its assertions and sessions are refused from the next request on. Idempotent. */
export async function revokePublishableKey (
  operation: Operation<AuditPort & PublishableKeyPort>, id: string, reason: string | null
): Promise<PublishableKey> {
  return await change(
    operation, publishableKeys, id, 'publishable_key.revoked',
    (before, now) => before.revokedAt === null ? { ...before, revokedAt: now } : before, { reason }
  )
}

/** How publishable keys are found, kept and audited. */
const publishableKeys: RecordKind<PublishableKey, PublishableKeyPort> = {
  name: 'publishable key',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.publishableKeys.get(id),
  update: (tx, after) => tx.publishableKeys.update(after),
  about,
}

async function newSigningPair (): Promise<{ publicJwk: JWK, signingKey: PrivateSigningKey }> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const bare = publicKey.export({ format: 'jwk' }) as JWK
  const identity = { kid: await calculateJwkThumbprint(bare), alg: 'ES256', use: 'sig' }
  return {
    publicJwk: { ...bare, ...identity },
    signingKey: {
      pem: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
      jwk: { ...privateKey.export({ format: 'jwk' }) as JWK, ...identity },
    },
  }
}

function about (key: PublishableKey, more: Record<string, unknown> = {}) {
  const { name, publishable, resourceId, environment, publicJwk } = key
  const scopes = namesOf(key.scopes)
  return {
    organizationId: key.organizationId,
    subject: key.id,
    detail: { name, publishable, resourceId, environment, scopes, kid: publicJwk.kid, ...more }
  }
}
