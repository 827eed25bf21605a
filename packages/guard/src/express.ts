/** The guard as middleware of Express: `app.get('/invoices', expressGuard(guard, { scopes: [...] }), handler)`. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { readAddress, unknownAddress } from '../../../src/base/ip-address.ts'
import type { Principal } from '../../../src/domain/access/principal.ts'
import type { Decider, GuardedRequest } from '../../../src/guard/remote/guarded-request.ts'
import { readTarget, settle } from './http.ts'
import { needsOf, type RouteNeeds } from './route-needs.ts'

declare global {
  namespace Express {
    interface Request {
      /** What the credential of the request stands for; undefined: the route is not guarded. */
      principal?: Principal
    }
  }
}

/** What the guard reads of a request of Express 4 and 5, and what it sets: `principal`. */
export interface ExpressRequest extends IncomingMessage {
  originalUrl: string
  ip?: string | undefined
  protocol: string
  params: Record<string, string | string[]>
  principal?: Principal
}

/** The address and the scheme of a request are those of Express: its setting `trust proxy` decides. */
export function expressGuard (guard: Decider, declared: RouteNeeds) {
  const needs = needsOf(declared)
  return async (
    request: ExpressRequest, response: ServerResponse, next: (error?: unknown) => void
  ): Promise<void> => {
    try {
      const principal = settle(await guard.decide(guardedRequest(request), needs(request.params)), response)
      if (principal === null) return
      request.principal = principal
    } catch (error) {
      // Such as an answer that was sent meanwhile. Express 4 leaves a rejection to the process, which it ends.
      return next(error)
    }
    next()
  }
}

function guardedRequest (request: ExpressRequest): GuardedRequest {
  return {
    raw: request,
    ...readTarget(request.originalUrl),
    method: request.method ?? 'GET',
    address: readAddress(request.ip) ?? unknownAddress,
    isOverTls: request.protocol === 'https'
  }
}
