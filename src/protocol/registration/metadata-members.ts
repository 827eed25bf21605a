/** Members of client metadata (RFC 7591 §2), read one by one: their types, lengths and characters. */
import { isPlainText } from '../../base/plain-text.ts'
import { applicationTypes, type ApplicationType } from '../../domain/client-metadata/redirect-uri.ts'
import { idTokenAlgorithms, type IdTokenAlgorithm } from '../../domain/tokens/signing-key.ts'
import { OAuthError } from '../shared/oauth-error.ts'

/** What was sent, without the members that are null. */
export type Body = Readonly<Record<string, unknown>>

const maxNameLength = 200
export const maxTextLength = 256
export const maxUrlLength = 2_048
export const maxListLength = 20

/**
 * The members of a body. A member that is null counts as not sent (RFC 7591 §2, RFC 7592 §2.2): typed clients send
 * every member they know. @throws OAuthError `invalid_request` if the body is not a JSON object.
 */
export function sentMembers (body: unknown): Body {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new OAuthError(400, 'invalid_request', 'The body must be a JSON object.')
  }
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null))
}

/** A name without the characters that could make it look like another one; undefined: none was sent. */
export function readName (sent: Body): string | undefined {
  const name = readText(sent, 'client_name', maxNameLength)
  if (name === undefined) return undefined
  // Control, format and bidirectional characters and lone surrogates can make a name look like another one.
  const plain = name.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '').trim()
  if (plain === '') throw invalid('client_name must have a visible character.')
  return plain
}

/** Undefined: the client does not say. */
export function readApplicationType (sent: Body): ApplicationType | undefined {
  const asked = readText(sent, 'application_type', maxTextLength)
  const known = applicationTypes.find(type => type === asked)
  if (asked !== undefined && known === undefined) {
    throw invalid(`application_type must be one of ${applicationTypes.join(', ')}.`)
  }
  return known
}

/** The algorithm of ID tokens (OpenID Connect Registration §2); undefined: the client does not say. */
export function readIdTokenAlgorithm (sent: Body): IdTokenAlgorithm | undefined {
  const asked = readText(sent, 'id_token_signed_response_alg', maxTextLength)
  const known = idTokenAlgorithms.find(algorithm => algorithm === asked)
  if (asked !== undefined && known === undefined) {
    throw invalid(`id_token_signed_response_alg must be one of ${idTokenAlgorithms.join(', ')}.`)
  }
  return known
}

/** Pages will show these links: only URLs that a browser can follow without running a script. */
export function readUrl (sent: Body, member: string): string | undefined {
  const text = readText(sent, member, maxUrlLength)
  if (text === undefined) return undefined
  const url = URL.parse(text)
  if (
    url === null || (url.protocol !== 'https:' && url.protocol !== 'http:') || url.username !== '' ||
    url.password !== '' || /[\s\p{Cc}]/u.test(text)
  ) {
    throw invalid(`${member} must be an https URL.`)
  }
  return text
}

export function readText (sent: Body, member: string, maxLength: number): string | undefined {
  const value = sent[member]
  if (value === undefined) return undefined
  if (typeof value !== 'string') throw invalid(`${member} must be a string.`)
  if (value.length > maxLength) throw invalid(`${member} must have at most ${maxLength} characters.`)
  // readName cleans a name, and a scope is not kept.
  if (member !== 'client_name' && member !== 'scope' && !isPlainText(value)) {
    throw invalid(`${member} has a control character or is not well-formed Unicode.`)
  }
  return value === '' ? undefined : value
}

export function readTexts (sent: Body, member: string, maxLength: number): string[] | undefined {
  const value = sent[member]
  if (value === undefined) return undefined
  if (!Array.isArray(value) || !value.every(each => typeof each === 'string')) {
    throw invalid(`${member} must be an array of strings.`)
  }
  if (value.length > maxLength) throw invalid(`${member} must have at most ${maxLength} entries.`)
  if (value.some(each => each.length > maxUrlLength)) {
    throw invalid(`An entry of ${member} has more than ${maxUrlLength} characters.`)
  }
  if (!value.every(isPlainText)) {
    throw invalid(`An entry of ${member} has a control character or is not well-formed Unicode.`)
  }
  return value as string[]
}

export function withoutUndefined (members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

export function invalid (description: string): OAuthError {
  return new OAuthError(400, 'invalid_client_metadata', description)
}
