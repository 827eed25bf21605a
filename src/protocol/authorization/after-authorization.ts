/** Completes the answers of the authorization endpoint, which browsers get: redirects, and pages for errors. */
import type { KoaContextWithOIDC } from 'oidc-provider'
import { isVouchedFor } from '../../domain/authorizations/client-admission.ts'
import { recordOf } from '../provider/client-authentication.ts'
import { contextOf } from '../provider/request-context.ts'
import { noStore, presentError } from '../shared/oauth-error.ts'
import { paths } from '../shared/paths.ts'
import type { PeopleOptions, SentRequest } from './code-flow-options.ts'

/** Whether a request is to the authorization endpoint, or comes back to it from the page that asks. */
export function isForBrowsers ({ path }: KoaContextWithOIDC): boolean {
  return path === paths.authorization || path.startsWith(`${paths.authorization}/`)
}

/** Headers that no redirect to a client and no page of an error may miss. */
const headers = { ...noStore, 'referrer-policy': 'no-referrer' }

/** `keepAsking` throws where the client of a question to a person is gone. */
export async function afterAuthorization (
  people: PeopleOptions, ctx: KoaContextWithOIDC, next: () => Promise<void>, keepAsking: () => Promise<void>
): Promise<void> {
  const context = contextOf(ctx)
  try {
    await next()
    await keepAsking()
  } catch (thrown) {
    context.failure = thrown
  }
  const { request, failure } = context
  if (failure !== null) {
    const { status, headers, body, unexpected } = presentError(failure, request.id)
    if (unexpected) request.log.error({ err: failure }, 'the authorization server failed')
    ctx.remove('location')
    ctx.set(headers)
    ctx.status = status
    ctx.body = body
  }
  ctx.set(headers)
  // Pages are for people: a program that follows a redirect is not misled by it.
  if (ctx.accepts('json', 'html') !== 'html') return
  if (isError(ctx.body)) showPage(people, ctx, ctx.body)
  if (isToBeHeld(ctx)) holdBack(people, ctx)
}

/**
 * RFC 9700 §4.11.2: before the person has signed in, no browser is sent on to a place that only its client answers for.
 * By a request that is refused, whoever registered a client could otherwise send people there from this host. A silent
 * request has to be answered (OpenID Connect Core §3.1.2.1).
 */
function isToBeHeld ({ path, oidc, res }: KoaContextWithOIDC): boolean {
  if (path !== paths.authorization || oidc?.client === undefined || !res.hasHeader('location')) return false
  const { entities, session, params, client } = oidc
  const isAsked = entities.Interaction !== undefined
  return !isAsked && session?.accountId === undefined && params?.prompt !== 'none' && !isVouchedFor(recordOf(client))
}

function holdBack (people: PeopleOptions, ctx: KoaContextWithOIDC): void {
  const { error: code = 'server_error', error_description: message = code } = contextOf(ctx).refused ?? {}
  const location = ctx.response.get('location')
  const page = people.holdingPage({ client: recordOf(ctx.oidc.client!), code, message, location })
  ctx.remove('location')
  ctx.status = 400
  ctx.set(page.headers)
  ctx.body = page.body
}

/** Null: neither the redirect URI nor the client is at fault, or the provider's words say more. */
function sentBy ({ oidc }: KoaContextWithOIDC, error: string, message: string): SentRequest | null {
  const { client_id: clientId, redirect_uri: redirectUri } = oidc?.params ?? {}
  if (typeof clientId !== 'string' || typeof redirectUri !== 'string') return null
  const client = oidc.client === undefined ? null : recordOf(oidc.client)
  const isUnknown = error === 'invalid_client' && message === 'client is invalid'
  return (error === 'invalid_redirect_uri' && client !== null) || isUnknown ? { clientId, client, redirectUri } : null
}

interface ErrorBody { error: string, error_description?: string }

function isError (body: unknown): body is ErrorBody {
  return typeof body === 'object' && body !== null && 'error' in body
}

/** Why a request does not go on after the answer; the provider's words are about its sessions. */
const notToGoOn = 'This request for access does not go on: it is over, another browser began it, or somebody has ' +
  'signed in or out meanwhile. Start again at the application.'

/** An error that must not go to the client: it is shown to the person, and leads nowhere (RFC 6749 §4.1.2.1). */
function showPage (people: PeopleOptions, ctx: KoaContextWithOIDC, { error, error_description: why }: ErrorBody): void {
  const isOver = error === 'invalid_request' && ctx.path !== paths.authorization
  const message = isOver ? notToGoOn : why ?? error
  const page = people.errorPage({
    status: ctx.status, code: error, message, requestId: contextOf(ctx).request.id, sent: sentBy(ctx, error, message)
  })
  ctx.set(page.headers)
  ctx.body = page.body
}
