/** Why a request was refused: what a credential is, the verdict on it now, its last refusals, and what to do. */
import { canonicalAddress } from '../../base/ip-address.ts'
import { Failure } from '../../base/errors.ts'
import { notFound } from '../../domain/access/facts.ts'
import type { Operation } from '../../domain/core/operation.ts'
import type { LoggedRequest } from '../../domain/metering/request-log.ts'
import type { Repositories, Store } from '../../domain/store.ts'
import { isJwtByForm } from '../../domain/tokens/access-token.ts'
import type { GuardedRoutes } from '../../guard/guarded-routes.ts'
import { asReadBy, type DescribedCredential } from './described-credential.ts'
import {
  fromAddress, loggedRequests, ofCredential, pastRefusals, type PastRefusal, type RefusalQuestion
} from './past-refusals.ts'
import { byId, reasonOfUnknown, recognized, type RecognizedCredential, type Recognizing } from './pasted-credential.ts'
import { isRequestId, type AskedSubject } from './subject-form.ts'
import { formSentences, secretFormOf, type SecretForm } from './secret-forms.ts'
import { explained, resourceOf, verdictNow, type AskedFor, type VerdictNow } from './verdict-now.ts'

export interface Explanation {
  /** Null: an address was asked about, or nothing that the actor may see. */
  subject: DescribedCredential | null
  /** What a text that was not found is by its form; null: none of those that have one. */
  form: SecretForm | null
  /** The request that was asked about; null: another subject, or one that is not kept. */
  request: LoggedRequest | null
  /** Null: there is nothing to judge without the text of a credential. */
  verdict: VerdictNow | null
  /** The newest first. */
  refusals: PastRefusal[]
  /** What to do, as one sentence; null: nothing. */
  remedy: string | null
}

const foreignJwt = {
  because: 'This JWT was not issued by this server, or it is damaged.',
  remedy: 'Of the token of a platform, `latchkey trusted-issuer try FILE` says which rule it meets: the workload ' +
    'exchanges it at the token endpoint. Compare another one with the one that was given out.'
}

const nothing = { subject: null, form: null, request: null, verdict: null } as const

/** The parts that explain, beside those of an operation. */
export interface Explaining {
  judging: Recognizing['judging']
  routes: GuardedRoutes
}

/**
 * Explains one subject to an actor. Notes and takes nothing: no limit, no credit, no `lastUsedAt`.
 * @throws Failure `invalid_request`, `not_found`, `unknown_scope` for what a verdict is asked for.
 */
export async function explain (
  { judging, routes }: Explaining, { store, clock, actor }: Operation<Repositories>, subject: AskedSubject,
  asked: AskedFor
): Promise<Explanation> {
  const asking: Asking = { judging, routes, store, actor, now: clock(), asked, visibleTo: actor.organizationId }
  const explanation = await explainSubject(asking, subject)
  return { ...explanation, subject: explanation.subject && asReadBy(actor, explanation.subject) }
}

async function explainSubject (asking: Asking, subject: AskedSubject): Promise<Explanation> {
  if ('credential' in subject) return await explainCredential(asking, subject.credential)
  if ('requestId' in subject) return await explainRequest(asking, subject.requestId)
  return await explainAddress(asking, subject.address)
}

interface Asking extends Recognizing, Explaining {
  store: Store
  actor: Operation<Repositories>['actor']
  asked: AskedFor
  visibleTo: string | null
}

async function explainCredential (asking: Asking, text: string): Promise<Explanation> {
  const found = await recognized(asking, text)
  if (found !== null) return await explainRecognized(asking, found)
  // A resource that is misspelt, or not theirs, is said whether the credential is found or not.
  const resource = await resourceOf(asking.store, asking.actor, asking.asked.resource, null)
  const form = secretFormOf(text)
  const sentences = form === null ? isJwtByForm(text) ? foreignJwt : {} : formSentences[form]
  const refusal = { ...explained(notFound(reasonOfUnknown(text), 'api_key').refusal, resource), ...sentences }
  return {
    subject: null,
    form,
    request: null,
    verdict: { allowed: false, resource: resource?.identifier ?? null, route: null, scopes: null, refusal },
    refusals: [],
    remedy: refusal.remedy
  }
}

/** Unless something is asked for, the verdict is about the route of the last refusal: whether it is mended shows. */
async function explainRecognized (asking: Asking, found: RecognizedCredential): Promise<Explanation> {
  const { store, visibleTo, asked } = asking
  const refusals = await pastRefusals(store, ofCredential(found.described, visibleTo))
  const verdict = await verdictNow(asking, found, { ...await askedBy(asking, refusals[0] ?? null), ...asked })
  const remedy = remedyOf(verdict, refusals, asked)
  return { subject: found.described, form: null, request: null, verdict, refusals, remedy }
}

/** The verdict is about what the request asked for, unless something else is asked. */
async function explainRequest (asking: Asking, requestId: string): Promise<Explanation> {
  if (!isRequestId(requestId)) {
    throw new Failure('invalid_request', {
      message: 'requestId has not the form of our request ids; they stand in the X-Request-Id of each answer.',
      details: { field: 'requestId' }
    })
  }
  const { store, visibleTo } = asking
  const question: RefusalQuestion = { logged: { requestId }, audited: { requestId }, visibleTo }
  const [[request = null], refusals] = await Promise.all([
    loggedRequests(store, question), pastRefusals(store, question)
  ])
  const id = request?.credentialId ?? refusals[0]?.credentialId ?? null
  const found = id === null ? null : await byId(asking, id)
  const isVisible = visibleTo === null || found?.described.organizationId === visibleTo
  if (found === null || !isVisible) {
    return { ...nothing, request, refusals, remedy: remedyOf(null, refusals) ?? notKept(request) }
  }
  const verdict = await verdictNow(asking, found, { ...await askedBy(asking, request), ...asking.asked })
  const remedy = remedyOf(verdict, refusals, asking.asked)
  return { subject: found.described, form: null, request, verdict, refusals, remedy }
}

/** What a request asked for, as far as this server guards its route. */
async function askedBy (
  { routes, asked, store, visibleTo }: Asking,
  request: Pick<LoggedRequest | PastRefusal, 'resourceId' | 'route' | 'reason'> | null
): Promise<AskedFor> {
  const { resourceId, route, reason } = request ?? {}
  if (resourceId == null || asked.resource !== undefined) return {}
  const owner = (await store.resources.get(resourceId))?.organizationId
  // A credential may have been refused at a resource of another organization.
  if (owner === undefined || (owner !== null && visibleTo !== null && owner !== visibleTo)) return {}
  const isKnown = route != null && asked.scopes === undefined && asked.credits === undefined &&
    routes.find(resourceId, route) !== null
  // Of a route in another process only this is known: that a call of it costs something.
  const costs = !isKnown && reason === 'insufficient_credits' && asked.credits === undefined
  return { resource: resourceId, ...(isKnown ? { route } : {}), ...(costs ? { credits: 1 } : {}) }
}

function notKept (request: LoggedRequest | null): string | null {
  return request === null
    ? 'No request with this id is kept, or none that you may see: ask by the credential or by the address. Of ' +
      'refused requests for tokens within a minute, the audit log names the first and the last.'
    : null
}

async function explainAddress (asking: Asking, address: string): Promise<Explanation> {
  const canonical = canonicalAddress(address)
  if (canonical === null) {
    throw new Failure('invalid_request', { message: 'address is not an IP address.', details: { field: 'address' } })
  }
  const refusals = await pastRefusals(asking.store, fromAddress(canonical, asking.visibleTo))
  return { ...nothing, refusals, remedy: remedyOf(null, refusals) }
}

/** Against what speaks now, else against the last refusal, unless that is mended. */
function remedyOf (
  verdict: VerdictNow | null, [last]: readonly PastRefusal[], asked: AskedFor = {}
): string | null {
  if (verdict?.refusal) return verdict.refusal.remedy
  if (last === undefined || (verdict !== null && isMended(last, verdict, asked))) return null
  return last.remedy
}

/** Reasons that hold for every request, and those that hold for a route. */
const reasonsOfState = new Set([
  'revoked', 'expired', 'rotated', 'disabled', 'superseded', 'organization_suspended', 'rate_limited'
])
const reasonsOfRoute = new Set([
  'insufficient_scope', 'feature_missing', 'api_key_required', 'session_required', 'person_required'
])

/** Reasons that depend on what a call costs. */
const reasonsOfCost = new Set(['quota_exceeded', 'insufficient_credits'])

/** Whether a verdict that admits a credential says that an earlier reason does not hold any more. */
function isMended ({ reason, route }: PastRefusal, verdict: VerdictNow, { scopes, from, credits }: AskedFor): boolean {
  if (reason === 'address_not_allowed') return from !== undefined
  if (reasonsOfCost.has(reason)) return credits !== undefined || verdict.route === route
  return reasonsOfState.has(reason) ||
    (reasonsOfRoute.has(reason) && (scopes !== undefined || verdict.route === route))
}
