/**
 * Fetches JSON documents that strangers name: metadata of clients, and their keys. One request for one URL at a time;
 * what was found, or why nothing was, is kept, so that a stranger's questions cost another host little.
 */
import type { Clock } from '../base/clock.ts'
import { lru } from '../base/lru.ts'
import { freshFor, type LifetimeBounds } from './cache-lifetime.ts'
import { DocumentFailure } from './document-failure.ts'
import { busy, type FetchBudget } from './fetch-budget.ts'
import type { Network } from './network.ts'
import { outboundFetch, OutboundFailure, type OutboundFetch } from './outbound-fetch.ts'
import { isPublicAddress } from './public-address.ts'

/** A kind of document. */
export interface DocumentKind<T extends object> {
  /** The most bytes of one. */
  maxBytes: number
  /** For how long one is kept. */
  lifetime: LifetimeBounds
  /** Reads one. @throws DocumentFailure `invalid`. */
  read (document: unknown, url: string): T
}

/** Where documents come from, and how many. */
export interface DocumentSource { clock: Clock, network: Network, budget: FetchBudget }

export interface DocumentFetcher<T extends object> {
  /**
   * The document of an https URL. `askedBy`: the address for which it is fetched. A known document is served beyond its
   * lifetime while its host is unavailable, for `staleFor` seconds; one that has gone or has become invalid is not.
   * The same object as before, unless the document was fetched again. @throws DocumentFailure.
   */
  get (url: string, askedBy: string): Promise<T>
}

/** Milliseconds, from the look-up of the host to the last byte: a person waits. */
const timeout = 4_000
/** Seconds for which a failure is remembered. */
export const failureKeptFor = 30
/** Seconds, after its lifetime, for which a document stands in for one whose host is unavailable (RFC 5861 §4). */
export const staleFor = 86_400
/** Documents that are kept. */
const mostKept = 1_000

interface Kept<T> { document: T, freshUntil: number, usableUntil: number }
interface Failed { failure: DocumentFailure, until: number }

export function documentFetcher<T extends object> (
  kind: DocumentKind<T>, { clock, network, budget }: DocumentSource
): DocumentFetcher<T> {
  const fetch = outboundFetch({ permits: isPublicAddress, timeout, maxBytes: kind.maxBytes, network })
  const kept = lru<Kept<T>>(mostKept)
  const failed = lru<Failed>(mostKept)
  const inFlight = new Map<string, Promise<T>>()

  const keep = (url: string, document: T, headers: Headers): T => {
    const freshUntil = clock().getTime() + freshFor(headers, clock(), kind.lifetime) * 1_000
    kept.set(url, { document, freshUntil, usableUntil: freshUntil + staleFor * 1_000 })
    failed.delete(url)
    return document
  }
  const standIn = (url: string, failure: DocumentFailure): T => {
    const known = kept.get(url)
    const mayBeThere = failure.reason === 'unavailable' || failure.reason === 'busy'
    if (known !== undefined && mayBeThere && known.usableUntil > clock().getTime()) return known.document
    kept.delete(url)
    throw failure
  }
  const ask = async (url: string, askedBy: string): Promise<T> => {
    try {
      if (inFlight.size >= budget.atOnce) throw busy(1)
      // A known document is asked for once in its lifetime, which bounds it already: strangers cannot use up its share.
      const isKnown = kept.has(url)
      if (!isKnown) budget.take(new URL(url).hostname, askedBy)
      const { text, headers } = await answerTo(fetch, url, isKnown ? () => true : budget.admits)
      return keep(url, kind.read(parsed(text), url), headers)
    } catch (error) {
      const failure = asDocumentFailure(error)
      if (failure.reason !== 'busy') failed.set(url, { failure, until: clock().getTime() + failureKeptFor * 1_000 })
      return standIn(url, failure)
    }
  }
  return {
    async get (url, askedBy) {
      const now = clock().getTime()
      const known = kept.get(url)
      if (known !== undefined && known.freshUntil > now) return known.document
      const before = failed.get(url)
      if (before !== undefined && before.until > now) return standIn(url, before.failure)
      const waiting = inFlight.get(url)
      if (waiting !== undefined) return await waiting
      const asking = ask(url, askedBy)
      inFlight.set(url, asking)
      return await asking.finally(() => { inFlight.delete(url) })
    },
  }
}

/** @throws DocumentFailure for an answer that is no JSON document; OutboundFailure where there is no answer. */
async function answerTo (
  fetch: OutboundFetch, url: string, admit: (addresses: readonly string[]) => boolean
): Promise<{ text: Uint8Array, headers: Headers }> {
  const answer = await fetch(url, { headers: { accept: 'application/json', 'user-agent': 'latchkey' }, admit })
  requireDocument(answer)
  return { text: new Uint8Array(await answer.arrayBuffer()), headers: answer.headers }
}

/** @throws DocumentFailure for an answer that is no JSON document. */
export function requireDocument ({ status, headers }: Response): void {
  if (status >= 500 || status === 429) throw new DocumentFailure('unavailable', `is answered with ${status}`)
  if (status >= 300 && status < 400) {
    throw new DocumentFailure('refused', `is answered with a redirect (${status}), which is not followed`)
  }
  if (status !== 200) throw new DocumentFailure('refused', `is answered with ${status}`)
  if (!isJson(headers.get('content-type') ?? '')) {
    throw new DocumentFailure('refused', 'is not served as application/json')
  }
}

/** RFC 8259 §11, RFC 6839 §3.1: `application/json`, and types that end with `+json`. */
function isJson (contentType: string): boolean {
  const type = contentType.split(';', 1)[0]!.trim().toLowerCase()
  return type === 'application/json' || (type.startsWith('application/') && type.endsWith('+json'))
}

function parsed (bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new DocumentFailure('invalid', 'is not JSON in UTF-8')
  }
}

/** The public sentence tells nothing of the network of this server: its names and ports are no stranger's to know. */
export function asDocumentFailure (error: unknown): DocumentFailure {
  if (error instanceof DocumentFailure) return error
  if (!(error instanceof OutboundFailure)) throw error
  const { reason, message: detail } = error
  if (reason === 'not_admitted') return busy(1)
  if (reason === 'too_large') return new DocumentFailure('refused', 'is too large', { detail })
  if (reason === 'compressed') return new DocumentFailure('refused', 'is compressed, though that was not asked for')
  const mayBeThere = reason === 'unreachable' || reason === 'timeout'
  return new DocumentFailure(mayBeThere ? 'unavailable' : 'refused', 'cannot be fetched', { detail })
}
