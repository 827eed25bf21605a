/** Access tokens: the facts from which the verdict on one follows, once its signature has verified. */
import type { Awaitable } from '../../../base/awaitable.ts'
import { handableScopes } from '../../authorizations/allow.ts'
import { consumerOf, type Authorization } from '../../authorizations/authorization.ts'
import { isActive, type Client } from '../../credentials/client.ts'
import { creatorOf, type Member } from '../../members/permissions.ts'
import { identityResourceId, type Resource } from '../../resources/resource.ts'
import { grantableNow, splitScope } from '../../resources/scope.ts'
import { takesKeysAsBearer } from '../../resources/style.ts'
import type { Signed, TokenReader } from '../../tokens/access-token.ts'
import { isKeyRevoked } from '../../tokens/signing-key.ts'
import type { AccessTokenClaims, ClientTokenClaims } from '../../tokens/token-claims.ts'
import { gatherKeyLikeToken } from './check-api-key.ts'
import {
  factsMemory, notFound, type KeyFacts, type KeyTokenFacts, type NotFound, type TokenFacts, type WorkloadTokenFacts
} from '../facts.ts'
import { judgeCredential, reasonAgainstClaims } from '../judge-credential.ts'
import { policiesFor } from '../policy-lookup.ts'
import type { Presentation, Principal } from '../principal.ts'
import type { Registry } from '../registry.ts'
import { keyTokenFactsIn } from './check-key-token.ts'
import { workloadTokenFactsIn } from './check-workload-token.ts'

type Claims = ClientTokenClaims & Signed
type AnyClaims = AccessTokenClaims & Signed

/** The facts of an access token, by what its `sub_kind` says. */
export type AccessTokenFacts = TokenFacts | KeyTokenFacts | WorkloadTokenFacts

const malformedToken = notFound('malformed', 'access_token')

/** The facts of the token with this text. A token that was read before is answered without a promise. */
export function gatherAccessToken (
  { registry, reader }: { registry: Registry, reader: TokenReader }, text: string, presentation: Presentation
): Awaitable<AccessTokenFacts | KeyFacts | NotFound> {
  const claims = reader.read(text, presentation.now)
  return claims instanceof Promise
    ? gatherLater(registry, text, claims, presentation)
    : gatherRead(registry, text, claims, presentation)
}

async function gatherLater (
  registry: Registry, text: string, claims: Promise<AnyClaims | null>, presentation: Presentation
): Promise<AccessTokenFacts | KeyFacts | NotFound> {
  return await gatherRead(registry, text, await claims, presentation)
}

function gatherRead (
  registry: Registry, text: string, claims: AnyClaims | null, presentation: Presentation
): Awaitable<AccessTokenFacts | KeyFacts | NotFound> {
  if (claims !== null) return factsOfClaims(registry, claims, presentation)
  const { resource } = presentation
  if (resource === null || !takesKeysAsBearer(resource.style)) return malformedToken
  return gatherKeyLikeToken(registry, text, presentation, malformedToken)
}

const remembered = factsMemory<Claims, TokenFacts>()

/** The facts of a token that was read. */
export function factsOfClaims (
  registry: Registry, claims: AnyClaims, presentation: Presentation
): Awaitable<AccessTokenFacts> {
  switch (claims.sub_kind) {
    case undefined: return tokenFactsIn(registry, claims, presentation)
    case 'api_key': return keyTokenFactsIn(registry, claims, presentation)
    case 'workload': return workloadTokenFactsIn(registry, claims, presentation)
  }
}

function tokenFactsIn (registry: Registry, claims: Claims, presentation: Presentation): Awaitable<TokenFacts> {
  const known = remembered.current(claims, registry.state)
  // The caller may have found its resource before the registry came into this state: it counts for that one alone.
  if (known !== null && known.presentedFor === presentation.resource) return known
  return gatherFacts(registry, claims, presentation)
}

/** Looks up all that the verdict on a token follows from; what is refused already costs no more look-ups. */
async function gatherFacts (registry: Registry, claims: Claims, presentation: Presentation): Promise<TokenFacts> {
  const { state } = registry
  const { resource: presentedFor } = presentation
  const unknown: TokenFacts = {
    kind: 'access_token',
    claims,
    client: null,
    authorization: null,
    consumer: null,
    member: null,
    isRevoked: false,
    presentedFor,
    resource: presentedFor,
    organization: null,
    principal: null,
    policies: []
  }
  if (reasonAgainstClaims(claims, presentation) !== null) return unknown
  const { par: parent } = claims
  const [client, isTokenRevoked, isParentRevoked, signingKeys] = await Promise.all([
    registry.client(claims.client_id),
    registry.isTokenRevoked(claims.jti),
    parent !== undefined && registry.isTokenRevoked(parent.jti),
    registry.signingKeys()
  ])
  const isRevoked = isTokenRevoked || isParentRevoked || isKeyRevoked(signingKeys, claims) ||
    (parent !== undefined && isKeyRevoked(signingKeys, parent))
  if (isRevoked || client === null || !isActive(client) || client.generation !== claims.gen) {
    return { ...unknown, client, isRevoked }
  }
  const ofMember = claims.gnt === undefined ? noMember : await authorizationOf(registry, claims.gnt)
  const { member } = ofMember
  // A client acts with the organization of the member for whom it acts.
  const { organizationId } = member ?? client
  const [resource, organization] = await Promise.all([
    presentedFor ?? registry.resourceByIdentifier(claims.aud),
    organizationId === null ? null : registry.organization(organizationId)
  ])
  const found = { ...unknown, client, ...ofMember, resource, organization }
  if (judgeCredential(found, presentation) !== null) return found
  const principal = principalAfter(remembered.latest(claims), found) ?? principalIn(found, client, resource!)
  const policies = await policiesFor(registry, organizationId)
  return remembered.keep(claims, state, { ...found, principal, policies })
}

type OfMember = Pick<TokenFacts, 'authorization' | 'consumer' | 'member'>

const noMember: OfMember = { authorization: null, consumer: null, member: null }

async function authorizationOf (registry: Registry, id: string): Promise<OfMember> {
  const authorization = await registry.authorization(id)
  if (authorization === null) return noMember
  const member = await registry.member(authorization.memberId)
  return { authorization, consumer: consumerOf(authorization), member }
}

/** The principal that was made of the same records before; null: one of them is another. */
function principalAfter (before: TokenFacts | null, found: TokenFacts): Principal | null {
  return before !== null && before.client === found.client && before.resource === found.resource &&
    before.authorization === found.authorization && before.member === found.member
    ? before.principal
    : null
}

function principalIn ({ claims, authorization, member }: TokenFacts, client: Client, resource: Resource): Principal {
  const principal = tokenPrincipal(claims, client, resource)
  return authorization === null || member === null
    ? principal
    : ofMember(principal, { authorization, member, client, resource })
}

/** A client acts for a member with what its token has, as far as that is still allowed, and they still may. */
function ofMember (
  principal: Principal,
  { authorization, member, client, resource }: {
    authorization: Authorization, member: Member, client: Client, resource: Resource
  }
): Principal {
  const handable = handableScopes(member, resource)
  const allowed = resource.id === identityResourceId
    ? authorization.identityScopes
    : grantableNow(authorization.scopes.filter(scope => handable.includes(scope)), resource.scopes)
  return {
    ...principal,
    id: member.id,
    name: member.name,
    organizationId: member.organizationId,
    organizations: [member.organizationId],
    groups: member.groups.map(({ id }) => id),
    scopes: principal.scopes.filter(scope => allowed.includes(scope)),
    creator: creatorOf(member, resource),
    actingFor: { clientId: client.id, authorizationId: authorization.id },
  }
}

function tokenPrincipal (claims: ClientTokenClaims, client: Client, resource: Resource): Principal {
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
    ...(claims.par === undefined ? {} : { isExchanged: true }),
  }
}
