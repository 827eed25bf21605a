/**
 * Authentication: from a credential to a principal, or to the reason why not. The order of the checks is fixed:
 * parse → find → compare → state → organization and its plan → address → environment → place → scope → policies →
 * object → limits; the first that fails is the reason.
 */
import { whenBothKnown, whenKnown, type Awaitable } from '../../base/awaitable.ts'
import type { Clock } from '../../base/clock.ts'
import {
  isApiKeyText, isManagementTokenText, resemblesManagementToken, type Environment
} from '../../secrets/credential-text.ts'
import { digestOf, sameDigest } from '../../secrets/digest.ts'
import { isAllowed } from '../../base/ip-address.ts'
import {
  effectiveScopes, planLacks, type AccessLevel, type ApiKey, type ObjectRestriction
} from '../credentials/api-key.ts'
import type { Creator } from '../core/actor.ts'
import type { Client } from '../credentials/client.ts'
import { scopesOfManagementToken, type ManagementToken } from '../credentials/management-token.ts'
import { groupsOf, permissionsOf, type Member } from '../members/permissions.ts'
import { reasonAgainstOrganization, type Organization } from '../tenancy/organization.ts'
import { policiesFor, type PolicySet } from '../policy/policy-evaluation.ts'
import type { Registry } from './registry.ts'
import { managementResourceId, type Resource } from '../resources/resource.ts'
import { splitScope } from '../resources/scope.ts'
import { takesKeysAsBearer } from '../resources/style.ts'
import {
  isExpired, isFromTheFuture, isRevoked, type AccessTokenClaims, type Signed, type TokenReader
} from '../tokens/access-token.ts'

/** The outcome of authentication, however it was proved. */
export interface Principal {
  kind: 'api_key' | 'access_token' | 'management_token' | 'session' | 'admin_token'
  /** The key's id, the `client_id`, the management token's id, the publishable key's id, or `admin`. */
  id: string
  /** The end user of a session; null: the machine acts for itself. */
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
   * The groups of the member that it is bound to, which policies may be about; empty: it is bound to none. Null: that
   * member is not there, and which groups it would be cannot be told.
   */
  groups: readonly string[] | null
  /** The level that an API key was given; null: it is none. `scopes` says what that comes to now. */
  access: AccessLevel | null
  scopes: readonly string[]
  /** The member that it never does more than, as they are now; null: no member bounds it. */
  creator: Creator | null
  /** The objects it is restricted to, by type; a type that is not named is not restricted. */
  objects: ObjectRestriction
  allowlist: readonly string[]
  /** Null: never. */
  expiresAt: Date | null
}

/** Every reason for which a request is refused. Precise, for the log; outside, the resource's style collapses them. */
export type Reason =
  | 'no_credential' | 'several_credentials' | 'credential_in_query' | 'key_as_bearer' | 'malformed' | 'unknown'
  | 'foreign_deployment' | 'wrong_resource' | 'revoked' | 'expired' | 'rotated' | 'superseded'
  | 'organization_suspended' | 'address_not_allowed' | 'wrong_environment' | 'organization_not_found'
  | 'feature_missing' | 'insufficient_scope' | 'policy_denied' | 'object_not_allowed' | 'api_key_required'
  | 'session_required' | 'rate_limited' | 'quota_exceeded' | 'insufficient_credits' | 'tls_required'

/** A refusal: the reason, and what is known about who was refused. */
export interface Refusal {
  reason: Reason
  /** How the caller tried to prove itself; null: not at all, or in more than one way. */
  presented: 'api_key' | 'access_token' | null
  /** The credential's id, once it was found. */
  subject: string | null
  organizationId: string | null
  /** For `insufficient_scope`. */
  requiredScopes?: readonly string[]
  /** For `policy_denied`: the id of the policy. For the log: no caller hears it. */
  policy?: string
}

/**
 * The answer of a check: "no" is a value. With "yes" come the API key, if it was one, and its own organization: their
 * limits are looked at last. `policies` is what `policiesFor` finds for the principal's own organization; left out: it
 * was not asked.
 */
export type Verdict = KeyVerdict | Bearer

/** As `Verdict`, for an API key. */
export type KeyVerdict = KeyHolder | { ok: false, refusal: Refusal }

interface KeyHolder {
  ok: true, principal: Principal, key: ApiKey, organization: Organization, policies: readonly PolicySet[]
}
interface Bearer {
  ok: true, principal: Principal, key: null, policies?: readonly PolicySet[]
}

/** What a caller presented. */
export interface Credential { kind: 'api_key' | 'access_token', text: string }

/**
 * Where, for what and when it was presented. `resource` null: any resource of this deployment will do. `among`: the ids
 * of those whose imported keys count then; left out: the deployment's. `address` null: it cannot be told, and no
 * allowlist lets it pass.
 * `leavesAllowlist`: the credential's allowlist is not for this check to apply, but for the server that asks about the
 * credential, say. `now` left out: the clock is asked.
 */
export interface Presentation {
  readonly resource: Resource | null
  readonly among?: readonly string[]
  readonly address: string | null
  readonly leavesAllowlist?: boolean
  readonly now?: Date
}

/** Checks credentials against the registry as it is at the moment of the call. Throws only when the registry does. */
export interface Authenticator {
  check (credential: Credential, presentation: Presentation): Awaitable<Verdict>
  /** Whether a text is the break-glass token of the management API. Nothing that is stored has a say in it. */
  isAdminToken (text: string): boolean
  /** As `check`, for an access token that was read already. */
  checkClaims (claims: AccessTokenClaims & Signed, presentation: Presentation): Awaitable<Verdict>
}

export interface AuthenticatorOptions {
  registry: Registry
  reader: TokenReader
  clock: Clock
  /** Digest of the admin token, good for the management API alone; null: there is none. */
  adminTokenDigest: string | null
}

export function authenticator (options: AuthenticatorOptions): Authenticator {
  return {
    check (credential, presentation) {
      if (credential.kind === 'api_key') return checkApiKey(options, credential.text, presentation)
      if (isForManagement(presentation) && isAdminToken(options, credential.text)) return adminVerdict
      if (resemblesManagementToken(credential.text)) return checkManagementToken(options, credential.text, presentation)
      return checkAccessToken(options, credential.text, presentation)
    },
    isAdminToken: text => isAdminToken(options, text),
    checkClaims: (claims, presentation) => judgeClaims(claims, options, presentation),
  }
}

/** Whether a principal may touch an object of a type: for lists, and where a route's declaration cannot say it. */
export function mayTouch ({ objects }: Pick<Principal, 'objects'>, type: string, id: string): boolean {
  return !Object.hasOwn(objects, type) || objects[type]!.includes(id)
}

// What a key that was made elsewhere may be long: shorter ones can be guessed, longer ones are no keys.
const shortestImported = 16
const longestImported = 512

function checkApiKey (options: AuthenticatorOptions, text: string, presentation: Presentation): Awaitable<Verdict> {
  const { registry } = options
  // Found by its SHA-256: there is nothing left to compare that could take longer the nearer a guess comes.
  const digest = digestOf(text)
  const held = registry.cachedApiKey(digest)
  // Its form was looked at when it was found for the first time, before it cost a query.
  if (held !== null) return judgeApiKey(options, held, presentation)
  if (isApiKeyText(text)) return whenKnown(registry.apiKey(digest), judgeFoundKey, options, digest, presentation)
  // A key that was made elsewhere has any form.
  if (text.length < shortestImported || text.length > longestImported) return malformedKey
  return judgeImported(
    options, digest, presentation,
    presentation.resource === null || !takesImported(presentation) ? malformedKey : unknownKey
  )
}

// The check of a key of our form was right, so somebody minted it: another deployment (CK-13).
const foreignKey = refuse('foreign_deployment', 'api_key')
const malformedKey = refuse('malformed', 'api_key')
const unknownKey = refuse('unknown', 'api_key')

/** A key that was made here is that key everywhere, whoever imported its digest for another resource. */
function judgeFoundKey (
  key: ApiKey | null, options: AuthenticatorOptions, digest: string, presentation: Presentation
): Awaitable<Verdict> {
  return key === null
    ? judgeImported(options, digest, presentation, foreignKey)
    : judgeApiKey(options, key, presentation)
}

/**
 * A resource knows that keys were taken over for it. Where any resource will do, the registry knows which there are.
 */
function takesImported ({ resource }: Presentation): boolean {
  return resource === null || resource.style.importedKeys === true
}

/** Judges the key that was imported with this digest where it is presented; there is none: `otherwise`. */
function judgeImported (
  options: AuthenticatorOptions, digest: string, presentation: Presentation, otherwise: Verdict
): Awaitable<Verdict> {
  if (!takesImported(presentation)) return otherwise
  return whenKnown(
    importedKey(options.registry, digest, presentation), judgeImportedKey, options, presentation, otherwise
  )
}

function judgeImportedKey (
  key: ApiKey | null, options: AuthenticatorOptions, presentation: Presentation, otherwise: Verdict
): Awaitable<Verdict> {
  return key === null ? otherwise : judgeApiKey(options, key, presentation)
}

function importedKey (registry: Registry, digest: string, { resource, among }: Presentation): Awaitable<ApiKey | null> {
  if (resource !== null) return registry.importedApiKey(digest, resource.id)
  return among === undefined ? registry.importedApiKey(digest, null) : onlyImported(registry, digest, among)
}

/** The one key that was imported for any of these resources; null: there is none, or which is meant cannot be told. */
function onlyImported (
  registry: Registry, digest: string, [id, ...others]: readonly string[], found: ApiKey | null = null
): Awaitable<ApiKey | null> {
  if (id === undefined) return found
  return whenKnown(
    registry.importedApiKey(digest, id),
    key => key !== null && found !== null ? null : onlyImported(registry, digest, others, key ?? found)
  )
}

const malformedToken = refuse('malformed', 'access_token')

/**
 * What is a JWT by its form and no token of ours may be a key that was made elsewhere, where keys travel as bearer too.
 */
function checkKeyLikeToken (
  options: AuthenticatorOptions, text: string, presentation: Presentation
): Awaitable<Verdict> {
  const { resource } = presentation
  if (resource === null || !takesKeysAsBearer(resource.style) || text.length > longestImported) return malformedToken
  return judgeImported(options, digestOf(text), presentation, malformedToken)
}

/** Whether a key that was found, by its text or by something that acts in its name, may be used now. */
export function judgeApiKey (options: JudgeOptions, key: ApiKey, presentation: Presentation): Awaitable<KeyVerdict> {
  const { registry, clock } = options
  const { state } = registry
  const known = keyHolders.get(key)
  if (known === undefined || state === null || state !== known.state) {
    return lookAroundKey(options, key, presentation, state)
  }
  const { resource, holder } = known
  const reason = reasonAgainstKey(key, resource, holder.organization, presentation, presentation.now ?? clock())
  return reason === null ? holder : refuse(reason, 'api_key', key.id, key.organizationId)
}

type JudgeOptions = Pick<AuthenticatorOptions, 'registry' | 'clock'>

/** Judges a key after asking for everything else that it goes by; `state` is what the registry was in before that. */
function lookAroundKey (
  { registry, clock }: JudgeOptions, key: ApiKey, presentation: Presentation, state: object | null
): Awaitable<KeyVerdict> {
  return whenBothKnown(
    registry.resource(key.resourceId),
    registry.organization(key.organizationId),
    (resource, organization) => {
      const reason = reasonAgainstKey(key, resource, organization, presentation, presentation.now ?? clock())
      if (reason !== null) return refuse(reason, 'api_key', key.id, key.organizationId)
      return whenBothKnown(
        key.creatorId === null ? null : registry.member(key.creatorId),
        policiesFor(registry, key.organizationId),
        (creator, policies) => {
          // A member who is not there is asked for again: they may come into being, and no state tells of that.
          const lasting = key.creatorId !== null && creator === null ? null : state
          return keyHolder(lasting, { key, resource: resource!, organization: organization!, creator, policies })
        }
      )
    }
  )
}

function reasonAgainstKey (
  key: ApiKey, own: Resource | null, organization: Organization | null, presentation: Presentation, now: Date
): Reason | null {
  const { resource } = presentation
  if (own === null || own.revokedAt !== null || (resource !== null && resource.id !== own.id)) return 'wrong_resource'
  if (key.revokedAt !== null) return 'revoked'
  if (key.expiresAt !== null && key.expiresAt <= now) return key.rotatedTo === null ? 'expired' : 'rotated'
  const against = reasonAgainstOrganization(organization)
  if (against !== null) return against
  if (planLacks(key, own, organization)) return 'feature_missing'
  return allowsFrom(key, presentation) ? null : 'address_not_allowed'
}

/** Whether a credential may be used from where it was presented; where that is, is only looked at if it matters. */
function allowsFrom ({ allowlist }: { allowlist: readonly string[] }, presentation: Presentation): boolean {
  return allowlist.length === 0 || presentation.leavesAllowlist === true || isAllowed(presentation.address, allowlist)
}

function checkAccessToken (
  options: AuthenticatorOptions, text: string, presentation: Presentation
): Awaitable<Verdict> {
  return whenKnown(options.reader.read(text, presentation.now), judgeRead, options, text, presentation)
}

function judgeRead (
  claims: AccessTokenClaims & Signed | null, options: AuthenticatorOptions, text: string, presentation: Presentation
): Awaitable<Verdict> {
  return claims === null ? checkKeyLikeToken(options, text, presentation) : judgeClaims(claims, options, presentation)
}

function judgeClaims (
  claims: AccessTokenClaims & Signed, options: AuthenticatorOptions, presentation: Presentation
): Awaitable<Verdict> {
  const { registry, clock } = options
  const { resource, now = clock() } = presentation
  if (isFromTheFuture(claims, now)) return refuse('malformed', 'access_token')
  if (resource !== null && resource.identifier !== claims.aud) return refuseToken('wrong_resource', claims)
  if (isExpired(claims, now)) return refuseToken('expired', claims)
  const { state } = registry
  const known = tokenBearers.get(claims)
  if (known === undefined || state === null || state !== known.state || resource !== known.resource) {
    return lookAroundToken(registry, claims, presentation, state)
  }
  return judgeClient(known.client, known.resource, known.organization, claims, presentation) ?? known.bearer
}

/** Judges a token after asking for everything else that it goes by; `state` is what the registry was in before that. */
function lookAroundToken (
  registry: Registry, claims: AccessTokenClaims & Signed, presentation: Presentation, state: object | null
): Awaitable<Verdict> {
  return whenBothKnown(registry.client(claims.client_id), isRevoked(registry, claims), (client, revoked) => {
    if (client === null || client.revokedAt !== null || revoked) return refuseToken('revoked', claims)
    if (client.generation !== claims.gen) return refuseToken('superseded', claims)
    const resource = presentation.resource ?? registry.resourceByIdentifier(claims.aud)
    return whenBothKnown(
      resource,
      client.organizationId === null ? null : registry.organization(client.organizationId),
      (resource, organization) =>
        judgeClient(client, resource, organization, claims, presentation) ??
          whenKnown(
            policiesFor(registry, client.organizationId),
            policies => tokenBearer(state, claims, { client, resource: resource!, organization, policies })
          )
    )
  })
}

/** Null: nothing speaks against it. */
function judgeClient (
  client: Client, resource: Resource | null, organization: Organization | null, claims: AccessTokenClaims,
  presentation: Presentation
): Verdict | null {
  const reason = reasonAgainstClient(client, resource, organization, presentation)
  return reason === null ? null : refuseToken(reason, claims)
}

function refuseToken (reason: Reason, claims: AccessTokenClaims): Verdict {
  return refuse(reason, 'access_token', claims.client_id, claims.org_id ?? null)
}

function reasonAgainstClient (
  client: Client, resource: Resource | null, organization: Organization | null, presentation: Presentation
): Reason | null {
  if (resource === null || resource.revokedAt !== null) return 'wrong_resource'
  const against = client.organizationId === null ? null : reasonAgainstOrganization(organization)
  if (against !== null) return against
  return allowsFrom(client, presentation) ? null : 'address_not_allowed'
}

/** A token of the management API, which is good there alone. */
function checkManagementToken (
  { registry, clock }: AuthenticatorOptions, text: string, presentation: Presentation
): Awaitable<Verdict> {
  if (!isManagementTokenText(text)) return refuse('malformed', 'access_token')
  // Found by its SHA-256, like an API key: there is nothing left to compare.
  return whenKnown(registry.managementToken(digestOf(text)), token => {
    if (token === null) return refuse('unknown', 'access_token')
    const organization = token.organizationId === null ? null : registry.organization(token.organizationId)
    return whenBothKnown(registry.resource(managementResourceId), organization, (management, organization) => {
      const reason = reasonAgainstManagementToken(
        token, management, organization, presentation, presentation.now ?? clock()
      )
      if (reason !== null) return refuse(reason, 'access_token', token.id, token.organizationId)
      return whenKnown(token.creatorId === null ? null : registry.member(token.creatorId), creator =>
        ({ ok: true, key: null, principal: managementTokenPrincipal(token, management!, creator) }))
    })
  })
}

function reasonAgainstManagementToken (
  token: ManagementToken,
  management: Resource | null,
  organization: Organization | null,
  presentation: Presentation,
  now: Date
): Reason | null {
  const { resource } = presentation
  if (management === null || (resource !== null && resource.id !== management.id)) return 'wrong_resource'
  if (token.revokedAt !== null) return 'revoked'
  if (token.expiresAt !== null && token.expiresAt <= now) return 'expired'
  const against = token.organizationId === null ? null : reasonAgainstOrganization(organization)
  if (against !== null) return against
  return allowsFrom(token, presentation) ? null : 'address_not_allowed'
}

function isForManagement ({ resource }: Presentation): boolean {
  return resource === null || resource.id === managementResourceId
}

function isAdminToken ({ adminTokenDigest }: AuthenticatorOptions, text: string): boolean {
  return adminTokenDigest !== null && sameDigest(digestOf(text), adminTokenDigest)
}

function refuse (
  reason: Reason, presented: Refusal['presented'], subject: string | null = null, organizationId: string | null = null
): { ok: false, refusal: Refusal } {
  return { ok: false, refusal: { reason, presented, subject, organizationId } }
}

/*
 * What is said of a credential that nothing speaks against is made once for the very records that it follows from: they
 * are compared each time, and the registry serves another object for one that changed. While the registry is in the
 * state in which they were found, they need not be asked for. Nothing in it depends on the time, on the address or on
 * the route, and whether any of these speaks against the credential is asked every time.
 */
const keyHolders = new WeakMap<
  ApiKey,
  { state: object | null, resource: Resource, creator: Member | null, holder: KeyHolder }
>()
const tokenBearers = new WeakMap<
  AccessTokenClaims,
  { state: object | null, client: Client, resource: Resource, organization: Organization | null, bearer: Bearer }
>()

function keyHolder (
  state: object | null,
  { creator, resource, ...rest }: Pick<KeyHolder, 'key' | 'organization' | 'policies'> & {
    resource: Resource, creator: Member | null
  }
): KeyHolder {
  const known = keyHolders.get(rest.key)
  const same = known !== undefined && known.resource === resource && known.creator === creator
  const holder: KeyHolder = {
    ok: true, principal: same ? known.holder.principal : keyPrincipal(rest.key, resource, creator), ...rest
  }
  keyHolders.set(rest.key, { state, resource, creator, holder })
  return holder
}

/**
 * The resource is kept with `state` though who presents the token may have found it before: it counts only for who
 * presents it for the same.
 */
function tokenBearer (
  state: object | null,
  claims: AccessTokenClaims,
  { policies, ...found }: {
    client: Client, resource: Resource, organization: Organization | null, policies: readonly PolicySet[]
  }
): Bearer {
  const { client, resource } = found
  const known = tokenBearers.get(claims)
  const same = known !== undefined && known.client === client && known.resource === resource
  const bearer: Bearer = {
    ok: true, principal: same ? known.bearer.principal : tokenPrincipal(claims, client, resource), key: null, policies
  }
  tokenBearers.set(claims, { state, ...found, bearer })
  return bearer
}

function keyPrincipal (key: ApiKey, resource: Resource, creator: Member | null): Principal {
  return {
    kind: 'api_key',
    id: key.id,
    subject: null,
    name: key.name,
    organizationId: key.organizationId,
    organizations: key.organizations,
    environment: key.environment,
    resource: resource.identifier,
    resourceId: resource.id,
    groups: groupsOf(key, creator),
    access: key.access,
    scopes: effectiveScopes(key, resource, creator),
    creator: creator && { id: creator.id, permissions: permissionsOf(creator) },
    objects: key.objects,
    allowlist: key.allowlist,
    expiresAt: key.expiresAt,
  }
}

function tokenPrincipal (claims: AccessTokenClaims, client: Client, resource: Resource): Principal {
  return {
    kind: 'access_token',
    id: client.id,
    subject: null,
    name: client.name,
    organizationId: client.organizationId,
    organizations: client.organizationId === null ? [] : [client.organizationId],
    environment: 'live',
    resource: claims.aud,
    resourceId: resource.id,
    groups: [],
    access: null,
    scopes: claims.scope === undefined ? [] : splitScope(claims.scope),
    creator: null,
    objects: {},
    allowlist: client.allowlist,
    expiresAt: new Date(claims.exp * 1000),
  }
}

function managementTokenPrincipal (token: ManagementToken, management: Resource, creator: Member | null): Principal {
  return {
    kind: 'management_token',
    id: token.id,
    subject: null,
    name: token.name,
    organizationId: token.organizationId,
    organizations: token.organizationId === null ? [] : [token.organizationId],
    environment: 'live',
    resource: management.identifier,
    resourceId: management.id,
    groups: groupsOf(token, creator),
    access: null,
    scopes: scopesOfManagementToken(token, management, creator),
    creator: creator && { id: creator.id, permissions: permissionsOf(creator) },
    objects: {},
    allowlist: token.allowlist,
    expiresAt: token.expiresAt,
  }
}

const adminVerdict: Verdict = {
  ok: true,
  key: null,
  principal: {
    kind: 'admin_token',
    id: 'admin',
    subject: null,
    name: 'admin token',
    organizationId: null,
    organizations: [],
    environment: 'live',
    resource: null,
    resourceId: null,
    groups: [],
    access: null,
    scopes: [],
    creator: null,
    objects: {},
    allowlist: [],
    expiresAt: null,
  },
}
