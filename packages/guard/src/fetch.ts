/** The guard for handlers that take a `Request` and give a `Response`: Hono, route handlers of Next.js, and others. */
import { readAddress, unknownAddress } from '../../../src/base/ip-address.ts'
import type { Principal } from '../../../src/domain/access/principal.ts'
import type { Style } from '../../../src/domain/resources/style.ts'
import type { Awaitable } from '../../../src/base/awaitable.ts'
import { keepApart } from '../../../src/guard/caching.ts'
import type { Decider, Decision } from '../../../src/guard/remote/guarded-request.ts'
import { readQuery } from './http.ts'
import { needsOf, type RouteNeeds } from './route-needs.ts'

/** What a `Request` does not say. Without an address, no allowlist lets a credential pass. */
export interface Arrival {
  /** The caller's, as the server of the framework knows it. */
  address?: string
  /** Whether the caller came over TLS; by the URL unless given. */
  isOverTls?: boolean
  /** The parameters of the path that the needs name. */
  params?: Record<string, string | string[] | undefined>
}

/**
 * The principal of a request that passes, or the answer to one that does not. `complete`: the handler's answer with the
 * headers of the guard, those of limits and for caches.
 */
export type Passage = { principal: Principal, complete (answer: Response): Response } | { response: Response }

/** Guards a handler: `const passage = await guarded(request, arrival)`. */
export function fetchGuard (guard: Decider, declared: RouteNeeds) {
  const needs = needsOf(declared)
  return async (request: Request, { address, isOverTls, params = {} }: Arrival = {}): Promise<Passage> => {
    const url = new URL(request.url)
    const headers = Object.fromEntries(request.headers)
    return passageOf(await guard.decide({
      // A header that comes several times is joined by a comma there, which no credential has.
      raw: { headers, rawHeaders: Object.entries(headers).flat() },
      query: readQuery(url.search.slice(1)),
      method: request.method,
      path: url.pathname,
      address: readAddress(address) ?? unknownAddress,
      isOverTls: isOverTls ?? url.protocol === 'https:'
    }, needs(params)))
  }
}

function passageOf (decision: Decision): Passage {
  if (decision.ok) {
    const { principal, headers, style } = decision
    return { principal, complete: answer => completed(answer, headers, style) }
  }
  const { status, headers, body } = decision.answer
  return { response: new Response(body, { status, headers: { ...headers } }) }
}

/** A copy: the headers of an answer from elsewhere cannot be changed. Its own `Cache-Control` counts. */
function completed (answer: Response, told: Readonly<Record<string, string>>, style: Style): Response {
  const made = new Response(answer.body, answer)
  for (const [name, value] of Object.entries(told)) made.headers.set(name, value)
  keepApart({
    getHeader: name => made.headers.get(name) ?? undefined,
    header: (name, value) => { made.headers.set(name, value) }
  }, style)
  return made
}

/** The second parameter of a route handler of Next.js. */
export interface RouteContext { params?: Promise<Record<string, string | string[] | undefined>> }

/**
 * A route handler of Next.js behind the guard: `export const GET = nextGuard(guard, { scopes: [...] }, handler)`.
 * `open`: gives the guard at the first request, not when the application is built. Next.js tells no address of a
 * caller; `arrivalOf` reads it from a header that your proxy sets.
 */
export function nextGuard<Context extends RouteContext> (
  open: () => Awaitable<Decider>,
  declared: RouteNeeds,
  handler: (request: Request, principal: Principal, context: Context) => Awaitable<Response>,
  arrivalOf: (request: Request) => Arrival = () => ({})
) {
  needsOf(declared)
  return async (request: Request, context: Context): Promise<Response> => {
    const guarded = fetchGuard(await open(), declared)
    const passage = await guarded(request, { params: await context.params ?? {}, ...arrivalOf(request) })
    return 'response' in passage
      ? passage.response
      : passage.complete(await handler(request, passage.principal, context))
  }
}

/** What the middleware reads and sets of a context of Hono. */
export interface HonoContext {
  req: { raw: Request, param (): Record<string, string> }
  set (name: 'principal', principal: Principal): void
  res: Response
}

/**
 * The guard as middleware of Hono: `app.get('/invoices', honoGuard(guard, { scopes: [...] }), handler)`, whose handler
 * finds the principal by `c.get('principal')`. `arrivalOf`: the address of a context, by `getConnInfo` of its server.
 */
export function honoGuard<Context extends HonoContext> (
  guard: Decider, declared: RouteNeeds, arrivalOf: (context: Context) => Arrival = () => ({})
) {
  const guarded = fetchGuard(guard, declared)
  return async (context: Context, next: () => Promise<void>): Promise<Response | void> => {
    const passage = await guarded(context.req.raw, { params: context.req.param(), ...arrivalOf(context) })
    if ('response' in passage) return passage.response
    context.set('principal', passage.principal)
    await next()
    // Emptied first: the setter copies the headers of the answer that it replaces.
    const { res } = context
    context.res = undefined as unknown as Response
    context.res = passage.complete(res)
  }
}
