/**
 * Forward-auth: a proxy asks whether the request before it may go on to its upstream, for an API without any code of
 * ours. Nginx asks by `auth_request`, Caddy by `forward_auth`, Traefik by ForwardAuth, Envoy by ext_authz.
 */
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import { requireAvailable } from '../../base/availability.ts'
import type { Awaitable } from '../../base/awaitable.ts'
import { Failure } from '../../base/errors.ts'
import { addressOf, isWithin, readAddress, unknownAddress } from '../../base/ip-address.ts'
import { lru } from '../../base/lru.ts'
import { refusal } from '../../domain/access/facts.ts'
import type { Registry } from '../../domain/access/registry.ts'
import { isOfThisVersion, type Resource } from '../../domain/resources/resource.ts'
import { managementStyle } from '../../domain/resources/style.ts'
import { admission, type Admission, type AdmissionDependencies } from '../../guard/admission.ts'
import { challengedBy } from '../../guard/guarded-resource.ts'
import { presentedCredential, type PresentedCredential } from '../../guard/presentation.ts'
import { rateLimitHeaders } from '../../http/rate-limit-headers.ts'
import {
  discouragingHeaders, failureAnswer, refusalAnswer, type ReadyAnswer, type StyledOccasion
} from '../../guard/refusal/ready-answer.ts'
import {
  logAskedAndAdmitted, noteVerdict, recordFailure, recordRefusal, type FailedRequest, type RecordDependencies
} from '../../guard/verdict-record.ts'
import { isOverTls } from '../../http/forwarded.ts'
import { presentError } from '../../management/conventions/presenter.ts'
import { askedCall } from '../asked-call.ts'
import { readNeeds, requireOwnNeeds, type AskedNeeds } from './asked-needs.ts'
import { sendRefusal } from './forward-answer.ts'
import { namedPath, originalRequest, type OriginalRequest } from './original-request.ts'
import { behindNeeds, needsInPath, needsInQuery } from './route-descriptions.ts'
import { assertionFor, upstreamHeaders, type AssertionOptions } from './upstream-headers.ts'

export interface ForwardAuthOptions extends AdmissionDependencies, RecordDependencies, AssertionOptions {
  /** Addresses and ranges of the proxies that may ask. */
  trustedProxies: readonly string[]
}

/** Below this path stand the routes. */
export const forwardAuthPath = '/api/v1/forward-auth'

/** Registers the routes, for any method: a proxy may send that of its caller. */
export function forwardAuth (options: ForwardAuthOptions): FastifyPluginAsync {
  const strangers = new Strangers()
  return async app => {
    app.setErrorHandler(presentError)
    // Parameters are read from the raw URL, and a body is the upstream's: no schema and no parser reads either.
    app.setValidatorCompiler(() => () => true)
    app.removeAllContentTypeParsers()
    app.addContentTypeParser('*', (_request, payload, done) => {
      payload.resume()
      done(null)
    })
    const answer = async (request: FastifyRequest, reply: FastifyReply) =>
      await answerTo(options, strangers, request, reply)
    for (const [url, schema] of [
      ['/:resource', needsInQuery], ['/:resource/:needs', needsInPath], ['/:resource/:needs/*', behindNeeds]
    ] as const) {
      app.get(forwardAuthPath + url, { schema }, answer)
      app.route({ method: otherMethods(app), url: forwardAuthPath + url, schema: { hide: true }, handler: answer })
    }
  }
}

function otherMethods (app: FastifyInstance) {
  return app.supportedMethods.filter(method => method !== 'GET' && method !== 'HEAD') as 'POST'[]
}

/** A question of a proxy, once it is known what the request needs. */
interface Question {
  options: ForwardAuthOptions
  request: FastifyRequest
  needs: AskedNeeds
  /** The resource, by id or identifier. */
  named: string
  url: NeedsInUrl
}

async function answerTo (
  options: ForwardAuthOptions, strangers: Strangers, request: FastifyRequest, reply: FastifyReply
): Promise<FastifyReply> {
  requireTrustedPeer(options.trustedProxies, strangers, request)
  const url = needsIn(request.raw.url!)
  const needs = readNeeds(url.text)
  const { resource: named } = request.params as { resource: string }
  const answer = await decide({ options, request, needs, named, url })
  return 'status' in answer
    ? sendRefusal(reply, answer, needs.proxyIsNginx)
    : reply.code(200).headers(answer.headers).send()
}

/** A proxy that asks states the caller's address and request: only the deployment's own proxies are believed. */
function requireTrustedPeer (
  trusted: readonly string[], strangers: Strangers, { log, socket: { remoteAddress } }: FastifyRequest
): void {
  if (isWithin(readAddress(remoteAddress), trusted) === true) return
  strangers.tell(log, remoteAddress ?? unknownAddress)
  throw new Failure('insufficient_permissions', {
    message: `Forward-auth answers trusted proxies alone, and ${remoteAddress ?? 'this connection'} is none: add the ` +
      'address of the proxy to LATCHKEY_TRUST_PROXY.'
  })
}

/** Peers that asked and may not. A proxy keeps the body of a 403 to itself: the log tells its operator why. */
class Strangers {
  /** When each was told last, by `performance.now()`. */
  readonly #told = lru<{ at: number }>(1_000)

  /** Warns of a peer, once a minute. */
  tell (log: FastifyRequest['log'], peer: string): void {
    const now = performance.now()
    if (now < (this.#told.get(peer)?.at ?? -Infinity) + 60_000) return
    this.#told.set(peer, { at: now })
    log.warn({ peer },
      `Forward-auth refuses ${peer}, which is no trusted proxy: if it is your proxy, add its address to ` +
        'LATCHKEY_TRUST_PROXY.')
  }
}

interface NeedsInUrl {
  /** Still encoded. */
  text: string
  /** Whether they are the query, to which a proxy may add that of its caller. */
  inQuery: boolean
  /** What stands behind them in the path form; null: nothing. */
  appended: string | null
}

function needsIn (url: string): NeedsInUrl {
  const behind = url.slice(url.indexOf(forwardAuthPath) + forwardAuthPath.length + 1)
  const [, delimiter, rest = ''] = partsAt(behind)
  if (delimiter !== '/') return { text: rest, inQuery: true, appended: null }
  const [text, next, appended] = partsAt(rest)
  return { text, inQuery: false, appended: next === '' ? null : next + appended }
}

function partsAt (text: string): [before: string, delimiter: string, behind: string] {
  const at = text.search(/[/?]/)
  return at === -1 ? [text, '', ''] : [text.slice(0, at), text[at]!, text.slice(at + 1)]
}

/** The answer in the style of the resource, in that of our own API where it is not known. */
async function decide (asked: Question): Promise<Allowed | ReadyAnswer> {
  const { options, request } = asked
  const occasion: StyledOccasion = {
    path: namedPath(request.raw, asked.url.appended),
    now: options.clock(),
    requestId: request.id,
    style: managementStyle
  }
  try {
    requireAvailable(options.telemetry.availability)
    const resource = await resourceNamed(options.registry, asked.named)
    occasion.style = resource.style
    requireDeclared(resource, asked.needs)
    const original = originalRequest(request.raw, asked.url.appended, resource.style)
    if (asked.url.inQuery) requireOwnNeeds(asked.url.text, original)
    return await decideFor(asked, resource, original, occasion)
  } catch (error) {
    return failureAnswer(recordFailure(options, error, recorded(request)), occasion)
  }
}

/** @throws Failure `unknown_resource`. Our own API is none of these: its tokens stay with it. */
async function resourceNamed (registry: Registry, named: string): Promise<Resource> {
  const found = named.startsWith('res_') ? await registry.resource(named) : await registry.resourceByIdentifier(named)
  if (found !== null && found.revokedAt === null && !isOfThisVersion(found)) return found
  throw new Failure('unknown_resource', {
    message: `There is no resource ${
      JSON.stringify(named.slice(0, 256))
    } to ask about; name one by its id, or by its percent-encoded identifier.`
  })
}

/** A scope that the resource does not declare is a mistake of its operator, and no credential could have it. */
function requireDeclared ({ scopes, identifier }: Resource, { requirements }: AskedNeeds): void {
  const unknown = requirements.scopes.find(name => !scopes.some(scope => scope.name === name))
  if (unknown === undefined) return
  throw new Failure('unknown_scope', {
    message: `The resource ${identifier} does not declare the scope ${JSON.stringify(unknown)}.`
  })
}

interface Allowed { headers: Record<string, string> }

async function decideFor (
  asked: Question, resource: Resource, original: OriginalRequest, occasion: StyledOccasion
): Promise<Allowed | ReadyAnswer> {
  const { options, request, needs } = asked
  const presented = presentedCredential({ raw: request.raw, query: original.query }, resource.style)
  const admitted = await admissionTo(asked, resource, presented)
  if (!admitted.ok) {
    recordRefusal(options, admitted.refusal, {
      ...recorded(request), resource, route: routeOf(request)
    })
    return refusalAnswer(admitted, occasion, challengedBy(resource, needs.requirements))
  }
  noteVerdict(options, 'admitted', admitted.principal.kind)
  logAskedAndAdmitted(options, admitted.principal, {
    ...recorded(request), resource, route: routeOf(request), status: 200
  })
  const inQuery = 'inQuery' in presented && presented.inQuery
  return {
    headers: {
      'cache-control': 'no-store',
      ...(inQuery ? discouragingHeaders(resource.style) : {}),
      ...rateLimitHeaders(admitted.limits),
      ...upstreamHeaders(
        admitted, needs.assertion ? await assertionFor(options, resource, admitted, occasion.now) : null
      )
    }
  }
}

function admissionTo (
  { options, request, needs }: Question, resource: Resource, presented: PresentedCredential
): Awaitable<Admission> {
  // Before its credential is looked at, as in front of a guarded route (CL-02).
  if (resource.style.requireTls === true && !isOverTls(request)) {
    return { ok: false, refusal: refusal('tls_required', null), retryAfterSeconds: null, limits: [] }
  }
  return admission(askedCall(options, { ...needs, resource, address: callersAddress(request) }), presented)
}

/** Null: the proxy does not forward it, and its own address must open no allowlist. */
function callersAddress (request: FastifyRequest): string | null {
  return request.headers['x-forwarded-for'] === undefined ? null : addressOf(request)
}

/** As it is declared: what the proxy guards has paths with ids. */
function routeOf ({ method, routeOptions: { url } }: FastifyRequest): string {
  return `${method} ${url}`
}

function recorded (request: FastifyRequest): FailedRequest {
  return { address: callersAddress(request) ?? unknownAddress, id: request.id, log: request.log }
}
