/** Tokens of workloads (RFC 7523): the facts from which the verdict on one follows. */
import type { Awaitable } from '../../../base/awaitable.ts'
import type { Client } from '../../credentials/client.ts'
import type { Resource } from '../../resources/resource.ts'
import { grantableNow, splitScope } from '../../resources/scope.ts'
import type { Signed } from '../../tokens/access-token.ts'
import { isKeyRevoked } from '../../tokens/signing-key.ts'
import type { WorkloadTokenClaims } from '../../tokens/token-claims.ts'
import { actsForOrganization, type WorkloadTrust } from '../../workloads/trusted-issuer.ts'
import { factsMemory, type WorkloadTokenFacts } from '../facts.ts'
import { judgeCredential, reasonAgainstClaims } from '../judge-credential.ts'
import { policiesFor } from '../policy-lookup.ts'
import type { Presentation, Principal } from '../principal.ts'
import type { Registry } from '../registry.ts'

type Claims = WorkloadTokenClaims & Signed

const remembered = factsMemory<Claims, WorkloadTokenFacts>()

/** The facts of a token that was read. */
export function workloadTokenFactsIn (
  registry: Registry, claims: Claims, presentation: Presentation
): Awaitable<WorkloadTokenFacts> {
  return remembered.current(claims, registry.state) ?? gatherFacts(registry, claims, presentation)
}

/** Looks up all that the verdict follows from; what is refused already costs no more look-ups. */
async function gatherFacts (
  registry: Registry, claims: Claims, presentation: Presentation
): Promise<WorkloadTokenFacts> {
  const { state } = registry
  const unknown: WorkloadTokenFacts = {
    kind: 'workload_token',
    claims,
    trust: null,
    client: null,
    isRevoked: false,
    resource: null,
    organization: null,
    principal: null,
    policies: []
  }
  if (reasonAgainstClaims(claims, presentation) !== null) return unknown
  const [trust, client, isTokenRevoked, signingKeys] = await Promise.all([
    registry.workloadTrust(claims.trust),
    claims.gen === undefined ? null : registry.client(claims.client_id),
    registry.isTokenRevoked(claims.jti),
    registry.signingKeys()
  ])
  const isRevoked = isTokenRevoked || isKeyRevoked(signingKeys, claims)
  if (trust === null || isRevoked) return { ...unknown, trust, client, isRevoked }
  const organizationId = actsForOrganization(trust, client)
  const [resource, organization, policies] = await Promise.all([
    registry.resourceByIdentifier(claims.aud),
    organizationId === null ? null : registry.organization(organizationId),
    policiesFor(registry, organizationId)
  ])
  const found = { ...unknown, trust, client, resource, organization, policies }
  if (judgeCredential(found, presentation) !== null) return found
  return remembered.keep(claims, state, { ...found, principal: workloadPrincipal(claims, trust, client, resource!) })
}

/** The client, or the rule itself, with the scopes of the token as far as rule and client still have them. */
function workloadPrincipal (
  claims: Claims, trust: WorkloadTrust, client: Client | null, resource: Resource
): Principal {
  const organizationId = actsForOrganization(trust, client)
  const held = scopesOf(trust, client, resource)
  return {
    kind: 'access_token',
    ...(client === null ? { idKind: 'workload_rule' as const } : {}),
    id: claims.client_id,
    subject: claims.workload,
    name: client?.name ?? trust.rule?.name ?? trust.issuer.name,
    organizationId,
    organizations: organizationId === null ? [] : [organizationId],
    environment: 'live',
    resource: claims.aud,
    resourceId: resource.id,
    groups: [],
    access: null,
    scopes: claims.scope === undefined ? [] : splitScope(claims.scope).filter(scope => held.includes(scope)),
    creator: null,
    objects: {},
    allowlist: client?.allowlist ?? [],
    expiresAt: new Date(claims.exp * 1000),
  }
}

/** The names of the scopes that a workload may have on a resource: those of the rule that its client has, too. */
export function scopesOf (
  { rule }: Pick<WorkloadTrust, 'rule'>, client: Client | null, resource: Resource
): string[] {
  const ofClient = client === null
    ? null
    : grantableNow(client.grants.find(({ resourceId }) => resourceId === resource.id)?.scopes ?? [], resource.scopes)
  if (rule === null) return ofClient ?? []
  if (rule.resourceId !== resource.id) return []
  const ofRule = grantableNow(rule.scopes, resource.scopes)
  return ofClient === null ? ofRule : ofRule.filter(scope => ofClient.includes(scope))
}
