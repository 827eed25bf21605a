/**
 * The verdict on a request: a pure function of what was gathered, of what the request asks for, and of one moment. It
 * asks no registry and no clock, so a guard in another process judges by this very function. The order of the checks is
 * fixed: found → state → organization and its plan → address → environment → place → kind → scope → policies → object;
 * the first that fails is the reason. The limits of a key are taken afterwards, and only from what passed.
 */
import { mayTouch } from '../credentials/api-key.ts'
import type { PolicySet } from '../policy/policy-evaluation.ts'
import type { Environment } from '../../secrets/credential-text.ts'
import type { Organization } from '../tenancy/organization.ts'
import { consumerIn, principalOf, refusal, type CredentialFacts, type PlaceFacts } from './facts.ts'
import { judgeCredential } from './judge-credential.ts'
import { evaluateFor } from './policy-lookup.ts'
import type { Presentation, Principal, Reason, Refusal } from './principal.ts'

/** What a route requires of a credential. */
export interface Requirements {
  scopes: readonly string[]
  apiKeyOnly: boolean
  /** In whole credits; 0: nothing. Only calls that are counted can cost some. */
  credits: number
  session: boolean
  /** Takes a session of a person, and nothing else. Absent: no. */
  person?: boolean
  /** What the plan of the organization has to include; null: nothing. */
  feature: string | null
  /** The type of the object that the path names; null: it names none. */
  object: { type: string } | null
}

/** A request as it is judged. */
export interface JudgedRequest extends Presentation {
  readonly requirements: Requirements
  /** The one environment that is served; null: both. */
  readonly environment: Environment | null
  /** The organization that the path names; null: it names none. */
  readonly organizationId: string | null
  /** The id of the object that the path names; null: it names none. */
  readonly objectId: string | null
}

/** "No" is a value. `principal`: with the scopes that policies leave. */
export type Verdict = { ok: true, principal: Principal } | { ok: false, refusal: Refusal }

/** The verdict on a request. `place` null: it is about the credential's own organization. */
export function judge (facts: CredentialFacts, place: PlaceFacts | null, request: JudgedRequest): Verdict {
  const refusal = judgeCredential(facts, request)
  if (refusal !== null) return { ok: false, refusal }
  const principal = principalOf(facts)
  const { requirements: { apiKeyOnly, person, scopes, object } } = request
  if (principal.kind === 'admin_token') {
    if (apiKeyOnly) return refuse(facts, principal, 'api_key_required')
    return person === true ? refuse(facts, principal, 'person_required') : { ok: true, principal }
  }
  if (facts.kind === 'person' && facts.authority === 'sign_in_again') {
    return refuse(facts, principal, 'reauthentication_required')
  }
  const reason = reasonAgainstPrincipal(facts, principal, (place ?? facts).organization, request)
  if (reason !== null) {
    return refuse(facts, principal, reason, reason === 'insufficient_scope' ? { requiredScopes: scopes } : undefined)
  }
  const left = underPolicies((place ?? facts).policies, facts, principal, request)
  if (typeof left === 'string') return refuse(facts, principal, 'policy_denied', { policy: left })
  if (object !== null && !mayTouch(principal, object.type, request.objectId ?? '')) {
    return refuse(facts, principal, 'object_not_allowed')
  }
  return { ok: true, principal: left }
}

function refuse (
  facts: CredentialFacts, { kind, id, organizationId, actingFor }: Principal, reason: Reason,
  more?: Pick<Refusal, 'requiredScopes' | 'policy'>
): Verdict {
  const presented = facts.kind === 'person' ? 'person_session' : kind === 'api_key' ? kind : 'access_token'
  const named = { ...refusal(reason, presented, id, organizationId), ...(actingFor != null && { actingFor }) }
  return { ok: false, refusal: { ...named, ...more } }
}

/** Environment → place → kind → scope: what a good credential may fail at. `organization`: of the place. */
function reasonAgainstPrincipal (
  facts: CredentialFacts, principal: Principal, organization: Organization | null, request: JudgedRequest
): Reason | null {
  const { environment, requirements: { apiKeyOnly, credits, session, person = false, scopes } } = request
  if (environment !== null && principal.environment !== environment) return 'wrong_environment'
  const against = reasonAgainstPlace(principal, organization, request)
  if (against !== null) return against
  // Credits are taken from a consumer's account.
  if (principal.kind !== 'api_key' && (apiKeyOnly || (credits > 0 && consumerIn(facts) === null))) {
    return 'api_key_required'
  }
  if (session && principal.kind !== 'session') return 'session_required'
  if (person && principal.kind !== 'person') return 'person_required'
  return hasAll(principal.scopes, scopes) ? null : 'insufficient_scope'
}

/** Foreign and missing organizations get one answer (CL-05). */
function reasonAgainstPlace (
  { organizations, organizationId: own }: Principal, organization: Organization | null, request: JudgedRequest
): Reason | null {
  const { organizationId: named, requirements: { feature } } = request
  if (named !== null && !organizations.includes(named)) return 'organization_not_found'
  // Its own organization was judged with the credential.
  if (feature === null && (named === null || named === own)) return null
  if (organization === null || organization.status === 'deleted') return 'organization_not_found'
  if (organization.status !== 'active') return 'organization_suspended'
  return feature === null || organization.features.includes(feature) ? null : 'feature_missing'
}

function hasAll (scopes: readonly string[], needed: readonly string[]): boolean {
  for (const scope of needed) if (!scopes.includes(scope)) return false
  return true
}

/** What the policies leave of a principal for this request, or the id of the one that refuses it. */
function underPolicies (
  sets: readonly PolicySet[], facts: CredentialFacts, principal: Principal, request: JudgedRequest
): Principal | string {
  if (sets.length === 0 || facts.kind === 'admin_token' || facts.kind === 'not_found') return principal
  // Not in the signature: reading the address takes longer than the rest of a judgement.
  const { address, now, requirements } = request
  const { refusedBy, scopes, withheld } = evaluateFor(facts.kind, sets, principal, { address, now })
  if (refusedBy !== null) return refusedBy
  for (const scope of requirements.scopes) if (withheld.has(scope)) return withheld.get(scope)!
  return scopes === principal.scopes ? principal : { ...principal, scopes }
}
