/**
 * What a request must pass: one good credential, then environment, place, kind, scope, policies and object, then the limits. Decides,
 * and answers nothing.
 */
import type { FastifyRequest } from 'fastify'
import { whenKnown, type Awaitable } from '../awaitable.ts'
import type { Clock } from '../clock.ts'
import type { Meter, MeterVerdict } from '../domain/meter.ts'
import { isEmpty, policiesFor, weigh } from '../domain/policy-set.ts'
import { mayTouch, type Authenticator, type Principal, type Reason, type Refusal, type Verdict } from '../domain/principal.ts'
import type { RateLimitState } from '../domain/rate-limit.ts'
import type { Registry } from '../domain/registry.ts'
import type { Resource } from '../domain/resource.ts'
import type { SessionChecks } from '../domain/session.ts'
import type { UsageLog } from '../domain/usage.ts'
import type { BoundObject, WebhookChecks, WebhookVerdict } from '../domain/webhook-token.ts'
import type { Environment } from '../secrets.ts'
import type { RouteNeeds } from './needs.ts'
import type { Presented } from './presentation.ts'

/** What a request is judged with. */
export interface AdmissionDependencies {
  authenticator: Authenticator
  registry: Registry
  /** Where the use of API keys is noted. */
  keyUsage: UsageLog
  /** Where the use of the management API's tokens is noted. */
  managementTokenUsage: UsageLog
  meter: Meter
  sessions: SessionChecks
  webhooks: WebhookChecks
  clock: Clock
}

/** A request, what it presents, and what it is measured by. */
export interface Call {
  need: RouteNeeds
  presented: Presented
  /** Null: any. */
  resource: Resource | null
  /** The one environment that is served; null: both. */
  environment: Environment | null
  request: FastifyRequest
}

/** "No" is a value. `limits`: the state of every limit that was looked at. */
export type Admission =
  | { ok: true, principal: Principal, organizationId: string | null, boundObject: BoundObject | null, spending: string | null, limits: readonly RateLimitState[] }
  | { ok: false, refusal: Refusal, retryAfterSeconds: number | null, limits: readonly RateLimitState[] }

/** Whether the request may pass, and as whom. What it costs is taken only when nothing else stands in its way. */
export function admission (dependencies: AdmissionDependencies, call: Call): Awaitable<Admission> {
  const { need, request } = call
  return whenKnown(authenticate(dependencies, call), verdict => {
    if (!verdict.ok) return no(verdict.refusal)
    const { key } = verdict
    return whenKnown(judgeCall(dependencies, call, verdict.principal), judged => {
      if ('against' in judged) return no({ ...refusalOf(verdict, judged.against), ...about(judged, need) })
      const { principal } = judged
      // Noted before its limits are looked at: a key that only runs into them is still in use.
      if (key !== null) dependencies.keyUsage.note(key.id)
      else if (principal.kind === 'management_token') dependencies.managementTokenUsage.note(principal.id)
      return whenKnown(takeCost(dependencies, need, verdict), metered => {
        if (metered !== null && !metered.ok) return no(refusalOf(verdict, metered.reason), metered)
        return {
          ok: true,
          principal,
          organizationId: organizationOf(need, principal, request),
          boundObject: 'object' in verdict ? verdict.object : null,
          spending: metered?.spending ?? null,
          limits: metered?.limits ?? noLimits,
        }
      })
    })
  })
}

const noLimits: readonly RateLimitState[] = []

function no (refusal: Refusal, { retryAfterSeconds, limits }: { retryAfterSeconds: number | null, limits: readonly RateLimitState[] } = { retryAfterSeconds: null, limits: noLimits }): Admission {
  return { ok: false, refusal, retryAfterSeconds, limits }
}

/** Who is asking, by the one kind of proof that the route takes. */
function authenticate (
  { authenticator, sessions, webhooks }: AdmissionDependencies, { need, presented, resource, request }: Call
): Awaitable<Verdict | WebhookVerdict> {
  if (need.webhook !== null) {
    if (!('refusal' in presented) || presented.refusal.reason !== 'no_credential') return { ok: false, refusal: anonymous('several_credentials') }
    return webhooks.check(parameter(request, need.webhook.param), { resource, type: need.webhook.type })
  }
  if ('refusal' in presented) return { ok: false, refusal: presented.refusal }
  const { credential } = presented
  const presentation = { resource, address: request.ip }
  return need.session && credential.kind === 'access_token' ? sessions.check(credential.text, presentation) : authenticator.check(credential, presentation)
}

/** What stands against a call; `policy`: the id of the one that does. */
interface Objection { against: Reason, policy?: string }

/** The principal with what policies leave it, or what stands against the call. */
type Judged = { principal: Principal } | Objection

/** Environment → organization and its plan → kind of credential → scope → policies → object: what a good credential may fail at. */
function judgeCall (dependencies: AdmissionDependencies, { environment, need, request }: Call, principal: Principal): Awaitable<Judged> {
  if (principal.kind === 'admin_token') return need.apiKeyOnly ? { against: 'api_key_required' } : { principal }
  if (environment !== null && principal.environment !== environment) return { against: 'wrong_environment' }
  return whenKnown(reasonAgainstPlace(dependencies.registry, need, principal, request), reason => {
    if (reason !== null) return { against: reason }
    if (need.apiKeyOnly && principal.kind !== 'api_key') return { against: 'api_key_required' }
    if (need.session && principal.kind !== 'session') return { against: 'session_required' }
    if (!need.scopes.every(scope => principal.scopes.includes(scope))) return { against: 'insufficient_scope' }
    return whenKnown(underPolicies(dependencies, need, principal, request), judged => {
      if ('against' in judged || need.object === null) return judged
      return mayTouch(principal, need.object.type, parameter(request, need.object.param)) ? judged : { against: 'object_not_allowed' }
    })
  })
}

/** What the access policies leave of a principal for this call. A webhook's token is a kind of its own, though a key answers for it. */
function underPolicies ({ registry, clock }: AdmissionDependencies, need: RouteNeeds, principal: Principal, request: FastifyRequest): Awaitable<Judged> {
  const { organizationId, groups, resourceId, scopes } = principal
  const kind = need.webhook === null ? principal.kind : 'webhook_token'
  if (kind === 'admin_token') return { principal }
  return whenKnown(policiesFor(registry, organizationId, organizationOf(need, principal, request)), sets => {
    if (isEmpty(sets)) return { principal }
    const { refusedBy, scopes: left, withheld } = weigh(sets, { kind, organizationId, groups, resourceId }, scopes, { address: request.ip, now: clock() })
    if (refusedBy !== null) return { against: 'policy_denied', policy: refusedBy }
    const denied = need.scopes.find(scope => withheld.has(scope))
    if (denied !== undefined) return { against: 'policy_denied', policy: withheld.get(denied)! }
    return { principal: left === scopes ? principal : { ...principal, scopes: left } }
  })
}

/** What a refusal says besides its reason. */
function about ({ against, policy }: Objection, { scopes }: RouteNeeds): Pick<Refusal, 'requiredScopes' | 'policy'> {
  if (against === 'insufficient_scope') return { requiredScopes: scopes }
  return policy === undefined ? {} : { policy }
}

/** Foreign and missing organizations get one answer (CL-05). */
function reasonAgainstPlace (registry: Registry, need: RouteNeeds, principal: Principal, request: FastifyRequest): Awaitable<Reason | null> {
  const organizationId = organizationOf(need, principal, request)
  if (need.organization !== null && (organizationId === null || !principal.organizations.includes(organizationId))) return 'organization_not_found'
  // Its own organization was looked at with the credential.
  if (need.feature === null && organizationId === principal.organizationId) return null
  return whenKnown(organizationId === null ? null : registry.organization(organizationId), organization => {
    if (organization === null || organization.status === 'deleted') return 'organization_not_found'
    if (organization.status !== 'active') return 'organization_suspended'
    return need.feature === null || organization.features.includes(need.feature) ? null : 'feature_missing'
  })
}

function takeCost ({ meter, clock }: AdmissionDependencies, { credits }: RouteNeeds, verdict: Verdict & { ok: true }): Awaitable<MeterVerdict | null> {
  return verdict.key === null ? null : meter.admit({ key: verdict.key, organization: verdict.organization, credits, now: clock() })
}

function organizationOf ({ organization }: RouteNeeds, principal: Principal, request: FastifyRequest): string | null {
  return organization === null ? principal.organizationId : parameter(request, organization)
}

function parameter ({ params }: FastifyRequest, name: string): string {
  return (params as Record<string, string>)[name] ?? ''
}

export function anonymous (reason: Reason): Refusal {
  return { reason, presented: null, subject: null, organizationId: null }
}

function refusalOf ({ principal, key }: Verdict & { ok: true }, reason: Reason): Refusal {
  return { reason, presented: key === null ? 'access_token' : 'api_key', subject: principal.id, organizationId: principal.organizationId }
}
