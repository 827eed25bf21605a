/** Verify and reserve in one call: the guard's verdict on the credential, then its budgets. */
import type { FastifyRequest } from 'fastify'
import { Failure } from '../../base/errors.ts'
import { canonicalJson } from '../../domain/core/idempotency.ts'
import type { Principal } from '../../domain/access/principal.ts'
import type { Client } from '../../domain/credentials/client.ts'
import { reservationOf, reserve, type AskedReservation, type Shortage } from '../../domain/spending/reserve.ts'
import type { Reservation } from '../../domain/spending/reservation.ts'
import type { Store } from '../../domain/store.ts'
import { secondsUntil } from '../../domain/core/calendar.ts'
import type { ReadyAnswer, Refused } from '../../guard/refusal/ready-answer.ts'
import { digestOf } from '../../secrets/digest.ts'
import { askableResources } from '../askable-resources.ts'
import type { Call } from '../../guard/admission.ts'
import { askedCall } from '../asked-call.ts'
import { disclosedReason } from '../disclosure.ts'
import { questionsOf, type CredentialQuestion } from '../question.ts'
import { admitted, refusalTo, standing, type Asking } from '../verdict.ts'

/** What a gateway sends, without its own proof. */
export interface AskedCall {
  credential: string
  estimate: number
  model: string
  reference: string
  account?: string
  resource?: string
  scopes?: string[]
  address?: string
  provider?: string
}

export type ReservedCall =
  | { ok: true, reservation: Reservation, principal: Principal, isNew: boolean }
  | { ok: false, reason: string, answer: ReadyAnswer, shortage: Shortage | null }

/** As the log of requests names the route. */
const route = 'POST /api/v1/spend/reservations'

/**
 * Reserves for a credential that passes. A repeated reference takes nothing again, and its credential has to pass
 * still.
 * @throws Failure `conflict` for a reference of another call, `invalid_request`, and as `questionsOf`.
 */
export async function reservedCall (
  dependencies: Asking['dependencies'] & { store: Store }, client: Client, request: FastifyRequest, body: AskedCall
): Promise<ReservedCall> {
  const { store, clock } = dependencies
  const asking: Asking = { dependencies, client, request, route }
  const question = await questionOf(asking, body)
  const fingerprint = digestOf(canonicalJson(body))
  const named = { clientId: client.id, reference: body.reference, fingerprint }
  const first = await reservationOf(store, named)
  const call = askedCall(dependencies, question)
  if (first !== null) return await repeated(asking, question, call, first)
  const verdict = await admitted(call, question)
  if (!verdict.ok) return refused(asking, question, call, verdict)
  const { principal } = verdict
  const outcome = await reserve({ store, clock }, { ...asked(body, principal), ...named })
  return outcome.ok
    ? { ...outcome, principal }
    : overBudget(asking, question, call, principal, outcome.shortage)
}

async function repeated (
  asking: Asking, question: CredentialQuestion, call: Call, reservation: Reservation
): Promise<ReservedCall> {
  const now = await standing(call, question)
  if (now.ok) return { ok: true, reservation, principal: now.principal, isNew: false }
  return refused(asking, question, call, { refusal: now.refusal, retryAfterSeconds: null, limits: [] })
}

function refused (asking: Asking, question: CredentialQuestion, { now }: Call, verdict: Refused): ReservedCall {
  const answer = refusalTo(asking, question, now, verdict)
  const { errors } = question.resource.style
  return { ok: false, reason: disclosedReason(asking.client, errors, verdict.refusal), answer, shortage: null }
}

async function questionOf ({ dependencies, client }: Asking, body: AskedCall): Promise<CredentialQuestion> {
  const askable = await askableResources(dependencies.registry, client)
  const { credential, scopes = [], address } = body
  const resource = body.resource ?? onlyOne([...new Set(askable.values())].map(({ identifier }) => identifier))
  const [asked] = questionsOf(askable, { credential, resource, scopes, ...(address === undefined ? {} : { address }) })
  return asked!.question
}

function onlyOne (identifiers: readonly string[]): string {
  if (identifiers.length === 1) return identifiers[0]!
  throw new Failure('invalid_request', {
    message: identifiers.length === 0
      ? 'This client introspects no resource, so no credential can be verified for it: `latchkey client update ' +
        'CLIENT --introspect RESOURCE`.'
      : 'This client introspects several resources: name the one of the credential as resource.',
    details: { field: 'resource' }
  })
}

function asked (
  { estimate, model, account }: AskedCall, principal: Principal
): Omit<AskedReservation, 'clientId' | 'reference' | 'fingerprint'> {
  const { id, organizationId, creator } = principal
  if (organizationId === null) {
    throw new Failure('invalid_request', {
      message: 'The credential belongs to no organization, so there is none to charge.',
      details: { field: 'credential' }
    })
  }
  return { organizationId, credentialId: id, account: account ?? creator?.id ?? null, model, estimate }
}

function overBudget (
  asking: Asking, question: CredentialQuestion, call: Call, principal: Principal, shortage: Shortage
): ReservedCall {
  const { holder, period, limit, left, resetsAt } = shortage
  // What others spend together is not for the callers of one organization.
  const amounts = holder.kind === 'global' ? {} : { limit, left }
  const reason = 'insufficient_budget' as const
  const answer = refusalTo(asking, question, call.now, {
    refusal: {
      reason,
      presented: principal.kind === 'access_token' ? 'access_token' : 'api_key',
      subject: principal.id,
      organizationId: principal.organizationId,
      budget: { of: holder.kind, period, ...amounts, resetsAt }
    },
    retryAfterSeconds: secondsUntil(resetsAt, call.now),
    limits: []
  })
  return { ok: false, reason, answer, shortage }
}
