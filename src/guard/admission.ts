/**
 * What a request must pass, in three steps: gather the facts, judge them once, take what the call costs. Only the first
 * and the last may wait. Answers nothing.
 */
import type { Awaitable } from '../base/awaitable.ts'
import type { Clock } from '../base/clock.ts'
import type { PersonAuthenticator } from '../domain/access/checks/check-person-session.ts'
import type { Authenticator } from '../domain/access/authenticator.ts'
import type { WebhookAuthenticator } from '../domain/access/checks/check-webhook-token.ts'
import type { SessionAuthenticator } from '../domain/access/checks/end-user-session.ts'
import { consumerIn, notFound, refusalByLimit, type CredentialFacts, type PlaceFacts } from '../domain/access/facts.ts'
import { judgeCredential } from '../domain/access/judge-credential.ts'
import { judge, type JudgedRequest, type Verdict } from '../domain/access/judge.ts'
import { policiesFor } from '../domain/access/policy-lookup.ts'
import type { Principal, Refusal } from '../domain/access/principal.ts'
import type { Registry } from '../domain/access/registry.ts'
import type { BoundObject } from '../domain/credentials/webhook-token.ts'
import type { LastUsedRecorder } from '../domain/metering/last-used.ts'
import type { Meter, MeterVerdict } from '../domain/metering/meter.ts'
import type { PersonSession } from '../domain/people/person-session.ts'
import type { RateLimitState } from '../domain/metering/rate-limiter.ts'
import type { PresentedSession } from './person-session.ts'
import type { PresentedCredential } from './presentation.ts'

/** What requests are admitted with. */
export interface AdmissionDependencies {
  authenticator: Pick<Authenticator, 'gather' | 'isAdminToken'>
  registry: Registry
  /** Where the use of API keys is noted. */
  keyUsage: Pick<LastUsedRecorder, 'touch'>
  /** Where the use of the management API's tokens is noted. */
  managementTokenUsage: Pick<LastUsedRecorder, 'touch'>
  /** Where the use of what members have allowed clients is noted. */
  authorizationUsage: Pick<LastUsedRecorder, 'touch'>
  meter: Pick<Meter, 'admit'>
  sessions: SessionAuthenticator
  webhooks: WebhookAuthenticator
  /** Absent: sessions of people are taken nowhere. */
  people?: PersonAuthenticator
  clock: Clock
}

/** What a verdict needs: with these alone, nothing can be noted or taken. */
export type JudgingDependencies =
  Pick<AdmissionDependencies, 'authenticator' | 'registry' | 'sessions' | 'webhooks' | 'people'>

/** A request to a protected API, at the one moment at which it is judged. */
export interface JudgedCall extends JudgedRequest {
  readonly dependencies: JudgingDependencies
  /** The token of a webhook that the path holds; null: the route takes none. */
  readonly webhookToken: string | null
}

/** A request that is judged and then admitted, wherever it arrived. */
export interface Call extends JudgedCall { readonly dependencies: AdmissionDependencies }

/** "No" is a value. `limits`: the state of every limit that was looked at. */
export type Admission = Admitted | {
  ok: false, refusal: Refusal, retryAfterSeconds: number | null, limits: readonly RateLimitState[]
}

export interface Admitted {
  ok: true
  principal: Principal
  organizationId: string | null
  boundObject: BoundObject | null
  personSession: PersonSession | null
  spending: string | null
  limits: readonly RateLimitState[]
}

/** Whether the request may pass, and as whom. What it costs is taken only when nothing else stands in its way. */
export function admission (call: Call, presented: PresentedCredential | PresentedSession): Awaitable<Admission> {
  const facts = gather(call, presented)
  if (facts instanceof Promise || isElsewhere(facts, call)) return admitLater(call, facts)
  return judgeAndTake(call, facts, null)
}

/** As `admission`, where facts are not in memory, or where the path names another organization. */
async function admitLater (call: Call, gathered: Awaitable<CredentialFacts>): Promise<Admission> {
  const facts = await gathered
  return await judgeAndTake(call, facts, isElsewhere(facts, call) ? await gatherPlace(call, facts) : null)
}

function judgeAndTake (call: Call, facts: CredentialFacts, place: PlaceFacts | null): Awaitable<Admission> {
  const verdict = judge(facts, place, call)
  return verdict.ok ? take(call, facts, verdict.principal) : no(verdict.refusal)
}

/** What `admission` would say now, apart from limits and credits. Nothing is noted or taken. */
export async function verdictOn (
  call: JudgedCall, presented: PresentedCredential | PresentedSession
): Promise<Verdict> {
  return await verdictByFacts(call, await gather(call, presented))
}

/** As `verdictOn`, of a credential whose facts are known without its text. */
export async function verdictByFacts (call: JudgedCall, facts: CredentialFacts): Promise<Verdict> {
  return judge(facts, isElsewhere(facts, call) ? await gatherPlace(call, facts) : null, call)
}

/** What judges and looks at limits, without a way to take anything. */
export interface ForeseeingDependencies extends JudgingDependencies { meter: Pick<Meter, 'reasonAgainst'> }

/** A request that is judged up to its limits. */
export interface ForeseenCall extends JudgedCall { readonly dependencies: ForeseeingDependencies }

/** What `admission` would say now, limits and credits included. Nothing is noted or taken. */
export async function foreseenOn (
  call: ForeseenCall, presented: PresentedCredential | PresentedSession
): Promise<Verdict> {
  return await foreseenByFacts(call, await gather(call, presented))
}

/** As `foreseenOn`, of a credential whose facts are known without its text. */
export async function foreseenByFacts (call: ForeseenCall, facts: CredentialFacts): Promise<Verdict> {
  const verdict = await verdictByFacts(call, facts)
  const consumer = consumerIn(facts)
  if (!verdict.ok || consumer === null) return verdict
  const { dependencies: { meter }, requirements: { credits }, now } = call
  const reason = await meter.reasonAgainst({ consumer, organization: facts.organization!, credits, now })
  return reason === null ? verdict : { ok: false, refusal: refusalByLimit(reason, verdict.principal) }
}

/** The facts of the one kind of credential that the route takes. */
function gather (call: JudgedCall, presented: PresentedCredential | PresentedSession): Awaitable<CredentialFacts> {
  const { dependencies: { authenticator, sessions, webhooks, people }, requirements: { session }, webhookToken } = call
  if (webhookToken !== null) {
    return 'refusal' in presented && presented.refusal.reason === 'no_credential'
      ? webhooks.gather(webhookToken, call)
      : notFound('several_credentials', null)
  }
  if ('refusal' in presented) return presented
  if ('session' in presented) return people!.gather(presented.session, call)
  const { credential } = presented
  return session && credential.kind === 'access_token'
    ? sessions.gather(credential.text, call)
    : authenticator.gather(credential, call)
}

/** Whether the path names an organization that the credential reaches and that is not its own. */
function isElsewhere ({ principal }: CredentialFacts, { organizationId: named }: JudgedCall): boolean {
  return named !== null && principal !== null && principal.organizationId !== named &&
    principal.organizations.includes(named)
}

/** Null: the credential is refused for itself, and nothing is looked up for it. */
async function gatherPlace (call: JudgedCall, facts: CredentialFacts): Promise<PlaceFacts | null> {
  const { dependencies: { registry }, organizationId: named } = call
  if (judgeCredential(facts, call) !== null) return null
  const [organization, policies] = await Promise.all([
    registry.organization(named!), policiesFor(registry, facts.principal!.organizationId, named)
  ])
  return { organization, policies }
}

/** Notes the use of the credential, and takes what the call costs. */
function take (call: Call, facts: CredentialFacts, principal: Principal): Awaitable<Admission> {
  const { dependencies: { managementTokenUsage, people, meter }, requirements: { credits }, now } = call
  const consumer = consumerIn(facts)
  // Noted before its limits are looked at: a key that only runs into them is still in use.
  if (principal.kind === 'management_token') managementTokenUsage.touch(principal.id, now)
  if (facts.kind === 'person') people!.touch(facts.session, now)
  if (consumer === null) return yes(call, facts, principal)
  usageOf(facts, call.dependencies).touch(consumer.id, now)
  const metered = meter.admit({ consumer, organization: facts.organization!, credits, now })
  return metered instanceof Promise
    ? admitMeteredLater(call, facts, principal, metered)
    : admitMetered(call, facts, principal, metered)
}

/** Where the use of what is counted is noted. */
function usageOf (
  { kind }: CredentialFacts, { keyUsage, authorizationUsage }: AdmissionDependencies
): Pick<LastUsedRecorder, 'touch'> {
  return kind === 'access_token' ? authorizationUsage : keyUsage
}

async function admitMeteredLater (
  call: Call, facts: CredentialFacts, principal: Principal, metered: Promise<MeterVerdict>
): Promise<Admission> {
  return admitMetered(call, facts, principal, await metered)
}

function admitMetered (call: Call, facts: CredentialFacts, principal: Principal, metered: MeterVerdict): Admission {
  return metered.ok
    ? yes(call, facts, principal, metered)
    : no(refusalByLimit(metered.reason, principal), metered)
}

const unmetered: MeterVerdict & { ok: true } = { ok: true, spending: null, limits: [] }

function yes (
  call: Call, facts: CredentialFacts, principal: Principal, { spending, limits } = unmetered
): Admitted {
  return {
    ok: true,
    principal,
    organizationId: call.organizationId ?? principal.organizationId,
    boundObject: facts.kind === 'webhook_token' ? facts.token.object : null,
    personSession: facts.kind === 'person' ? facts.session : null,
    spending,
    limits
  }
}

function no (
  refusal: Refusal,
  { retryAfterSeconds, limits }: Pick<Admission & { ok: false }, 'retryAfterSeconds' | 'limits'> = {
    retryAfterSeconds: null, limits: []
  }
): Admission {
  return { ok: false, refusal, retryAfterSeconds, limits }
}
