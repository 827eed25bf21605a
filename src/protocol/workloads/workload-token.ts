/** The token of a workload: what a trust gives for an authentic assertion, and for how long. */
import type { FastifyRequest } from 'fastify'
import { addressOf, isAllowed } from '../../base/ip-address.ts'
import { epochSeconds, secondsAfter, type Clock } from '../../base/clock.ts'
import { digestOf } from '../../secrets/digest.ts'
import { newId } from '../../secrets/random.ts'
import { scopesOf } from '../../domain/access/checks/check-workload-token.ts'
import { policiesFor } from '../../domain/access/policy-lookup.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import { jwtBearer } from '../../domain/client-metadata/grant-types.ts'
import { isActive, type Client } from '../../domain/credentials/client.ts'
import type { LastUsedRecorder } from '../../domain/metering/last-used.ts'
import { evaluate } from '../../domain/policy/policy-evaluation.ts'
import { normalIdentifier } from '../../domain/resources/resource-identifier.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import { splitScope } from '../../domain/resources/scope.ts'
import type { Store } from '../../domain/store.ts'
import { reasonAgainstOrganization } from '../../domain/tenancy/organization.ts'
import { assertionTolerance } from '../../domain/tokens/assertion.ts'
import type { TokenMeter } from '../../domain/tokens/issuance-meter.ts'
import { signJwt } from '../../domain/tokens/jws.ts'
import { signerFor, type KeyRing } from '../../domain/tokens/signing-key.ts'
import type { WorkloadTokenClaims } from '../../domain/tokens/token-claims.ts'
import type { AssertionClaims, AssertionReason, AssertionSubject } from '../../domain/workloads/assertion.ts'
import { actsForOrganization, revisionOf, type WorkloadTrust } from '../../domain/workloads/trusted-issuer.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { inSpan } from '../../telemetry/tracing.ts'
import { longestScope } from '../shared/limits.ts'
import { OAuthError } from '../shared/oauth-error.ts'

/** The longest life of a token, in seconds: the platform may withdraw the identity without telling. */
export const workloadTokenLifetime = 900

export interface WorkloadTokenOptions {
  issuer: string
  store: Store
  registry: Registry
  clock: Clock
  ring: () => KeyRing
  refusals: RefusalLog
  usage: LastUsedRecorder
  tokens: TokenMeter
  telemetry: Telemetry
}

/** Why an authentic assertion gets nothing; for the audit log, as are those of assertions. */
export type NoTokenReason =
  | AssertionReason | 'client_not_active' | 'revoked' | 'organization_suspended' | 'address_not_allowed'
  | 'policy_denied'

export class NoToken extends Error {
  readonly reason: NoTokenReason

  constructor (reason: NoTokenReason, message: string) {
    super(message)
    this.name = 'NoToken'
    this.reason = reason
  }
}

export interface Vouched {
  trust: WorkloadTrust
  /** The client that it acts as; null: as itself. */
  client: Client | null
  resource: Resource
  /** As the assertion limits them; null: it does not. */
  limit: readonly string[] | null
  claims: AssertionClaims
  subject: AssertionSubject
  http: FastifyRequest
  /** The parameter `scope`; undefined: all. */
  scope: string | undefined
}

/** The body of the answer. @throws NoToken; OAuthError `invalid_scope`. */
export async function issueToWorkload (options: WorkloadTokenOptions, vouched: Vouched): Promise<object> {
  const { trust, client, resource, http } = vouched
  const organizationId = actsForOrganization(trust, client)
  await requireAdmissible(options, vouched, organizationId)
  const held = narrowed(vouched, scopesOf(trust, client, resource))
  const now = options.clock()
  const { refusedBy, scopes, withheld } = evaluate(
    await policiesFor(options.registry, organizationId),
    { kind: 'access_token', organizationId, groups: [], resourceId: resource.id }, held,
    { address: addressOf(http), now }
  )
  const [first = null] = withheld.values()
  const deniedBy = refusedBy ?? (scopes.length === 0 ? first : null)
  if (deniedBy !== null) throw new NoToken('policy_denied', `The policy ${deniedBy} denies every scope.`)
  await useOnce(options, vouched)
  const claims = claimsOf(options, vouched, { now, organizationId, scopes })
  const { metrics, tracing } = options.telemetry
  const token = await inSpan(
    tracing, 'token issuance', () => signJwt(signerFor(options.ring(), resource.signingAlgorithm), 'at+jwt', claims)
  )
  metrics.tokens.increment(jwtBearer)
  metrics.assertions.increment('taken', trust.issuer.profile)
  options.tokens.count(claims.client_id, organizationId)
  if (client !== null) options.usage.touch(client.id, now)
  recordAdmission(options, vouched, claims)
  return {
    access_token: token,
    token_type: 'Bearer',
    expires_in: claims.exp - claims.iat,
    // RFC 6749 §3.3 has no empty scope.
    ...(claims.scope === undefined ? {} : { scope: claims.scope })
  }
}

/** The same that keeps a client with a secret out. @throws NoToken */
async function requireAdmissible (
  { registry }: WorkloadTokenOptions, { client, http }: Vouched, organizationId: string | null
): Promise<void> {
  if (client !== null && !isActive(client)) throw new NoToken('client_not_active', `The client ${client.id} has ended.`)
  const against = organizationId === null
    ? null
    : reasonAgainstOrganization(await registry.organization(organizationId))
  if (against !== null) throw new NoToken(against, `The organization ${organizationId!} is not active.`)
  const address = addressOf(http)
  if (client === null || isAllowed(address, client.allowlist)) return
  throw new NoToken('address_not_allowed', `${address} is not on the allowlist of the client ${client.id}.`)
}

/**
 * What is asked for, as far as it is given: clients of MCP ask for all that a resource has. The answer says which
 * scopes it was (RFC 6749 §3.3). @throws OAuthError `invalid_scope` when it is none.
 */
function narrowed ({ limit, scope }: Vouched, held: readonly string[]): string[] {
  if ((scope?.length ?? 0) > longestScope) {
    throw new OAuthError(400, 'invalid_scope', `scope is longer than ${longestScope} characters.`)
  }
  const given = limit === null ? [...held] : held.filter(name => limit.includes(name))
  if (scope === undefined) return given
  const asked = splitScope(scope)
  const left = given.filter(name => asked.includes(name))
  if (left.length > 0) return left
  throw new OAuthError(400, 'invalid_scope', 'None of the scopes that were asked for can be given.')
}

/** Of several requests with one assertion, exactly one gets a token, on every server together. @throws NoToken */
async function useOnce (
  { store }: WorkloadTokenOptions, { trust: { issuer }, subject: { jti }, claims: { exp } }: Vouched
): Promise<void> {
  if (!issuer.singleUse) return
  if (jti === null || jti === '' || jti.length > 255) {
    throw new NoToken('no_jti', 'Assertions of this issuer are taken once, so each needs a jti.')
  }
  const use = digestOf(JSON.stringify(['trusted issuer', issuer.organizationId, issuer.issuer, jti]))
  const isFirst = await store.usedAssertions.remember(use, secondsAfter(new Date(exp * 1000), assertionTolerance))
  if (!isFirst) throw new NoToken('replayed', 'The assertion was used before.')
}

function claimsOf (
  { issuer }: WorkloadTokenOptions, { trust, client, resource, claims }: Vouched,
  { now, organizationId, scopes }: { now: Date, organizationId: string | null, scopes: readonly string[] }
): WorkloadTokenClaims {
  const iat = epochSeconds(now)
  const id = client?.id ?? trust.id
  return {
    iss: issuer,
    aud: resource.identifier,
    sub: id,
    sub_kind: 'workload',
    client_id: id,
    jti: newId('wtk'),
    iat,
    exp: Math.min(iat + Math.min(workloadTokenLifetime, resource.tokenLifetime), claims.exp),
    ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') }),
    ...(organizationId === null ? {} : { org_id: organizationId }),
    trust: trust.id,
    trust_rev: revisionOf(trust),
    workload: claims.sub,
    ...(client === null ? {} : { gen: client.generation }),
  }
}

/** Which workload it was, and which token it got: at least once a minute. */
function recordAdmission (
  { refusals }: WorkloadTokenOptions, { trust, subject, http }: Vouched, claims: WorkloadTokenClaims
): void {
  refusals.record({
    type: 'workload.admitted',
    reason: null,
    subject: claims.client_id,
    organizationId: claims.org_id ?? null,
    address: addressOf(http),
    requestId: http.id,
    detail: { ...detailOf(subject), issuer: trust.issuer.id, rule: trust.rule?.id ?? null, token: claims.jti },
    party: claims.workload.slice(0, 256)
  })
}

/** What an assertion says of itself, cut to what a log needs. */
export function detailOf ({ iss, sub, jti }: AssertionSubject): Record<string, unknown> {
  const cut = (text: string | null) => text?.slice(0, 256) ?? null
  return { iss: cut(iss), sub: cut(sub), jti: cut(jti) }
}

/** Whether a request names the resource that it gets a token for; undefined: it names none. */
export function isFor (resource: Resource, asked: string | null): boolean {
  return asked === null || normalIdentifier(asked) === normalIdentifier(resource.identifier)
}
