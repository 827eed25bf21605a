/** The guard for handlers that take a `Request` and give a `Response`: Hono, route handlers of Next.js, and others. */
import { readAddress, unknownAddress } from '../../../src/base/ip-address.ts'
import type { Principal } from '../../../src/domain/access/principal.ts'
import type { Decision } from '../../../src/guard/remote/guarded-request.ts'
import type { RemoteGuard } from '../../../src/guard/remote/remote-guard.ts'
import { newId } from '../../../src/secrets/random.ts'
import { readQuery } from './http.ts'
import { needsOf, type RouteNeeds } from './route-needs.ts'

/** What a `Request` does not say. Without an address, no allowlist lets a credential pass. */
export interface Arrival {
  /** The caller's, as the server of the framework knows it. */
  address?: string
  /** Whether the caller came over TLS; by the URL unless given. */
  isOverTls?: boolean
  /** The parameters of the path that the needs name. */
  params?: Record<string, string>
}

/** The principal of a request that passes with headers for its answer, or the answer to one that does not. */
export type Passage = { principal: Principal, headers: Readonly<Record<string, string>> } | { response: Response }

/** Guards a handler: `const passage = await guarded(request, arrival)`. */
export function fetchGuard (guard: RemoteGuard, declared: RouteNeeds) {
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
      id: newId('req'),
      address: readAddress(address) ?? unknownAddress,
      isOverTls: isOverTls ?? url.protocol === 'https:'
    }, needs(params)))
  }
}

function passageOf (decision: Decision): Passage {
  if (decision.ok) return { principal: decision.principal, headers: decision.headers }
  const { status, headers, body } = decision.answer
  return { response: new Response(body, { status, headers: { ...headers } }) }
}

/** What the middleware reads and sets of a context of Hono. */
export interface HonoContext {
  req: { raw: Request, param (): Record<string, string> }
  set (name: 'principal', principal: Principal): void
  header (name: string, value: string): void
}

/**
 * The guard as middleware of Hono: `app.get('/invoices', honoGuard(guard, { scopes: [...] }), handler)`, whose handler
 * finds the principal by `c.get('principal')`. `arrivalOf`: the address of a context, by `getConnInfo` of its server.
 */
export function honoGuard<Context extends HonoContext> (
  guard: RemoteGuard, declared: RouteNeeds, arrivalOf: (context: Context) => Arrival = () => ({})
) {
  const guarded = fetchGuard(guard, declared)
  return async (context: Context, next: () => Promise<void>): Promise<Response | void> => {
    const passage = await guarded(context.req.raw, { params: context.req.param(), ...arrivalOf(context) })
    if ('response' in passage) return passage.response
    context.set('principal', passage.principal)
    for (const [name, value] of Object.entries(passage.headers)) context.header(name, value)
    await next()
  }
}
