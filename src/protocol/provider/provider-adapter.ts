/**
 * Between Fastify and oidc-provider: hands a request over unread, completes what the provider leaves open on the way
 * back, and sees to it that every answer is JSON of RFC 6749 §5.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { KoaContextWithOIDC, Provider, errors } from 'oidc-provider'
import { addressBlock, addressOf, countedAddress, readAddress } from '../../base/ip-address.ts'
import { newId } from '../../secrets/random.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { Client } from '../../domain/credentials/client.ts'
import { useAbandoned, isAbandoned } from '../../domain/credentials/client-registration.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import type { SharedCounters } from '../../domain/metering/shared-counters.ts'
import type { TokenMeter } from '../../domain/tokens/issuance-meter.ts'
import type { LastUsedRecorder } from '../../domain/metering/last-used.ts'
import { windowLimiter, type WindowLimiter } from '../../domain/metering/window-limiter.ts'
import { explainRefusal } from './client-assertion.ts'
import { addressRefused, failureKey, presentedBy, recordOf } from './client-authentication.ts'
import { descriptions } from '../shared/descriptions.ts'
import { introspect, notEntitled } from '../endpoints/introspection.ts'
import type { ProtocolLimits } from '../shared/limits.ts'
import { noStore, OAuthError, presentError, slowDown } from '../shared/oauth-error.ts'
import type { ProtocolOptions } from '../shared/options.ts'
import { paths } from '../shared/paths.ts'
import { buildProvider } from './provider.ts'
import { revoke } from '../endpoints/revocation.ts'
import { tryFastPath, type Passing } from '../fast-path/fast-path.ts'

export interface ProviderAdapterOptions extends ProtocolOptions {
  refusals: RefusalLog
  usage: LastUsedRecorder
  tokens: TokenMeter
  limits: ProtocolLimits
  counts: SharedCounters
  telemetry: Telemetry
}

interface Current {
  provider: Provider
  handle (req: IncomingMessage, res: ServerResponse): Promise<void>
}

/** What is known of a request beside what the provider reads of it. */
interface Exchange extends Passing { failure: unknown, refused: errors.OIDCProviderError | null }

const exchanges = new WeakMap<IncomingMessage, Exchange>()

/** The routes that oidc-provider answers, and the provider itself as it is now. */
export function providerAdapter (
  options: ProviderAdapterOptions
): { mount: (app: FastifyInstance) => Promise<void>, provider: () => Provider } {
  const failures = windowLimiter(options.limits.failuresPerClient, options.clock, options.counts.of('client failures'))
  const current = currentProvider(options, failures)
  const ahead = { ...options, failures }
  const mount = async (app: FastifyInstance): Promise<void> => {
    const { endIfClosing, endOnceClosing } = closeWithoutWaiting(app)
    // The provider reads the body itself, with its own cap and its own check for repeated parameters.
    app.removeAllContentTypeParsers()
    // That of a form by its name, too: Fastify remembers what it finds by name, and takes every other type apart each
    // time.
    for (const type of ['application/x-www-form-urlencoded', '*']) {
      app.addContentTypeParser(type, (_request, _payload, done) =>
        done(null))
    }
    app.addHook('onRequest', refuseQuery)
    app.addHook('onRequest', refuseUntypedBody)
    for (const name of ['token', 'introspection', 'revocation'] as const) {
      app.post(paths[name], { schema: descriptions[name] }, async (request, reply) => {
        if (name === 'token') await options.catchUp?.()
        const exchange: Exchange = { request, lookedUp: null, warning: null, failure: null, refused: null }
        takeOver(reply)
        const body = options.shortcut === false ? null : await tryFastPath(ahead, exchange)
        if (body !== null) {
          endIfClosing(reply.raw)
          return sendAhead(reply.raw, body, exchange)
        }
        endOnceClosing(reply.raw)
        // The provider takes a body that broke off for one that was read already, and warns of it on the console.
        if (request.raw.destroyed) return brokeOff(request.log, request.raw.errored)
        exchanges.set(request.raw, exchange)
        // Its router does not decode what ours has found already (RFC 3986 §6.2.2.2), and would answer in plain text.
        request.raw.url = paths[name]
        await current().handle(request.raw, reply.raw)
      })
    }
  }
  return { mount, provider: () => current().provider }
}

const parameters = [
  'client_id', 'client_secret', 'client_assertion', 'client_assertion_type', 'grant_type', 'scope', 'resource', 'token',
  'token_type_hint'
]

/**
 * RFC 6749 §2.3.1: credentials never travel in the URI. What is there is not read, and whoever put it there is told.
 */
function refuseQuery ({ query }: FastifyRequest, _reply: FastifyReply, done: (refusal?: Error) => void): void {
  const found = parameters.find(name => (query as Record<string, unknown>)[name] !== undefined)
  done(
    found === undefined
      ? undefined
      : new OAuthError(400, 'invalid_request', `The parameter ${found} belongs into the body, never into the URI.`)
  )
}

/** The provider leaves a body without a type unread, and would complain about what it did not see. */
function refuseUntypedBody ({ headers }: FastifyRequest, _reply: FastifyReply, done: (refusal?: Error) => void): void {
  const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
  const untyped = hasBody && headers['content-type'] === undefined
  done(
    untyped
      ? new OAuthError(400, 'invalid_request', 'The body must be application/x-www-form-urlencoded, and say so.')
      : undefined
  )
}

/** What was set on the reply so far, by other plugins say, would be lost with it. */
function takeOver (reply: FastifyReply): void {
  reply.hijack()
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value)
  }
}

/** Sends what the shortcut answered as `completing` leaves what the provider answered. */
function sendAhead (response: ServerResponse, body: string, { warning }: Passing): void {
  for (const name of forBrowsers) response.removeHeader(name)
  response.writeHead(200, {
    'cache-control': noStore['cache-control'],
    ...(warning === null ? {} : { warning }),
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  })
  response.end(body)
}

/** Fastify waits for keep-alive connections of hijacked replies; while closing they are told to end. */
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

/** The provider of the keys that sign now: built anew when one of them is another one. */
function currentProvider (options: ProviderAdapterOptions, failures: WindowLimiter): () => Current {
  const { clock, limits, counts } = options
  const addressFailures = windowLimiter(limits.failuresPerAddress, clock, counts.of('address failures'))
  let built: Current & { kids: string } | null = null
  return () => {
    const ring = options.ring()
    const kids = Array.from(ring.signers.values(), ({ kid }) => kid).join(' ')
    if (built?.kids !== kids) {
      const provider = buildProvider({
        ...options,
        failures,
        lookedUpBefore: ctx => exchangeOf(ctx).lookedUp,
        addressOf: ctx => addressOf(exchangeOf(ctx).request),
        countedAddressOf: ctx => countedAddress(exchangeOf(ctx).request),
        onRefusal: (ctx, error) => onRefusal(options.refusals, failures, addressFailures, ctx, error),
        onPolicyDenied: (ctx, client, policy) => onPolicyDenied(options.refusals, ctx, client, policy),
        onFailure: (ctx, error) => { exchangeOf(ctx).failure = error },
        onBroken,
      }, ring)
      provider.use(completing(options, addressFailures))
      built = { kids, provider, handle: provider.callback() as Current['handle'] }
    }
    return built
  }
}

/** No browser has business here: there are no public clients (SECURITY N4). */
const forBrowsers = ['access-control-allow-origin', 'access-control-expose-headers', 'vary']

/** Runs around the provider: what it leaves open is completed behind it, and what was thrown becomes an answer. */
function completing (options: ProviderAdapterOptions, addressFailures: WindowLimiter) {
  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    const exchange = exchangeOf(ctx)
    try {
      await next()
      if (exchange.failure === null) await complete(options, addressFailures, ctx)
    } catch (thrown) {
      exchange.failure = thrown
    }
    if (exchange.failure !== null) answerFailure(ctx, exchange)
    // RFC 9110 §15.5.2: a 401 says how to authenticate, also to who did not use the header.
    if (ctx.status === 401 && !ctx.res.hasHeader('www-authenticate')) {
      ctx.set('www-authenticate', `Basic realm="${options.issuer}"`)
    }
    // The provider says so for tokens only; a revocation or a refusal is to be kept by nobody either (RFC 6749 §5.1).
    ctx.set(noStore)
    for (const name of forBrowsers) ctx.remove(name)
  }
}

async function complete (
  options: ProviderAdapterOptions, addressFailures: WindowLimiter, ctx: KoaContextWithOIDC
): Promise<void> {
  const refused = errorOf(ctx)
  if (isAnonymous(ctx)) throw new OAuthError(401, 'invalid_client', 'The request carries no client authentication.')
  if (refused === 'invalid_client') {
    await equalize(options, addressFailures, ctx)
    return await explain(ctx)
  }
  // The provider refuses structured tokens after it has authenticated the client and read the request: that is our
  // turn.
  if (ctx.status !== 200 && refused !== 'unsupported_token_type') return
  const client = recordOf(ctx.oidc.client!)
  if (isAbandoned(client, options.clock()) && !await useAbandoned(options, client.id)) {
    throw new OAuthError(401, 'invalid_client', 'client authentication failed')
  }
  if (ctx.path === paths.introspection) {
    const question = { address: saidAddress(ctx), request: exchangeOf(ctx).request }
    const told = await introspect(options, client, tokenOf(ctx), question)
    if (told === null) throw notEntitled(options, client, question)
    // A text would be sent as one.
    answer(ctx, JSON.parse(told) as object)
  }
  if (ctx.path === paths.revocation) await completeRevocation(options, client, ctx)
  options.usage.touch(client.id)
}

async function completeRevocation (
  options: ProviderAdapterOptions, client: Client, ctx: KoaContextWithOIDC
): Promise<void> {
  const { request } = exchangeOf(ctx)
  const actor = {
    id: client.id,
    organizationId: client.organizationId,
    scopes: null,
    creator: null,
    restrictions: null,
    address: addressOf(request),
    requestId: request.id
  }
  await revoke(options, { store: options.store, clock: options.clock, actor }, client, tokenOf(ctx))
  answer(ctx, '')
}

/**
 * An unknown client has cost a look-up that found nothing, a known one came from memory: now it costs the same, so that
 * how long a refusal takes does not tell whether there is such a client (SECURITY T9).
 */
async function equalize (
  { registry }: ProviderAdapterOptions, addressFailures: WindowLimiter, ctx: KoaContextWithOIDC
): Promise<void> {
  if (presentedBy(ctx)?.record != null) await registry.client(newId('cli'))
  const seconds = addressFailures.exhausted(addressBlock(countedAddress(exchangeOf(ctx).request)))
  if (seconds !== null) throw slowDown(seconds)
}

/** The provider has one sentence for every failed authentication, which leaves the client's developer in the dark. */
async function explain (ctx: KoaContextWithOIDC): Promise<void> {
  const { refused } = exchangeOf(ctx)
  const { client } = ctx.oidc
  const told = refused === null || client === undefined ? null : await explainRefusal(ctx, recordOf(client), refused)
  if (told !== null) ctx.body = { error: 'invalid_client', error_description: told }
}

function answer (ctx: KoaContextWithOIDC, body: object | string): void {
  ctx.status = 200
  ctx.body = body
}

function answerFailure (ctx: KoaContextWithOIDC, { request, failure }: Exchange): void {
  const { status, headers, body, unexpected } = presentError(failure, request.id)
  if (unexpected) request.log.error({ err: failure }, 'the authorization server failed')
  ctx.set(headers)
  ctx.status = status
  ctx.body = body
}

/** Counts and logs a failed authentication (SECURITY N3); other refusals are the caller's own business. */
function onRefusal (
  refusals: RefusalLog, failures: WindowLimiter, addressFailures: WindowLimiter, ctx: KoaContextWithOIDC,
  error: errors.OIDCProviderError
): void {
  if (error.error !== 'invalid_client' && error.error !== 'unauthorized_client') return
  const exchange = exchangeOf(ctx)
  exchange.refused = error
  const { request } = exchange
  const { clientId = '', record = null, reused } = presentedBy(ctx) ?? {}
  if (error.error === 'invalid_client' && error.error_detail !== addressRefused) {
    failures.count(failureKey(clientId, countedAddress(request)))
    addressFailures.count(addressBlock(countedAddress(request)))
  }
  const about = {
    subject: record?.id ?? null,
    organizationId: record?.organizationId ?? null,
    address: addressOf(request),
    requestId: request.id
  }
  refusals.record({ ...about, type: 'client.refused', reason: reasonOf(error, record) })
  if (reused !== undefined) refusals.record({ ...about, type: 'credential.reuse_detected', reason: reused })
}

/** A connection that broke off is its caller's own business, anything else a defect. */
function onBroken (ctx: KoaContextWithOIDC, error: Error): void {
  const log = exchanges.get(ctx.req)?.request.log
  if (ctx.req.socket.destroyed) brokeOff(log, error)
  else log?.error({ err: error }, 'the authorization server failed')
}

function brokeOff (log: FastifyRequest['log'] | undefined, error: NodeJS.ErrnoException | null): void {
  log?.info({ code: error?.code }, 'the connection broke off')
}

function onPolicyDenied (refusals: RefusalLog, ctx: KoaContextWithOIDC, client: Client, policy: string): void {
  const { request } = exchangeOf(ctx)
  request.log.info(
    { reason: 'policy_denied', subject: client.id, organizationId: client.organizationId, policy }, 'refused'
  )
  refusals.record({
    type: 'client.refused',
    reason: 'policy_denied',
    subject: client.id,
    organizationId: client.organizationId,
    address: addressOf(request),
    requestId: request.id,
    detail: { policy },
  })
}

function reasonOf (error: errors.OIDCProviderError, record: Client | null): string {
  if (record !== null && record.revokedAt !== null) return 'the client is revoked'
  return (error.error_detail ?? error.error_description ?? error.error).slice(0, 200)
}

function exchangeOf (ctx: KoaContextWithOIDC): Exchange {
  const exchange = exchanges.get(ctx.req)
  if (exchange === undefined) throw new TypeError('a request that did not come over the bridge')
  return exchange
}

function errorOf (ctx: KoaContextWithOIDC): unknown {
  return typeof ctx.body === 'object' && ctx.body !== null && 'error' in ctx.body ? ctx.body.error : undefined
}

/** RFC 6749 §5.2 has no client authentication at all under invalid_client; the provider calls it malformed. */
function isAnonymous (ctx: KoaContextWithOIDC): boolean {
  const { client_id: id, client_secret: secret, client_assertion: assertion } = ctx.oidc?.params ??
    { client_id: 'unread' }
  return ctx.status === 400 && ctx.headers.authorization === undefined && id === undefined && secret === undefined &&
    assertion === undefined
}

/** Where the caller of the asking server came from, if that server says so: policies may go by it. */
function saidAddress (ctx: KoaContextWithOIDC): string | null {
  const { client_address: address } = (ctx.oidc.body ?? {}) as { client_address?: unknown }
  if (address === undefined) return null
  const canonical = typeof address === 'string' ? readAddress(address) : null
  if (canonical === null) throw new OAuthError(400, 'invalid_request', 'client_address is no IP address.')
  return canonical
}

function tokenOf (ctx: KoaContextWithOIDC): string {
  return ctx.oidc.params!.token as string
}
