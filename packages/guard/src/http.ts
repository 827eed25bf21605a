/** The guard for `node:http`: decides on a request, and answers the ones that do not pass. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import { canonicalAddress, isWithin, readAddress, unknownAddress } from '../../../src/base/ip-address.ts'
import type { Principal } from '../../../src/domain/access/principal.ts'
import type { Style } from '../../../src/domain/resources/style.ts'
import { keepApart } from '../../../src/guard/caching.ts'
import type { Decider, Decision, GuardedRequest } from '../../../src/guard/remote/guarded-request.ts'
import { needsOf, type RouteNeeds } from './route-needs.ts'

/** `trustProxy`: addresses and ranges of proxies whose X-Forwarded-* headers count; none unless given. */
export interface HttpGuardOptions { trustProxy?: readonly string[] }

/**
 * Guards a route: resolves to the principal of a request that passes, and to null for one that was answered.
 * `parameters`: those of the path that the needs name.
 */
export function httpGuard (guard: Decider, declared: RouteNeeds, { trustProxy = [] }: HttpGuardOptions = {}) {
  const needs = needsOf(declared)
  return async (
    request: IncomingMessage, response: ServerResponse, parameters: Record<string, string> = {}
  ): Promise<Principal | null> => {
    const decision = await guard.decide(new Arrival(request, trustProxy), needs(parameters))
    return settle(decision, response)
  }
}

/** Sets the headers of a request that passes; answers the others. */
export function settle (decision: Decision, response: ServerResponse): Principal | null {
  if (decision.ok) {
    for (const [name, value] of Object.entries(decision.headers)) response.setHeader(name, value)
    keepApartLater(response, decision.style)
    return decision.principal
  }
  const { status, headers, body } = decision.answer
  response.writeHead(status, headers).end(body)
  return null
}

/** Once the handler has set its headers: it may set `Cache-Control`, or add to `Vary`, until they are written. */
function keepApartLater (response: ServerResponse, style: Style): void {
  const writeHead = response.writeHead as (status: number, message?: string) => ServerResponse
  const reply = {
    getHeader: (name: string) => response.getHeader(name),
    header: (name: string, value: string) => response.setHeader(name, value)
  }
  response.writeHead = (status: number, ...rest: unknown[]) => {
    const message = typeof rest[0] === 'string' ? rest[0] : undefined
    setHeaders(response, rest[message === undefined ? 0 : 1] ?? rest[1])
    keepApart(reply, style)
    return writeHead.call(response, status, message)
  }
}

/** The headers that `writeHead` takes: an object, a list of names and values in turn, or nothing. */
function setHeaders (response: ServerResponse, given: unknown): void {
  if (!Array.isArray(given)) {
    for (const [name, value] of Object.entries(given ?? {})) if (value !== undefined) response.setHeader(name, value)
    return
  }
  const flat = given.flat() as string[]
  for (let i = 0; i < flat.length; i += 2) response.removeHeader(flat[i]!)
  for (let i = 0; i < flat.length; i += 2) response.appendHeader(flat[i]!, flat[i + 1]!)
}

/** A request as the guard reads it. A class: getters in an object literal are defined anew for each request. */
class Arrival implements GuardedRequest {
  readonly raw: IncomingMessage
  readonly path: string
  readonly query: Record<string, string | string[]>
  readonly #trusted: readonly string[]

  constructor (request: IncomingMessage, trusted: readonly string[]) {
    this.raw = request
    const { path, query } = readTarget(request.url ?? '/')
    this.path = path
    this.query = query
    this.#trusted = trusted
  }

  get method (): string {
    return this.raw.method ?? 'GET'
  }

  get address (): string {
    return forwardedAddress(this.raw, this.#trusted)
  }

  get isOverTls (): boolean {
    return isOverTls(this.raw, this.#trusted)
  }
}

/** The path and the query of a request: all behind the first question mark is query. */
export function readTarget (url: string): { path: string, query: Record<string, string | string[]> } {
  const start = url.indexOf('?')
  return start === -1
    ? { path: url, query: {} }
    : { path: url.slice(0, start), query: readQuery(url.slice(start + 1)) }
}

/** A parameter that comes several times is a list. */
export function readQuery (text: string): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = Object.create(null)
  for (const [name, value] of new URLSearchParams(text)) {
    const known = query[name]
    query[name] = known === undefined ? value : [known, value].flat()
  }
  return query
}

/** The last address that no trusted proxy has (RFC 7239 §5.2). */
function forwardedAddress ({ socket, headers }: IncomingMessage, trusted: readonly string[]): string {
  const hops = String(headers['x-forwarded-for'] ?? '').split(',').map(hop => hop.trim()).filter(hop => hop !== '')
  let address = canonicalAddress(socket.remoteAddress ?? '') ?? unknownAddress
  while (hops.length > 0 && isWithin(address, trusted) === true) address = readAddress(hops.pop()) ?? unknownAddress
  return address
}

function isOverTls ({ socket, headers }: IncomingMessage, trusted: readonly string[]): boolean {
  if ((socket as TLSSocket).encrypted === true) return true
  const peer = canonicalAddress(socket.remoteAddress ?? '')
  const scheme = String(headers['x-forwarded-proto'] ?? '').split(',').at(-1)!.trim()
  return peer !== null && isWithin(peer, trusted) === true && scheme.toLowerCase() === 'https'
}
