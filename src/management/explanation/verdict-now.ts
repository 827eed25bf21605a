/** The verdict of the guard on a recognized credential, now, for a route or for scopes. Nothing is noted or taken. */
import { readAddress } from '../../base/ip-address.ts'
import { Failure } from '../../base/errors.ts'
import type { Requirements } from '../../domain/access/judge.ts'
import type { Refusal } from '../../domain/access/principal.ts'
import type { Actor } from '../../domain/core/actor.ts'
import { find, requireReadable, type Resource } from '../../domain/resources/resource.ts'
import { managementStyle } from '../../domain/resources/style.ts'
import type { FoundRoute, GuardedRoutes } from '../../guard/guarded-routes.ts'
import { remedies } from '../../guard/refusal/remedies.ts'
import { codeIn, statusIn } from '../../guard/refusal/styles.ts'
import type { RecognizedCredential, Recognizing } from './pasted-credential.ts'

/** What a verdict is asked for; what is absent is not looked at. */
export interface AskedFor {
  /** An identifier or an id; absent: the credential's own. */
  resource?: string
  scopes?: readonly string[]
  /** `GET /v1/invoices/:id`, or a request to it. */
  route?: string
  organization?: string
  object?: { type: string, id: string }
  /** What a call costs, in whole credits; a route of this server has its own. Absent: nothing. */
  credits?: number
  /** The address that a request comes from; absent: an allowlist is not looked at. */
  from?: string
}

export interface VerdictNow {
  allowed: boolean
  resource: string | null
  /** Null: by scopes. */
  route: string | null
  /** Null: refused before they were looked at. */
  scopes: readonly string[] | null
  /** Null: it would be admitted. */
  refusal: ExplainedRefusal | null
}

export interface ExplainedRefusal {
  reason: string
  /** Null: the style of the resource has none. */
  code: string | null
  status: number
  because: string
  remedy: string
  requiredScopes: readonly string[]
  policy: string | null
}

/**
 * The guard's refusal with the sentences for operators, and the status and code that the caller gets in the style of
 * the resource; without one, in that of our own API.
 */
export function explained (refusal: Refusal, resource: Resource | null): ExplainedRefusal {
  const { reason, requiredScopes = [], policy = null } = refusal
  const style = (resource?.style ?? managementStyle).errors
  const [status, code] = [statusIn(style, refusal), codeIn(style, refusal)]
  return { reason, code, status, ...remedies[reason], requiredScopes, policy }
}

/** Null: the credential can be judged by its text alone, and was named by its id. */
export async function verdictNow (
  { judging, store, actor, now, routes }: Recognizing & { actor: Actor, routes: GuardedRoutes },
  { described, judge }: RecognizedCredential,
  asked: AskedFor
): Promise<VerdictNow | null> {
  const resource = await resourceOf(store, actor, asked.resource, described.resourceId)
  const route = routeOf(routes, resource, asked.route)
  const requirements = requirementsOf(resource, route, asked, described.kind === 'session')
  if (judge === null) return null
  const verdict = await judge({
    dependencies: judging,
    requirements,
    resource,
    environment: route?.environment ?? null,
    organizationId: parameter(route, route?.requirements.organization) ?? asked.organization ?? null,
    objectId: parameter(route, route?.requirements.object?.param) ?? asked.object?.id ?? null,
    webhookToken: null,
    webhookType: route?.requirements.webhook?.type ?? null,
    ...addressOf(asked.from),
    now
  })
  return {
    allowed: verdict.ok,
    resource: resource?.identifier ?? null,
    route: route?.requirements.route ?? null,
    scopes: verdict.ok ? verdict.principal.scopes : null,
    refusal: verdict.ok ? null : explained(verdict.refusal, resource)
  }
}

/**
 * The resource that is named, else the credential's own.
 * @throws Failure `not_found` for one that is not there, or that the actor may not see.
 */
export async function resourceOf (
  store: Recognizing['store'], actor: Actor, named: string | undefined, own: string | null
): Promise<Resource | null> {
  if (named !== undefined) return requireReadable(actor, await find(store, named), named)
  return own === null ? null : await store.resources.get(own)
}

/** @throws Failure `invalid_request` for a route that no guard of this process has. */
function routeOf (routes: GuardedRoutes, resource: Resource | null, named: string | undefined): FoundRoute | null {
  if (named === undefined) return null
  const found = resource === null ? null : routes.find(resource.id, named)
  if (found !== null) return found
  throw new Failure('invalid_request', {
    message: 'This server guards no such route of the resource. Write it as GET /v1/invoices/:id; for an API in ' +
      'another process, name the scopes that its route needs instead.',
    details: { field: 'route' }
  })
}

function parameter (route: FoundRoute | null, name: string | null | undefined): string | undefined {
  return name == null ? undefined : route?.parameters[name]
}

/** @throws Failure `unknown_scope` for one that the resource does not declare. */
function requirementsOf (
  resource: Resource | null, route: FoundRoute | null, { scopes = [], object, credits = 0 }: AskedFor, session: boolean
): Requirements {
  if (route !== null) return route.requirements
  const unknown = scopes.find(name => resource?.scopes.every(scope => scope.name !== name))
  if (unknown !== undefined) {
    throw new Failure('unknown_scope', {
      message: `The resource ${resource!.identifier} does not declare the scope ${JSON.stringify(unknown)}.`,
      details: { field: 'scopes' }
    })
  }
  return { scopes, apiKeyOnly: false, credits, session, feature: null, object: object ?? null }
}

/** @throws Failure `invalid_request` for a text that is no address. */
function addressOf (from: string | undefined): { address: string | null, leavesAllowlist: boolean } {
  if (from === undefined) return { address: null, leavesAllowlist: true }
  const address = readAddress(from)
  if (address !== null) return { address, leavesAllowlist: false }
  throw new Failure('invalid_request', { message: 'from is not an IP address.', details: { field: 'from' } })
}
