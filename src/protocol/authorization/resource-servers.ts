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
      const resource = await usableResource(options, ctx, identifier)
      if (resource === null) return standInServer(options, ctx, identifier)
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

/** Requests for a resource that the person, or before the sign-in the client, cannot use as far as is known. */
const unusable = new WeakSet<KoaContextWithOIDC>()

/** Whether the person who is asked cannot use the resource, be it unknown or another organization's. */
export function asksForUnusable (ctx: KoaContextWithOIDC): boolean {
  return unusable.has(ctx)
}

export const unusableResource = 'There is no such resource for this client and this person.'

/**
 * Where people are asked, an unknown resource and those of other organizations go the same way: first to the sign-in,
 * and then to a page. The scopes are taken as they were asked for, so that none of the resource is told; no token is
 * ever made for it.
 * @throws errors.InvalidTarget at the token endpoint.
 */
function standInServer ({ ring }: SigningCodeFlow, ctx: KoaContextWithOIDC, identifier: string): ResourceServer {
  if (!asksForScopes(ctx)) throw new errors.InvalidTarget(unusableResource)
  unusable.add(ctx)
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
 * The resource of this identifier, if the client may act there and the person may use it; before they have signed in,
 * if everybody may whom the client acts for. Null in every other case.
 */
async function usableResource (
  options: SigningCodeFlow, ctx: KoaContextWithOIDC, identifier: string
): Promise<Resource | null> {
  const { registry } = options
  const resource = await registry.resourceByIdentifier(identifier)
  if (resource === null || resource.revokedAt !== null || !isOffered(resource)) return null
  const { organizationId } = recordOf(ctx.oidc.client!)
  const isOfClient = resource.organizationId === null || resource.organizationId === organizationId
  if (!isOfClient && organizationId !== null) return null
  const member = await memberOf(registry, ctx)
  const isUsable = member === null
    ? isOfClient || !asksForScopes(ctx)
    : isForMember(resource, member) || await isForOtherMember(options, ctx, resource)
  return isUsable ? resource : null
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

/** With the way back from the sign-in: what was undecided before is decided there. */
const askingRoutes = new Set(['authorization', 'pushed_authorization_request', 'resume'])

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
