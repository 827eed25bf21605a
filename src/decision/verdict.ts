/** The verdict on one question: what the guard of the resource would have decided, as JSON for the client that asks. */
import type { FastifyRequest } from 'fastify'
import type { Awaitable } from '../base/awaitable.ts'
import { Failure } from '../base/errors.ts'
import { unknownAddress } from '../base/ip-address.ts'
import type { Verdict as Judged } from '../domain/access/judge.ts'
import type { Principal } from '../domain/access/principal.ts'
import type { Client } from '../domain/credentials/client.ts'
import {
  admission, verdictOn, type Admission, type AdmissionDependencies, type Call, type JudgedCall
} from '../guard/admission.ts'
import { challengedBy } from '../guard/guarded-resource.ts'
import { rateLimitHeaders } from '../http/rate-limit-headers.ts'
import {
  failureAnswer, refusalAnswer, type ReadyAnswer, type Refused, type StyledOccasion
} from '../guard/refusal/ready-answer.ts'
import {
  logAskedAndAdmitted, noteVerdict, recordLost, recordRefusal, type RecordDependencies, type RecordedRequest
} from '../guard/verdict-record.ts'
import { wirePrincipal } from '../management/schemas/principal.ts'
import { askedCall } from './asked-call.ts'
import { disclosedReason } from './disclosure.ts'
import type { CredentialQuestion } from './question.ts'

/** The client that asks, by which request, and the parts that decide and record. */
export interface Asking {
  dependencies: AdmissionDependencies & RecordDependencies
  client: Client
  request: FastifyRequest
  /** By which it asks, as it is declared; left out: `POST /api/v1/verify`. */
  route?: string
}

/** `json`: an object. `isFailure`: it could not be judged, and nothing was taken. */
export interface Verdict { allowed: boolean, isFailure: boolean, json: string }

/** Judges a question, and takes what the call costs. In memory without a promise. */
export function verdict (asking: Asking, question: CredentialQuestion): Awaitable<Verdict> {
  const { dependencies } = asking
  const call = askedCall(dependencies, question)
  try {
    const admitted = admission(call, question.presented)
    return admitted instanceof Promise || isPerhapsKey(question, admitted)
      ? verdictLater(asking, question, call.now, admitted)
      : answerTo(asking, question, call.now, admitted)
  } catch (error) {
    return answerToFailure(asking, question, call.now, error)
  }
}

async function verdictLater (
  asking: Asking, question: CredentialQuestion, now: Date, admitted: Awaitable<Admission>
): Promise<Verdict> {
  try {
    return answerTo(asking, question, now, await asKeyToo(asking.dependencies, question, await admitted))
  } catch (error) {
    return answerToFailure(asking, question, now, error)
  }
}

/** What was said of the text as a token, or as a key that was taken over. */
async function asKeyToo (
  dependencies: AdmissionDependencies, question: CredentialQuestion, first: Admission
): Promise<Admission> {
  return isPerhapsKey(question, first)
    ? found(first, await admission(askedCall(dependencies, question), question.asKey!))
    : first
}

/** Judges the credential of a question, and takes what the call costs. */
export async function admitted (call: Call, question: CredentialQuestion): Promise<Admission> {
  return await asKeyToo(call.dependencies, question, await admission(call, question.presented))
}

/** Judges the credential of a question alone: nothing is noted or taken. */
export async function standing (call: JudgedCall, question: CredentialQuestion): Promise<Judged> {
  const now = await verdictOn(call, question.presented)
  return isPerhapsKey(question, now) ? found(now, await verdictOn(call, question.asKey!)) : now
}

/** Whether a text that is no token of ours may be a key that was taken over. */
function isPerhapsKey ({ asKey }: CredentialQuestion, judged: Judged): boolean {
  return asKey !== null && !judged.ok && judged.refusal.reason === 'malformed'
}

/**
 * The kept verdict, if the credential would still pass now: what was revoked since, or is used from elsewhere, is
 * refused. Takes nothing.
 */
export async function keptVerdict (asking: Asking, question: CredentialQuestion, kept: Verdict): Promise<Verdict> {
  if (!kept.allowed) return kept
  const call = askedCall(asking.dependencies, question)
  try {
    const last = await standing(call, question)
    return last.ok
      ? kept
      : answerTo(asking, question, call.now, { ...last, retryAfterSeconds: null, limits: [] })
  } catch (error) {
    return answerToFailure(asking, question, call.now, error)
  }
}

/** What was said of a key, if there is one. */
function found<T extends Judged> (ofToken: T, ofKey: T): T {
  return ofKey.ok || ofKey.refusal.subject !== null ? ofKey : ofToken
}

function answerTo (asking: Asking, question: CredentialQuestion, now: Date, admitted: Admission): Verdict {
  const { dependencies, client } = asking
  if (admitted.ok) {
    noteVerdict(dependencies, 'admitted', admitted.principal.kind)
    const { principal, limits } = admitted
    logAskedAndAdmitted(dependencies, principal, { ...recorded(asking, question), status: 200 })
    const headers = limits.length === 0 ? '' : `,"headers":${JSON.stringify(rateLimitHeaders(limits))}`
    return {
      allowed: true, isFailure: false, json: `{"allowed":true,"principal":${described(principal)}${headers}}`
    }
  }
  const answer = refusalTo(asking, question, now, admitted)
  return refused(disclosedReason(client, question.resource.style.errors, admitted.refusal), answer, false)
}

/** Records a refusal, and makes the answer to it, in the style of the resource. */
export function refusalTo (
  asking: Asking, question: CredentialQuestion, now: Date, refused: Refused
): ReadyAnswer {
  recordRefusal(asking.dependencies, refused.refusal, recorded(asking, question))
  const { resource, requirements } = question
  return refusalAnswer(refused, occasion(asking, question, now), challengedBy(resource, requirements))
}

/** A failure is the answer to its own question alone: others of the same call may be judged. */
function answerToFailure (asking: Asking, question: CredentialQuestion, now: Date, error: unknown): Verdict {
  const { dependencies, request } = asking
  const failure = error instanceof Failure ? error : new Failure('internal', { cause: error })
  if (dependencies.telemetry.availability.rejecting === failure.code) {
    request.log.info({ code: failure.code }, failure.message)
  } else if (failure.code === 'change_lost') recordLost(dependencies, failure, recorded(asking, question))
  else request.log.error({ err: error }, 'a question could not be decided')
  return refused(failure.code, failureAnswer(failure, occasion(asking, question, now)), true)
}

function refused (reason: string, refusal: ReadyAnswer, isFailure: boolean): Verdict {
  return { allowed: false, isFailure, json: JSON.stringify({ allowed: false, reason, refusal }) }
}

function occasion ({ request }: Asking, { path, resource: { style } }: CredentialQuestion, now: Date): StyledOccasion {
  return { path, now, requestId: request.id, style }
}

/** The route of an API that asks is not known here by its declaration, and its paths hold ids. */
const askedRoute = 'POST /api/v1/verify'

/** The address is that of the question; the detail names the client that asks. */
function recorded (
  { client, request, route = askedRoute }: Asking, { address, method, path, resource }: CredentialQuestion
): RecordedRequest {
  return {
    address: address ?? unknownAddress,
    id: request.id,
    log: request.log,
    resource,
    route,
    about: { askedBy: client.id, ...(method === null ? {} : { method }), path }
  }
}

/** Descriptions by principal: as soon as anything about it changes, another principal is made. */
const descriptions = new WeakMap<Principal, string>()

function described (principal: Principal): string {
  const known = descriptions.get(principal)
  if (known !== undefined) return known
  const text = JSON.stringify(wirePrincipal(principal))
  descriptions.set(principal, text)
  return text
}
