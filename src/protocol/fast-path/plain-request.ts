/**
 * Requests that can be read in one way only: a form of known parameters, each once and with a value, and a client's
 * secret in one place. Null is always "not plain", never "wrong": whether something is wrong is for oidc-provider to
 * say. What is plain here means the same there, so every rule is at least as strict as the provider's.
 */
import { isAscii } from 'node:buffer'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

/** A form whose parameters are all known, each once and with a value. */
export type PlainForm = Readonly<Record<string, string | undefined>>

export interface PresentedSecret { clientId: string, secret: string }

/** In bytes. The provider reads more, and longer ones are its business. */
const longestBody = 8 * 1024

const formType = /^application\/x-www-form-urlencoded(?:; ?charset=utf-8)?$/i
const plainLength = /^[1-9]\d{0,3}$/

/**
 * Headers that give a request another meaning or a second proof: browsers', RFC 9449, attestation-based client
 * authentication.
 */
const meaningful = [
  'transfer-encoding', 'content-encoding', 'origin', 'dpop', 'oauth-client-attestation', 'oauth-client-attestation-pop'
]

/** How many bytes the body of a plain form has. */
export function plainBodyLength ({ headers }: IncomingMessage): number | null {
  const { 'content-type': type, 'content-length': length } = headers
  if (type === undefined || length === undefined || !formType.test(type) || !plainLength.test(length)) return null
  return Number(length) <= longestBody && meaningful.every(name => headers[name] === undefined) ? Number(length) : null
}

/**
 * Takes a body of `length` bytes off a request; `unshift` gives it back as if it had not been read. Null, and all is as
 * it was: the connection broke off, or the body comes in pieces.
 */
export async function takeBody (request: IncomingMessage, length: number): Promise<Buffer | null> {
  // Nearly always it came in one packet with the headers, and is there once the rest of that has been read.
  await null
  if (request.readableLength === 0) await arrival(request)
  return request.readableLength === length ? request.read(length) as Buffer : null
}

function arrival (request: IncomingMessage): Promise<void> {
  return new Promise(resolve => {
    const settle = (): void => {
      request.off('readable', settle).off('close', settle)
      resolve()
    }
    if (request.destroyed) resolve()
    else request.on('readable', settle).on('close', settle)
  })
}

/** Reads a body, provided that it has no parameters but `known`. */
export function readPlainForm (body: Buffer, known: ReadonlySet<string>): PlainForm | null {
  if (!isAscii(body)) return null
  const form: Record<string, string> = {}
  for (const pair of body.toString('latin1').split('&')) {
    const equals = pair.indexOf('=')
    const name = pair.slice(0, equals)
    const value = equals === -1 ? null : decoded(pair.slice(equals + 1))
    if (value === null || value === '' || !known.has(name) || form[name] !== undefined) return null
    form[name] = value
  }
  return form
}

/**
 * By the rules of application/x-www-form-urlencoded. Null: it is not well-formed, and what it means is a matter of
 * taste.
 */
function decoded (text: string): string | null {
  if (!text.includes('%') && !text.includes('+')) return text
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return null
  }
}

/** Base64 with its padding, if also its length is right. */
const basicSyntax = /^basic ([a-z0-9+/]+={0,2})$/i
/**
 * Characters that form encoding leaves as they are, so that who encodes (RFC 6749 §2.3.1) and who does not send the
 * same.
 */
const pairSyntax = /^([A-Za-z0-9_.-]+):([A-Za-z0-9_.-]+)$/

/** The secret that a client presents, in the header or in the body, and in no second place. */
export function presentedSecret ({ authorization }: IncomingHttpHeaders, form: PlainForm): PresentedSecret | null {
  const { client_id: clientId, client_secret: secret } = form
  if (authorization !== undefined) {
    return clientId === undefined && secret === undefined
      ? readBasic(authorization)
      : null
  }
  return clientId === undefined || secret === undefined ? null : { clientId, secret }
}

function readBasic (authorization: string): PresentedSecret | null {
  const encoded = basicSyntax.exec(authorization)?.[1]
  const pair = encoded === undefined || encoded.length % 4 !== 0 ? null : pairSyntax.exec(atob(encoded))
  return pair === null ? null : { clientId: pair[1]!, secret: pair[2]! }
}
