/** Fetches a JSON document again, with headers of its own, if it has changed since (RFC 9110 §13.1.2). */
import { limitJsonBody } from '../http/json-limits.ts'
import { asDocumentFailure, requireDocument } from './document-fetcher.ts'
import { internet, type Network } from './network.ts'
import { outboundFetch } from './outbound-fetch.ts'
import { isPublicAddress } from './public-address.ts'

export interface ConditionalRequest {
  url: string
  headers: Readonly<Record<string, string>>
  /** The entity tag of the document that is kept; null: none is. */
  etag: string | null
}

/**
 * What came of a request. `status`: of the answer; null: none came. `error`: why there is no document, a public
 * sentence without its subject; null: there is one. `document` null without an error: the kept one is the present one.
 */
export interface ConditionalAnswer {
  status: number | null
  error: string | null
  document: { content: string, etag: string | null } | null
}

export type ConditionalFetcher = (request: ConditionalRequest) => Promise<ConditionalAnswer>

/** The most bytes of a document. */
export const mostDocumentBytes = 512 * 1024
/** Milliseconds, from the look-up of the host to the last byte. */
const timeout = 8_000
const longestTag = 256

/** A fetcher of public hosts over https. It follows no redirect, so that headers reach the host of the URL alone. */
export function conditionalFetcher (network: Network = internet): ConditionalFetcher {
  const fetch = outboundFetch({ permits: isPublicAddress, timeout, maxBytes: mostDocumentBytes, network })
  return async ({ url, headers, etag }) => {
    let status: number | null = null
    try {
      const answer = await fetch(url, {
        headers: {
          ...headers,
          accept: 'application/json',
          'user-agent': 'latchkey',
          ...(etag === null ? {} : { 'if-none-match': etag })
        }
      })
      status = answer.status
      if (status === 304 && etag !== null) return { status, error: null, document: null }
      requireDocument(answer)
      return { status, ...readDocument(new Uint8Array(await answer.arrayBuffer()), answer.headers.get('etag')) }
    } catch (error) {
      return { status, error: asDocumentFailure(error).message, document: null }
    }
  }
}

function readDocument (bytes: Uint8Array, etag: string | null): Pick<ConditionalAnswer, 'error' | 'document'> {
  let content: string
  try {
    content = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    JSON.parse(content)
  } catch {
    return { error: 'is not JSON in UTF-8', document: null }
  }
  try {
    limitJsonBody(content, Infinity)
  } catch {
    return { error: 'is nested too deeply', document: null }
  }
  return { error: null, document: { content, etag: etag !== null && etag.length <= longestTag ? etag : null } }
}
