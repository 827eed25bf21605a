/**
 * Between Fastify and oidc-provider: hands a request over with its body unread, completes the provider's answer, and
 * makes sure that every answer is JSON of RFC 6749 §5.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Provider } from 'oidc-provider'
import { addressOf, countedAddress } from '../../base/ip-address.ts'
import { windowLimiter, type WindowLimiter } from '../../domain/metering/window-limiter.ts'
import { authorizationRoutes } from '../authorization/authorization-routes.ts'
import { holderRevocation } from '../endpoints/holder-revocation.ts'
import { tryFastPath } from '../fast-path/fast-path.ts'
import { keyExchange } from '../grants/key-exchange.ts'
import { ownGrants, type OwnAnswer } from '../grants/own-grants.ts'
import { workloadGrant } from '../workloads/workload-grant.ts'
import { descriptions } from '../shared/descriptions.ts'
import { noStore, OAuthError } from '../shared/oauth-error.ts'
import { paths } from '../shared/paths.ts'
import type { ProviderAdapterOptions } from './adapter-options.ts'
import { afterProvider, browserHeaders } from './after-provider.ts'
import { brokeOff, onBroken, onPolicyDenied, onRefusal } from './provider-events.ts'
import { buildProvider } from './provider.ts'
import { contextOf, keepContext, type RequestContext } from './request-context.ts'

const endpoints = ['token', 'introspection', 'revocation'] as const
type OAuthEndpoint = typeof endpoints[number]

interface Current {
  provider: Provider
  handle (req: IncomingMessage, res: ServerResponse): Promise<void>
}

/** The routes that oidc-provider answers, and the provider with the present signing keys. */
export function providerAdapter (
  options: ProviderAdapterOptions
): { mount: (app: FastifyInstance) => Promise<void>, provider: () => Provider } {
  const failures = options.clientFailures ??
    windowLimiter(options.limits.failuresPerClient, options.clock, options.counts.of('client failures'))
  const addressFailures = windowLimiter(
    options.limits.failuresPerAddress, options.clock, options.counts.of('address failures')
  )
  const current = currentProvider(options, failures, addressFailures)
  // Requests without a client, which the provider refuses.
  const ahead: Partial<Record<OAuthEndpoint, (request: FastifyRequest) => Promise<OwnAnswer | null>>> = {
    token: ownGrants({ refusals: options.refusals, addressFailures }, [keyExchange(options), workloadGrant(options)]),
    revocation: holderRevocation(options),
  }
  const mount = async (app: FastifyInstance): Promise<void> => {
    const { endIfClosing, endOnceClosing } = closeWithoutWaiting(app)
    const finished = closeAfterwards(app)
    // The provider reads the body itself, with its own cap and its own check for repeated parameters.
    app.removeAllContentTypeParsers()
    // Forms by their own type, too: Fastify caches parsers by type, and parses a type that matches `*` on each request.
    for (const type of ['application/x-www-form-urlencoded', '*']) {
      app.addContentTypeParser(type, (_request, _payload, done) =>
        done(null))
    }
    app.addHook('onRequest', refuseUntypedBody)
    for (const name of endpoints) {
      const answer = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
        if (name === 'token') await options.catchUp?.()
        const context = newContext(request)
        hijack(reply)
        const body = options.fastPath === false ? null : await tryFastPath(options, context)
        if (body !== null) {
          endIfClosing(reply.raw)
          return sendFastAnswer(reply.raw, body, context)
        }
        const own = await ahead[name]?.(request) ?? null
        if (own !== null) {
          endIfClosing(reply.raw)
          return sendOwnAnswer(reply.raw, own)
        }
        await pass(context, reply, paths[name])
      }
      const route = { schema: descriptions[name], onRequest: refuseQuery }
      app.post(paths[name], route, (request, reply) => finished(answer(request, reply)))
    }
    const pass = passTo(current, endOnceClosing)
    const { people } = options
    if (people === undefined) return
    people.interactions.attach({ ...options, people }, () => current().provider)
    const { limits, clock, counts } = options
    const requests = windowLimiter(limits.requestsPerAddress, clock, counts.of('authorization requests'))
    await app.register(authorizationRoutes(requests, async (request, reply, url) => {
      await options.catchUp?.()
      hijack(reply)
      await pass(newContext(request), reply, url)
    }))
  }
  return { mount, provider: () => current().provider }
}

function newContext (request: FastifyRequest): RequestContext {
  return { request, lookedUp: null, warning: null, failure: null, refused: null }
}

/** Hands a request over whose reply was taken from Fastify. `url`: as the provider has the path, with the query. */
function passTo (current: () => Current, endOnceClosing: (response: ServerResponse) => void) {
  return async (context: RequestContext, reply: FastifyReply, url: string): Promise<void> => {
    const { request: { raw, log } } = context
    endOnceClosing(reply.raw)
    // The provider takes an aborted body for one that was read already, and warns of that on the console.
    if (raw.destroyed) return brokeOff(log, raw.errored)
    keepContext(context)
    // The provider stops reading a body that is too large; what is left would keep the next request waiting.
    reply.raw.once('finish', () => { raw.resume() })
    // The provider's router does not normalize percent-encoding as ours does (RFC 3986 §6.2.2.2).
    raw.url = url
    await current().handle(raw, reply.raw)
  }
}

const parameters = [
  'client_id', 'client_secret', 'client_assertion', 'client_assertion_type', 'grant_type', 'scope', 'resource', 'token',
  'token_type_hint', 'subject_token', 'subject_token_type', 'assertion', 'audience'
]

/** RFC 6749 §2.3.1: credentials never travel in the URI. A parameter found there is refused, not read. */
function refuseQuery ({ query }: FastifyRequest, _reply: FastifyReply, done: (refusal?: Error) => void): void {
  const found = parameters.find(name => (query as Record<string, unknown>)[name] !== undefined)
  done(
    found === undefined
      ? undefined
      : new OAuthError(400, 'invalid_request', `The parameter ${found} belongs in the body, never in the URI.`)
  )
}

/** The provider does not read a body without a content type, and would report its parameters as missing. */
function refuseUntypedBody ({ headers }: FastifyRequest, _reply: FastifyReply, done: (refusal?: Error) => void): void {
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  const untyped = hasBody && headers['content-type'] === undefined
  done(
    untyped
      ? new OAuthError(
        400, 'invalid_request', 'The body must be application/x-www-form-urlencoded, and have this Content-Type.'
      )
      : undefined
  )
}

/** Takes the response from Fastify with the headers that were set so far, by other plugins for example. */
function hijack (reply: FastifyReply): void {
  reply.hijack()
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value)
  }
}

/** Sends the answer of the fast path with the headers that `afterProvider` leaves on the provider's. */
function sendFastAnswer (response: ServerResponse, body: string, { warning }: RequestContext): void {
  for (const name of browserHeaders) response.removeHeader(name)
  response.writeHead(200, {
    'cache-control': noStore['cache-control'],
    ...(warning === null ? {} : { warning }),
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  })
  response.end(body)
}

/** Sends an answer of our own; it is for no page. */
function sendOwnAnswer (response: ServerResponse, { status, headers, body }: OwnAnswer): void {
  for (const name of browserHeaders) response.removeHeader(name)
  const text = body === null ? '' : JSON.stringify(body)
  response.writeHead(status, {
    ...noStore,
    ...headers,
    ...(body === null ? {} : { 'content-type': 'application/json; charset=utf-8' }),
    'content-length': Buffer.byteLength(text)
  })
  response.end(text)
}

/**
 * Fastify does not wait for a hijacked reply whose connection is gone: what its request records has to be written
 * before the database closes.
 */
function closeAfterwards (app: FastifyInstance): (work: Promise<void>) => Promise<void> {
  const running = new Set<Promise<void>>()
  app.addHook('onClose', async () => { await Promise.allSettled(running) })
  return async work => {
    running.add(work)
    await work.finally(() => running.delete(work))
  }
}

/** Fastify waits for keep-alive connections of hijacked replies; while closing these get `Connection: close`. */
function closeWithoutWaiting (
  app: FastifyInstance
): Record<'endIfClosing' | 'endOnceClosing', (response: ServerResponse) => void> {
  const open = new Set<ServerResponse>()
  let closing = false
  const endIfClosing = (response: ServerResponse) => {
    if (closing && !response.headersSent) response.setHeader('connection', 'close')
  }
  app.addHook('preClose', async () => {
    closing = true
    open.forEach(endIfClosing)
  })
  const endOnceClosing = (response: ServerResponse) => {
    endIfClosing(response)
    open.add(response)
    response.once('close', () => open.delete(response))
  }
  return { endIfClosing, endOnceClosing }
}

/** The provider with the present signing keys, rebuilt when one of them changes. */
function currentProvider (
  options: ProviderAdapterOptions, failures: WindowLimiter, addressFailures: WindowLimiter
): () => Current {
  let built: Current & { kids: string } | null = null
  return () => {
    const ring = options.ring()
    const kids = Array.from(ring.signers.values(), ({ kid }) => kid).join(' ')
    if (built?.kids !== kids) {
      const provider = buildProvider({
        ...options,
        failures,
        lookedUpBefore: ctx => contextOf(ctx).lookedUp,
        addressOf: ctx => addressOf(contextOf(ctx).request),
        countedAddressOf: ctx => countedAddress(contextOf(ctx).request),
        onRefusal: (ctx, error) => onRefusal(options.refusals, failures, addressFailures, ctx, error),
        onPolicyDenied: (ctx, client, policy) => onPolicyDenied(options.refusals, ctx, client, policy),
        onFailure: (ctx, error) => { contextOf(ctx).failure = error },
        onBroken,
      }, ring)
      provider.use(afterProvider(options, addressFailures))
      built = { kids, provider, handle: provider.callback() as Current['handle'] }
    }
    return built
  }
}
