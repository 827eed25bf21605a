/** Completes the answers of oidc-provider: introspection, revocation and refusals, always as JSON of RFC 6749 §5. */
import type { KoaContextWithOIDC } from 'oidc-provider'
import { addressBlock, addressOf, countedAddress, readAddress } from '../../base/ip-address.ts'
import type { Client } from '../../domain/credentials/client.ts'
import { isAbandoned, useAbandoned } from '../../domain/credentials/client-registration.ts'
import { splitScope } from '../../domain/resources/scope.ts'
import type { WindowLimiter } from '../../domain/metering/window-limiter.ts'
import { newId } from '../../secrets/random.ts'
import { anyOrigin, browserPaths } from '../endpoints/cross-origin.ts'
import { introspect, notEntitled } from '../endpoints/introspection.ts'
import { revoke } from '../endpoints/revocation.ts'
import { noStore, OAuthError, presentError, slowDown } from '../shared/oauth-error.ts'
import { paths } from '../shared/paths.ts'
import type { ProviderAdapterOptions } from './adapter-options.ts'
import { explainRefusal } from './client-assertion.ts'
import { afterAuthorization, isForBrowsers } from '../authorization/after-authorization.ts'
import { describeGrantRefusal } from '../authorization/grant-refusal.ts'
import { presentedBy, recordOf } from './client-authentication.ts'
import { contextOf, type RequestContext } from './request-context.ts'

/** Headers for browsers, which have no use for an answer to a client that has proved itself (SECURITY N4). */
export const browserHeaders = ['access-control-allow-origin', 'access-control-expose-headers', 'vary']

/** Koa middleware around the provider: completes its answer, and turns what was thrown into one. */
export function afterProvider (options: ProviderAdapterOptions, addressFailures: WindowLimiter) {
  return async (ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> => {
    const context = contextOf(ctx)
    if (options.people !== undefined && isForBrowsers(ctx)) {
      return await afterAuthorization(options.people, ctx, next, () => keepAsking(options, ctx))
    }
    try {
      await next()
      if (context.failure === null) await complete(options, addressFailures, ctx)
    } catch (thrown) {
      context.failure = thrown
    }
    if (context.failure !== null) answerFailure(ctx, context)
    // RFC 9110 §15.5.2: a 401 carries a challenge, also if the client did not authenticate by header.
    if (ctx.status === 401 && !ctx.res.hasHeader('www-authenticate')) {
      ctx.set('www-authenticate', `Basic realm="${options.issuer}"`)
    }
    // The provider says so for tokens only; revocations and refusals must not be cached either (RFC 6749 §5.1).
    ctx.set(noStore)
    for (const name of browserHeaders) ctx.remove(name)
    if (options.people !== undefined && isOfPublicClient(ctx)) ctx.set(anyOrigin)
  }
}

/** Whether a page may read the answer: the client is public, or none is known, and no proof of one was sent. */
function isOfPublicClient (ctx: KoaContextWithOIDC): boolean {
  const { client_secret: secret, client_assertion: assertion } = ctx.oidc?.params ?? {}
  if (!browserPaths.includes(ctx.path) || ctx.headers.authorization !== undefined) return false
  if (secret !== undefined || assertion !== undefined) return false
  return (ctx.oidc?.client?.clientAuthMethod ?? 'none') === 'none'
}

/** A client counts as used once a person is asked about it: it is not removed before they answer. */
async function keepAsking (options: ProviderAdapterOptions, { oidc }: KoaContextWithOIDC): Promise<void> {
  const { client, entities } = oidc ?? {}
  if (client !== undefined && entities?.Interaction !== undefined) await requireKept(options, recordOf(client))
}

/** @throws OAuthError `invalid_client` for an abandoned client that has been removed. */
async function requireKept (options: ProviderAdapterOptions, client: Client): Promise<void> {
  if (!isAbandoned(client, options.clock()) || await useAbandoned(options, client.id)) return
  throw new OAuthError(401, 'invalid_client', 'client authentication failed')
}

const unnamed = 'The request carries no client authentication: a public client has to send client_id.'

/** A misspelt grant type is met as a request without a client. */
const grantsWithoutClient = ' Without a client, grant_type is urn:ietf:params:oauth:grant-type:token-exchange for an ' +
  'API key, or urn:ietf:params:oauth:grant-type:jwt-bearer for a workload. An access token is ' +
  'exchanged by the client that it was issued to.'

async function complete (
  options: ProviderAdapterOptions, addressFailures: WindowLimiter, ctx: KoaContextWithOIDC
): Promise<void> {
  const refused = errorOf(ctx)
  if (isAnonymous(ctx)) {
    throw new OAuthError(401, 'invalid_client', ctx.path === paths.token ? unnamed + grantsWithoutClient : unnamed)
  }
  if (refused === 'invalid_client') {
    await equalizeTiming(options, addressFailures, ctx)
    return await explain(ctx)
  }
  if (refused === 'invalid_grant') return explainGrant(ctx)
  // The provider refuses structured tokens, once it has authenticated the client and read the request.
  if (ctx.status !== 200 && refused !== 'unsupported_token_type') return
  const client = recordOf(ctx.oidc.client!)
  // RFC 7662 §2.1: who asks has to prove it.
  if (ctx.path === paths.introspection && client.metadata.token_endpoint_auth_method === 'none') {
    throw new OAuthError(401, 'invalid_client', 'A public client cannot introspect.')
  }
  await requireKept(options, client)
  if (ctx.path === paths.introspection) {
    const question = { address: statedAddress(ctx), request: contextOf(ctx).request }
    const answered = await introspect(options, client, tokenOf(ctx), question)
    if (answered === null) throw notEntitled(options, client, question)
    // Koa would send a string as text/plain.
    answer(ctx, JSON.parse(answered) as object)
  }
  if (ctx.path === paths.revocation) await completeRevocation(options, client, ctx)
  if (ctx.oidc.entities.Grant !== undefined) nameGranted(ctx)
  options.usage.touch(client.id)
}

/** RFC 6749 §5.1: scopes of OpenID Connect were granted too, although the token of an API does not carry them. */
function nameGranted ({ oidc: { entities, params, requestParamScopes }, body }: KoaContextWithOIDC): void {
  const { Grant: grant, AuthorizationCode: code, RefreshToken: refresh } = entities
  const asked = params!.scope === undefined ? (code ?? refresh)?.scopes : requestParamScopes
  if (asked === undefined) return
  const { scope = '' } = body as { scope?: string }
  const granted = new Set([scope, grant!.getOIDCScopeFiltered(asked)].flatMap(splitScope))
  if (granted.size > 0) Object.assign(body as object, { scope: [...granted].join(' ') })
}

async function completeRevocation (
  options: ProviderAdapterOptions, client: Client, ctx: KoaContextWithOIDC
): Promise<void> {
  const { request } = contextOf(ctx)
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
 * An unknown client has cost a look-up in the database, a known one came from the cache. Makes the same look-up for a
 * known one, so that the time of a refusal does not tell whether the client exists (SECURITY T9).
 */
async function equalizeTiming (
  { registry }: ProviderAdapterOptions, addressFailures: WindowLimiter, ctx: KoaContextWithOIDC
): Promise<void> {
  const known = presentedBy(ctx)
  if (known?.record != null) await registry.client(newId('cli'))
  const seconds = known?.limitedFor ??
    addressFailures.exhausted(addressBlock(countedAddress(contextOf(ctx).request)))
  if (seconds !== null) throw slowDown(seconds)
}

/** Tells a client that has proved itself why its assertion is refused; the provider has one sentence for all. */
async function explain (ctx: KoaContextWithOIDC): Promise<void> {
  const { refused } = contextOf(ctx)
  const { client } = ctx.oidc
  if (refused === null || client === undefined) return
  const description = await explainRefusal(ctx, recordOf(client), refused)
  if (description !== null) ctx.body = { error: 'invalid_client', error_description: description }
}

/** The client has proved itself, or is public: it learns what about its code or refresh token is at fault. */
function explainGrant (ctx: KoaContextWithOIDC): void {
  const { refused } = contextOf(ctx)
  if (refused === null) return
  const description = describeGrantRefusal(ctx.oidc.params?.grant_type, refused)
  ctx.body = { error: refused.error, error_description: description }
}

function answer (ctx: KoaContextWithOIDC, body: object | string): void {
  ctx.status = 200
  ctx.body = body
}

function answerFailure (ctx: KoaContextWithOIDC, { request, failure }: RequestContext): void {
  const { status, headers, body, unexpected } = presentError(failure, request.id)
  if (unexpected) request.log.error({ err: failure }, 'the authorization server failed')
  ctx.set(headers)
  ctx.status = status
  ctx.body = body
}

function errorOf (ctx: KoaContextWithOIDC): unknown {
  return typeof ctx.body === 'object' && ctx.body !== null && 'error' in ctx.body ? ctx.body.error : undefined
}

/** RFC 6749 §5.2 answers a missing client authentication with invalid_client; the provider with invalid_request. */
function isAnonymous (ctx: KoaContextWithOIDC): boolean {
  const { client_id: id, client_secret: secret, client_assertion: assertion } = ctx.oidc?.params ??
    { client_id: 'unread' }
  return ctx.status === 400 && ctx.headers.authorization === undefined && id === undefined && secret === undefined &&
    assertion === undefined
}

/** Where the credential was presented, as the client says; policies may depend on it. Null: the client does not say. */
function statedAddress (ctx: KoaContextWithOIDC): string | null {
  const { client_address: address } = (ctx.oidc.body ?? {}) as { client_address?: unknown }
  if (address === undefined) return null
  const canonical = typeof address === 'string' ? readAddress(address) : null
  if (canonical === null) throw new OAuthError(400, 'invalid_request', 'client_address is not an IP address.')
  return canonical
}

function tokenOf (ctx: KoaContextWithOIDC): string {
  return ctx.oidc.params!.token as string
}
