/** The resource that is asked for (RFC 8707), and the scopes on it. */
import { errors, type KoaContextWithOIDC, type ResourceServer } from 'oidc-provider'
import { isForMember } from '../../domain/authorizations/allow.ts'
import type { Member } from '../../domain/members/permissions.ts'
import { ownMembers } from '../../domain/people/session-end.ts'
import { authorizableScopes } from '../../domain/resources/authorizable-scopes.ts'
import { identityResourceId, managementResourceId, type Resource } from '../../domain/resources/resource.ts'
import { reasonAgainstOrganization } from '../../domain/tenancy/organization.ts'
import { signerFor } from '../../domain/tokens/signing-key.ts'
import { recordOf } from '../provider/client-authentication.ts'
import type { SigningCodeFlow } from './code-flow-options.ts'
import { identityScopes, partScopes } from './identity.ts'

const oneResource = 'A token is for one resource: send one `resource`.'

/** For the provider's `resourceIndicators`. */
export function resourceIndicators (options: SigningCodeFlow) {
  return {
    enabled: true,
    defaultResource: (ctx: KoaContextWithOIDC, client: object, several?: readonly string[]) =>
      defaultResource(options, ctx, several),
    useGrantedResource: () => true,
    getResourceServerInfo: async (ctx: KoaContextWithOIDC, identifier: string): Promise<ResourceServer> => {
      if (Array.isArray(ctx.oidc.params!.resource)) throw new errors.InvalidTarget(oneResource)
      if (await isUndecided(options, ctx, identifier)) return undecidedServer(options, ctx, identifier)
      const resource = await requireResource(options, ctx, identifier)
      if (asksForScopes(ctx)) ctx.oidc.params!.scope = scopeFor(resource, ctx.oidc.params!.scope as string | undefined)
      return serverOf(options, resource, await secondsLeft(options, ctx))
    },
  }
}

/**
 * Userinfo, for a request of OpenID Connect; for others the first resource that an operator has granted to the client.
 * @throws errors.InvalidTarget when there is none.
 */
async function defaultResource (
  { registry }: SigningCodeFlow, ctx: KoaContextWithOIDC, several: readonly string[] | undefined
): Promise<string> {
  if (several !== undefined) throw new errors.InvalidTarget(oneResource)
  const granted = ctx.oidc.requestParamScopes.has('openid')
    ? identityResourceId
    : recordOf(ctx.oidc.client!).grants[0]?.resourceId
  const resource = granted === undefined ? null : await registry.resource(granted)
  if (resource === null || resource.revokedAt !== null) {
    throw new errors.InvalidTarget('Name the API that the token is for in `resource` (RFC 8707).')
  }
  return resource.identifier
}

/**
 * Whether only a person decides if there is such a resource: before one has signed in, those of other organizations
 * than the client's and unknown ones go the same way, to the sign-in, and none of their scopes is told.
 */
async function isUndecided (
  { registry }: SigningCodeFlow, ctx: KoaContextWithOIDC, identifier: string
): Promise<boolean> {
  if (!firstRoutes.has(ctx.oidc.route) || await memberOf(registry, ctx) !== null) return false
  const resource = await registry.resourceByIdentifier(identifier)
  return resource === null || resource.revokedAt !== null || !isOffered(resource) ||
    (resource.organizationId !== null && resource.organizationId !== recordOf(ctx.oidc.client!).organizationId)
}

/** Takes the scopes as they were asked for. No token is ever made for it: the way back from the sign-in looks anew. */
function undecidedServer ({ ring }: SigningCodeFlow, ctx: KoaContextWithOIDC, identifier: string): ResourceServer {
  const { algorithm: alg, kid } = signerFor(ring, 'ES256')
  return {
    scope: partScopes(ctx.oidc.params!.scope as string | undefined).ofResource.join(' '),
    audience: identifier,
    accessTokenFormat: 'jwt',
    accessTokenTTL: 1,
    jwt: { sign: { alg, kid } },
  } as unknown as ResourceServer
}

/**
 * The resource of this identifier, if the client may act there and the person, once known, may use it.
 * @throws errors.InvalidTarget, in every case with the same sentence.
 */
async function requireResource (
  options: SigningCodeFlow, ctx: KoaContextWithOIDC, identifier: string
): Promise<Resource> {
  const { registry } = options
  const resource = await registry.resourceByIdentifier(identifier)
  const member = await memberOf(registry, ctx)
  const client = recordOf(ctx.oidc.client!)
  const isUsable = resource !== null && resource.revokedAt === null && isOffered(resource) &&
    (resource.organizationId === null || client.organizationId === null ||
      resource.organizationId === client.organizationId) &&
    (member === null || isForMember(resource, member) || await isForOtherMember(options, ctx, resource))
  if (!isUsable) throw new errors.InvalidTarget('There is no such resource for this client and this person.')
  return resource
}

/**
 * Whether a resource is of another organization that the person who is asked may change to: the page offers that. What
 * is not theirs at all is refused before, as unknown.
 */
async function isForOtherMember (
  { store }: SigningCodeFlow, { oidc }: KoaContextWithOIDC, resource: Resource
): Promise<boolean> {
  if (oidc.route === 'token' || resource.organizationId === null) return false
  const session = oidc.session?.uid === undefined ? null : await store.personSessions.get(oidc.session.uid)
  if (session === null) return false
  const organization = await store.organizations.get(resource.organizationId)
  if (reasonAgainstOrganization(organization) !== null) return false
  return (await ownMembers({ store }, session)).some(member => isForMember(resource, member))
}

/** The management API is offered by an opt-in of the deployment alone. */
function isOffered (resource: Resource): boolean {
  return resource.id !== managementResourceId || authorizableScopes(resource).length > 0
}

/** Null: nobody has signed in yet. */
async function memberOf (registry: SigningCodeFlow['registry'], ctx: KoaContextWithOIDC): Promise<Member | null> {
  const id = ctx.oidc.account?.accountId ?? ctx.oidc.session?.accountId
  return id === undefined ? null : await registry.member(id)
}

const firstRoutes = new Set(['authorization', 'pushed_authorization_request'])
/** With the way back from the sign-in: what was undecided before is decided there. */
const askingRoutes = new Set([...firstRoutes, 'resume'])

function asksForScopes (ctx: KoaContextWithOIDC): boolean {
  return askingRoutes.has(ctx.oidc.route)
}

/**
 * The scopes that a request asks for: those of the resource without those that it does not have, or its default ones.
 * @throws errors.InvalidScope when none is left.
 */
function scopeFor (resource: Resource, asked: string | undefined): string {
  const { ofIdentity, ofResource } = partScopes(asked)
  if (resource.id === identityResourceId) {
    if (ofIdentity.includes('openid')) return ofIdentity.join(' ')
    throw new errors.InvalidScope('userinfo takes the scope openid', ofResource.join(' '))
  }
  const offered = new Set(authorizableScopes(resource).map(({ name }) => name))
  const taken = (ofResource.length === 0 ? resource.defaultScopes : ofResource).filter(scope => offered.has(scope))
  if (taken.length === 0) {
    throw new errors.InvalidScope(
      `ask for scopes of the resource: ${[...offered].join(' ') || 'it has none'}`, ofResource.join(' ')
    )
  }
  return [...ofIdentity, ...taken].join(' ')
}

/** Until the end of the authorization that a token is made for. */
async function secondsLeft ({ registry, clock }: SigningCodeFlow, ctx: KoaContextWithOIDC): Promise<number> {
  const id = ctx.oidc.entities.Grant?.jti
  const authorization = id === undefined ? null : await registry.authorization(id)
  if (authorization === null) return Infinity
  return Math.floor((authorization.expiresAt.getTime() - clock().getTime()) / 1000)
}

function serverOf ({ ring }: SigningCodeFlow, resource: Resource, left: number): ResourceServer {
  const { algorithm: alg, kid } = signerFor(ring, resource.signingAlgorithm)
  return {
    scope: resource.id === identityResourceId
      ? identityScopes.join(' ')
      : authorizableScopes(resource).map(({ name }) => name).join(' '),
    audience: resource.identifier,
    accessTokenFormat: 'jwt',
    accessTokenTTL: Math.max(1, Math.min(resource.tokenLifetime, left)),
    jwt: { sign: { alg, kid } },
  } as unknown as ResourceServer
}
