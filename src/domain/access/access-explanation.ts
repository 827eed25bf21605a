/** What a credential may do on each scope of its resource, and why: the lines that effective access is made of. */
import { type ApiKey, planLacks, effectiveScopes, statusOf } from '../credentials/api-key.ts'
import { statusOfClient, type Client } from '../credentials/client.ts'
import {
  type ManagementToken, statusOfManagementToken, scopesOfManagementToken
} from '../credentials/management-token.ts'
import type { PublishableKey } from '../credentials/publishable-key.ts'
import type { WebhookToken } from '../credentials/webhook-token.ts'
import { groupsOf, ownPermissionsOf, permissionsOn, type Member } from '../members/permissions.ts'
import type { Role } from '../members/roles.ts'
import type { CredentialKind } from '../policy/policy.ts'
import { managementResourceId, type Resource } from '../resources/resource.ts'
import { coveringPattern, grantableNow, isReadOnly, nameOf, referenceOf, type Scope } from '../resources/scope.ts'
import { type Organization, reasonAgainstOrganization } from '../tenancy/organization.ts'

export async function heldKey (known: Known, key: ApiKey, now: Date): Promise<CredentialAccess> {
  const resource = (await known.resource(key.resourceId))!
  const creator = key.creatorId === null ? null : await known.member(key.creatorId)
  const organization = await known.organization(key.organizationId)
  const missing = planLacks(key, resource, organization) ? resource.style.customAccessFeature : undefined
  const standing = lacking(missing, standingOf(resource, organization, endOfKey(key, now)))
  const effective = new Set(effectiveScopes(key, resource, creator))
  const lines = linesOf(resource, standing, scope =>
    keyReasons(key, creator, resource, scope, effective.has(scope.name)))
  return {
    id: key.id,
    kind: 'api_key',
    name: key.name,
    organizationId: key.organizationId,
    groups: groupsOf(key, creator),
    allowlist: key.allowlist,
    createdAt: key.createdAt,
    accesses: [{ resource, lines }]
  }
}

/** Those of the scopes that there is a reason to speak of. */
export function linesOf (
  resource: Resource, standing: Standing, reasonsFor: (scope: Scope) => readonly AccessReason[]
): ScopeExplanation[] {
  return resource.scopes.flatMap(scope => {
    const reasons = reasonsFor(scope)
    return reasons.length === 0 ? [] : lineOf(scope.name, reasons, standing)
  })
}

export async function heldManagementToken (known: Known, token: ManagementToken, now: Date): Promise<CredentialAccess> {
  const resource = (await known.resource(managementResourceId))!
  const creator = token.creatorId === null ? null : await known.member(token.creatorId)
  const organization = token.organizationId === null ? undefined : await known.organization(token.organizationId)
  const status = statusOfManagementToken(token, now)
  const standing = standingOf(resource, organization, status === 'active' ? null : status)
  const effective = new Set(scopesOfManagementToken(token, resource, creator))
  const lines = linesOf(
    resource, standing, scope => managementTokenReasons(token, creator, resource, scope, effective.has(scope.name))
  )
  return {
    id: token.id,
    kind: 'management_token',
    name: token.name,
    organizationId: token.organizationId,
    groups: groupsOf(token, creator),
    allowlist: token.allowlist,
    createdAt: token.createdAt,
    accesses: [{ resource, lines }],
  }
}

export function managementTokenReasons (
  token: ManagementToken, creator: Member | null, resource: Resource, scope: Scope, effective: boolean
): AccessReason[] {
  const granted = patternNaming(token.scopes, scope)
  if (granted === undefined) return []
  const grants: AccessReason = { effect: 'grants', by: 'scopes', pattern: nameOf(granted) }
  if (token.creatorId === null) return effective ? [grants] : [grants, { effect: 'takes_away', by: 'key_only' }]
  return effective
    ? [grants, ...memberReasons(creator!, resource, scope)]
    : [grants, { effect: 'takes_away', by: 'creator', id: token.creatorId }]
}

/** Empty: the key never had anything to do with the scope. */
export function keyReasons (
  key: ApiKey, creator: Member | null, resource: Resource, scope: Scope, effective: boolean
): AccessReason[] {
  const ofLevel = key.access === 'full' || isReadOnly(scope.name) ? '*' : undefined
  const granted = key.access === 'custom' ? patternNaming(key.scopes, scope) : ofLevel
  if (granted === undefined) return []
  const grants: AccessReason = key.access === 'custom'
    ? { effect: 'grants', by: 'scopes', pattern: nameOf(granted) }
    : { effect: 'grants', by: 'access_level', name: key.access }
  // A pattern never covers an API-key-only scope; it has to be named, by the key and by its creator's permissions.
  const isNamed = key.access === 'custom' && coveringPattern(key.scopes, scope) !== undefined
  if (scope.keyOnly && !isNamed) return [grants, { effect: 'takes_away', by: 'key_only' }]
  if (key.creatorId === null) return [grants]
  return effective
    ? [grants, ...memberReasons(creator!, resource, scope)]
    : [grants, { effect: 'takes_away', by: 'creator', id: key.creatorId }]
}

export function memberReasons (member: Member, resource: Resource, scope: Scope): AccessReason[] {
  const find = (patterns: readonly string[]) => {
    const pattern = coveringPattern(patterns, scope)
    return pattern === undefined ? undefined : nameOf(pattern)
  }
  const own = find(permissionsOn(ownPermissionsOf(member), resource))
  const fromSelf: AccessReason[] = own === undefined
    ? []
    : [
        member.scopes === null
          ? { effect: 'grants', by: 'role', name: member.role satisfies Role, pattern: own }
          : { effect: 'grants', by: 'member', id: member.id, pattern: own }
      ]
  const fromGroups = member.groups.flatMap<AccessReason>(group => {
    const pattern = find(group.scopes)
    return pattern === undefined ? [] : { effect: 'grants', by: 'group', id: group.id, pattern }
  })
  return [...fromSelf, ...fromGroups]
}

export async function heldClient (known: Known, client: Client): Promise<CredentialAccess> {
  const organization = client.organizationId === null ? undefined : await known.organization(client.organizationId)
  const status = statusOfClient(client)
  const accesses = await Promise.all(client.grants.map(async (grant) => {
    const resource = (await known.resource(grant.resourceId))!
    const standing = standingOf(resource, organization, status === 'active' ? null : status)
    return { resource, lines: grantLines(grant.scopes, resource, standing) }
  }))
  return {
    id: client.id,
    kind: 'access_token',
    name: client.name,
    organizationId: client.organizationId,
    groups: [],
    allowlist: client.allowlist,
    createdAt: client.createdAt,
    accesses
  }
}

export async function heldPublishableKey (known: Known, key: PublishableKey): Promise<CredentialAccess> {
  const resource = (await known.resource(key.resourceId))!
  const organization = await known.organization(key.organizationId)
  const { sessionFeature } = resource.style
  const missing = sessionFeature === undefined || organization?.features.includes(sessionFeature) === true
    ? undefined
    : sessionFeature
  const standing = lacking(missing, standingOf(resource, organization, key.revokedAt === null ? null : 'revoked'))
  const lines = grantLines(key.scopes, resource, standing)
  return {
    id: key.id,
    kind: 'session',
    name: key.name,
    organizationId: key.organizationId,
    groups: [],
    allowlist: [],
    createdAt: key.createdAt,
    accesses: [{ resource, lines }]
  }
}

/** It does what its key may do; the key's allowlist is not asked. */
export async function heldWebhookToken (known: Known, token: WebhookToken, now: Date): Promise<CredentialAccess> {
  const key = await heldKey(known, (await known.apiKey(token.apiKeyId))!, now)
  const accesses = token.revokedAt === null
    ? key.accesses
    : key.accesses.map(access => ({
      ...access,
      lines: access.lines.map(({ scope, reasons }) => ({
        scope, usable: false, reasons: [...reasons, { effect: 'takes_away' as const, by: 'revoked' as const }]
      }))
    }))
  return {
    ...key,
    id: token.id,
    kind: 'webhook_token',
    name: `${token.object.type} ${token.object.id}`,
    allowlist: [],
    createdAt: token.createdAt,
    accesses
  }
}

export function grantLines (references: readonly string[], resource: Resource, standing: Standing): ScopeExplanation[] {
  return references.map(reference => lineOf(nameOf(reference), grantReasons(reference, resource), standing))
}

/** Undeclared is also what had the name of a scope that was declared anew. */
export function grantReasons (reference: string, resource: Resource): AccessReason[] {
  const grants: AccessReason = { effect: 'grants', by: 'scopes', pattern: nameOf(reference) }
  if (grantableNow([reference], resource.scopes).length > 0) return [grants]
  const declared = resource.scopes.some(scope => referenceOf(scope) === reference)
  return [grants, { effect: 'takes_away', by: declared ? 'key_only' : 'undeclared' }]
}

/** What stands against a credential as a whole. `organization` undefined: it belongs to none. */
export function standingOf (
  resource: Resource, organization: Organization | null | undefined, ended: Ended | null
): Standing {
  const takenBy: AccessReason[] = []
  if (ended !== null) takenBy.push({ effect: 'takes_away', by: ended })
  if (resource.revokedAt !== null) takenBy.push({ effect: 'takes_away', by: 'resource_revoked' })
  const against = organization === undefined ? null : reasonAgainstOrganization(organization)
  if (against !== null) takenBy.push({ effect: 'takes_away', by: against === 'revoked' ? 'deletion' : 'suspension' })
  return { takenBy }
}

/** With what the plan does not include; undefined: it includes what there has to be. */
export function lacking (feature: string | undefined, { takenBy }: Standing): Standing {
  return {
    takenBy: feature === undefined ? takenBy : [...takenBy, { effect: 'takes_away', by: 'plan', name: feature }]
  }
}

/** Why a credential as a whole cannot be used; of one that is disabled for now. */
type Ended = 'revoked' | 'expired' | 'disabled'

/** A key that was rotated works until it expires. */
export function endOfKey (key: ApiKey, now: Date): Ended | null {
  const status = statusOf(key, now)
  if (status === 'revoked' || status === 'disabled') return status
  return key.expiresAt !== null && key.expiresAt <= now ? 'expired' : null
}

export function lineOf (scope: string, reasons: readonly AccessReason[], { takenBy }: Standing): ScopeExplanation {
  const all = [...reasons, ...takenBy]
  return { scope, usable: all.every(({ effect }) => effect === 'grants'), reasons: all }
}

/** As `coveringPattern`, also what would cover the scope if it were not API-key only. */
export function patternNaming (patterns: readonly string[], scope: Scope): string | undefined {
  return coveringPattern(patterns, { ...scope, keyOnly: false })
}

/** What is the same for every line of a credential. */
export interface Standing { takenBy: readonly AccessReason[] }

/** The records that credentials refer to, each read once. */
export interface Known {
  resource (id: string): Promise<Resource | null>
  organization (id: string): Promise<Organization | null>
  member (id: string): Promise<Member | null>
  apiKey (id: string): Promise<ApiKey | null>
}

/** Why a credential can use a scope, or cannot. */
export interface AccessReason {
  /** `depends`: on the address that it comes from, which was not said. */
  effect: 'grants' | 'takes_away' | 'depends'
  by: 'scopes' | 'access_level' | 'role' | 'member' | 'group' | 'policy' | 'creator' | 'plan' | 'suspension' |
  'deletion' | 'key_only' | 'undeclared' | 'revoked' | 'expired' | 'disabled' |
  'resource_revoked'
  /** The pattern that covers the scope. */
  pattern?: string
  /** The id of the policy, group or member. */
  id?: string
  /** The name of the level, role or feature of the plan. */
  name?: string
}

export interface ScopeExplanation {
  scope: string
  /** Whether it can use the scope, from some address at least. */
  usable: boolean
  reasons: readonly AccessReason[]
}

/** What a credential has on one resource. */
export interface ResourceAccess { resource: Resource; lines: readonly ScopeExplanation[] }

/**
 * Any credential: an API key, a client with its tokens, a token of the management API, a publishable key with
 * its sessions, a webhook's token.
 */
export interface CredentialAccess {
  id: string
  kind: CredentialKind
  name: string
  organizationId: string | null
  /** As in `Principal`. */
  groups: readonly string[] | null
  /** Empty: from everywhere. */
  allowlist: readonly string[]
  createdAt: Date
  accesses: readonly ResourceAccess[]
}
