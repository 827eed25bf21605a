/**
 * What a request must pass: one good credential, then environment, place, kind, scope, policies and object, then the
 * limits. Decides, and answers nothing.
 */
import type { FastifyRequest } from 'fastify'
import { addressOf } from '../base/ip-address.ts'
import { whenKnown, type Awaitable } from '../base/awaitable.ts'
import type { Clock } from '../base/clock.ts'
import type { Meter, MeterVerdict } from '../domain/metering/meter.ts'
import type { Organization } from '../domain/tenancy/organization.ts'
import { policiesFor, evaluate, type PolicySet } from '../domain/policy/policy-evaluation.ts'
import {
  mayTouch, type Authenticator, type Presentation, type Principal, type Reason, type Refusal, type Verdict
} from '../domain/access/principal.ts'
import type { RateLimitState } from '../domain/metering/rate-limiter.ts'
import type { Registry } from '../domain/access/registry.ts'
import type { Resource } from '../domain/resources/resource.ts'
import type { SessionChecks } from '../domain/access/end-user-session.ts'
import type { LastUsedRecorder } from '../domain/metering/last-used.ts'
import type { BoundObject, WebhookChecks, WebhookVerdict } from '../domain/credentials/webhook-token.ts'
import type { Environment } from '../secrets/credential-text.ts'
import type { RouteRequirements } from './needs.ts'
import type { PresentedCredential } from './presentation.ts'

/** What a request is judged with. */
export interface AdmissionDependencies {
  authenticator: Authenticator
  registry: Registry
  /** Where the use of API keys is noted. */
  keyUsage: LastUsedRecorder
  /** Where the use of the management API's tokens is noted. */
  managementTokenUsage: LastUsedRecorder
  meter: Meter
  sessions: SessionChecks
  webhooks: WebhookChecks
  clock: Clock
}

/** A request, what it presents, and what it is measured by. */
export class Call implements Presentation {
  readonly dependencies: AdmissionDependencies
  readonly need: RouteRequirements
  /** Null: any. */
  readonly resource: Resource | null
  /** The one environment that is served; null: both. */
  readonly environment: Environment | null
  readonly request: FastifyRequest
  /** One moment for everything that is asked about it. */
  readonly now: Date

  constructor (
    dependencies: AdmissionDependencies, need: RouteRequirements, resource: Resource | null,
    environment: Environment | null, request: FastifyRequest
  ) {
    this.dependencies = dependencies
    this.need = need
    this.resource = resource
    this.environment = environment
    this.request = request
    this.now = dependencies.clock()
  }

  /** Read when somebody asks: behind proxies it takes longer than the rest. */
  get address (): string {
    return addressOf(this.request)
  }
}

/** "No" is a value. `limits`: the state of every limit that was looked at. */
export type Admission = Admitted | {
  ok: false, refusal: Refusal, retryAfterSeconds: number | null, limits: readonly RateLimitState[]
}

export interface Admitted {
  ok: true
  principal: Principal
  organizationId: string | null
  boundObject: BoundObject | null
  spending: string | null
  limits: readonly RateLimitState[]
}

/** A verdict that does not stand in the way. */
type Yes = Exclude<Verdict | WebhookVerdict, { ok: false }>

/** Whether the request may pass, and as whom. What it costs is taken only when nothing else stands in its way. */
export function admission (call: Call, presented: PresentedCredential): Awaitable<Admission> {
  return whenKnown(authenticate(call, presented), judgeVerdict, call)
}

function judgeVerdict (verdict: Verdict | WebhookVerdict, call: Call): Awaitable<Admission> {
  if (!verdict.ok) return no(verdict.refusal)
  return whenKnown(judgeCall(call, verdict), settle, call, verdict)
}

/** Takes what the call costs, if nothing is against it. */
function settle (judged: Judged, call: Call, verdict: Yes): Awaitable<Admission> {
  if ('against' in judged) return no({ ...refusalOf(verdict, judged.against), ...about(judged, call.need) })
  const { dependencies: { keyUsage, managementTokenUsage, meter }, need, now } = call
  const { key } = verdict
  // Noted before its limits are looked at: a key that only runs into them is still in use.
  if (judged.kind === 'management_token') managementTokenUsage.touch(judged.id, now)
  if (key === null) return yes(judged, call, verdict)
  keyUsage.touch(key.id, now)
  return whenKnown(
    meter.admit({ key, organization: verdict.organization, credits: need.credits, now }), admitMetered, judged, call,
    verdict
  )
}

function admitMetered (metered: MeterVerdict, principal: Principal, call: Call, verdict: Yes): Admission {
  if (!metered.ok) return no(refusalOf(verdict, metered.reason), metered)
  return yes(principal, call, verdict, metered)
}

const unmetered: MeterVerdict & { ok: true } = { ok: true, spending: null, limits: [] }

function yes (
  principal: Principal, { need, request }: Call, verdict: Yes, { spending, limits } = unmetered
): Admission {
  return {
    ok: true,
    principal,
    organizationId: organizationOf(need, principal, request),
    boundObject: need.webhook === null ? null : boundObjectOf(verdict),
    spending,
    limits
  }
}

function boundObjectOf (verdict: Yes): BoundObject | null {
  return 'object' in verdict ? verdict.object : null
}

function no (
  refusal: Refusal,
  { retryAfterSeconds, limits }: { retryAfterSeconds: number | null, limits: readonly RateLimitState[] } = {
    retryAfterSeconds: null, limits: []
  }
): Admission {
  return { ok: false, refusal, retryAfterSeconds, limits }
}

/** Who is asking, by the one kind of proof that the route takes. */
function authenticate (call: Call, presented: PresentedCredential): Awaitable<Verdict | WebhookVerdict> {
  const { dependencies: { authenticator, sessions, webhooks }, need, resource, request } = call
  if (need.webhook !== null) {
    if (!('refusal' in presented) || presented.refusal.reason !== 'no_credential') {
      return { ok: false, refusal: anonymous('several_credentials') }
    }
    return webhooks.check(parameter(request, need.webhook.param), { resource, type: need.webhook.type })
  }
  if ('refusal' in presented) return { ok: false, refusal: presented.refusal }
  const { credential } = presented
  return need.session && credential.kind === 'access_token'
    ? sessions.check(credential.text, call)
    : authenticator.check(credential, call)
}

/** What stands against a call; `policy`: the id of the one that does. */
interface Objection { against: Reason, policy?: string }

/** The principal with what policies leave it, or what stands against the call. */
type Judged = Principal | Objection

/**
 * Environment → organization and its plan → kind of credential → scope → policies → object: what a good credential may
 * fail at.
 */
function judgeCall (call: Call, verdict: Yes): Awaitable<Judged> {
  const { need, environment } = call
  const { principal } = verdict
  if (principal.kind === 'admin_token') return need.apiKeyOnly ? { against: 'api_key_required' } : principal
  if (environment !== null && principal.environment !== environment) return { against: 'wrong_environment' }
  return whenKnown(reasonAgainstPlace(call, principal), judgeNeeds, call, verdict)
}

function judgeNeeds (reason: Reason | null, call: Call, verdict: Yes): Awaitable<Judged> {
  const { need } = call
  const { principal } = verdict
  if (reason !== null) return { against: reason }
  if (need.apiKeyOnly && principal.kind !== 'api_key') return { against: 'api_key_required' }
  if (need.session && principal.kind !== 'session') return { against: 'session_required' }
  if (!hasAll(principal.scopes, need.scopes)) return { against: 'insufficient_scope' }
  return whenKnown(underPolicies(call, verdict), judgeObject, call, principal)
}

function hasAll (scopes: readonly string[], needed: readonly string[]): boolean {
  for (const scope of needed) if (!scopes.includes(scope)) return false
  return true
}

function judgeObject (judged: Judged, { need: { object }, request }: Call, principal: Principal): Judged {
  if ('against' in judged || object === null) return judged
  return mayTouch(principal, object.type, parameter(request, object.param)) ? judged : { against: 'object_not_allowed' }
}

/** What the access policies leave of a principal for this call. */
function underPolicies (call: Call, { principal, policies }: Yes): Awaitable<Judged> {
  const place = organizationOf(call.need, principal, call.request)
  if (policies !== undefined && place === principal.organizationId) return weighPolicies(policies, call, principal)
  return whenKnown(
    policiesFor(call.dependencies.registry, principal.organizationId, place), weighPolicies, call, principal
  )
}

/** A webhook's token is a kind of its own, though a key answers for it. */
function weighPolicies (sets: readonly PolicySet[], call: Call, principal: Principal): Judged {
  if (sets.length === 0) return principal
  const { need, address, now } = call
  const { organizationId, groups, resourceId, scopes } = principal
  const kind = need.webhook === null ? principal.kind : 'webhook_token'
  if (kind === 'admin_token') return principal
  const { refusedBy, scopes: left, withheld } = evaluate(sets, { kind, organizationId, groups, resourceId }, scopes, {
    address, now
  })
  if (refusedBy !== null) return { against: 'policy_denied', policy: refusedBy }
  const denied = need.scopes.find(scope => withheld.has(scope))
  if (denied !== undefined) return { against: 'policy_denied', policy: withheld.get(denied)! }
  return left === scopes ? principal : { ...principal, scopes: left }
}

/** What a refusal says besides its reason. */
function about (
  { against, policy }: Objection, { scopes }: RouteRequirements
): Pick<Refusal, 'requiredScopes' | 'policy'> {
  if (against === 'insufficient_scope') return { requiredScopes: scopes }
  return policy === undefined ? {} : { policy }
}

/** Foreign and missing organizations get one answer (CL-05). */
function reasonAgainstPlace (
  { dependencies: { registry }, need, request }: Call, principal: Principal
): Awaitable<Reason | null> {
  const organizationId = organizationOf(need, principal, request)
  if (need.organization !== null && (organizationId === null || !principal.organizations.includes(organizationId))) {
    return 'organization_not_found'
  }
  // Its own organization was looked at with the credential.
  if (need.feature === null && organizationId === principal.organizationId) return null
  return whenKnown(
    organizationId === null ? null : registry.organization(organizationId), reasonAgainstOrganizationOf, need
  )
}

function reasonAgainstOrganizationOf (
  organization: Organization | null, { feature }: RouteRequirements
): Reason | null {
  if (organization === null || organization.status === 'deleted') return 'organization_not_found'
  if (organization.status !== 'active') return 'organization_suspended'
  return feature === null || organization.features.includes(feature) ? null : 'feature_missing'
}

function organizationOf (
  { organization }: RouteRequirements, principal: Principal, request: FastifyRequest
): string | null {
  return organization === null ? principal.organizationId : parameter(request, organization)
}

function parameter ({ params }: FastifyRequest, name: string): string {
  return (params as Record<string, string>)[name] ?? ''
}

export function anonymous (reason: Reason): Refusal {
  return { reason, presented: null, subject: null, organizationId: null }
}

function refusalOf ({ principal, key }: Yes, reason: Reason): Refusal {
  return {
    reason,
    presented: key === null ? 'access_token' : 'api_key',
    subject: principal.id,
    organizationId: principal.organizationId
  }
}
