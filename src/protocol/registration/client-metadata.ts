/**
 * Client metadata (RFC 7591 §2), as an unauthenticated client describes itself. Known members are validated and kept,
 * unknown ones are ignored, and none gives authority: scopes, organization and addresses are never read from it.
 */
import { errors, type Provider } from 'oidc-provider'
import { Failure } from '../../base/errors.ts'
import { isPlainText } from '../../base/plain-text.ts'
import { clientAuthMethods, type ClientAuthMethod, type ClientMetadata } from '../../domain/credentials/client.ts'
import { assertionAlgorithms, requirePublicKeys } from '../../domain/credentials/client-keys.ts'
import { makeClient, supportedGrantTypes } from '../provider/client-authentication.ts'
import { OAuthError } from '../shared/oauth-error.ts'
import { readRedirectUris } from './redirect-uri.ts'

type Body = Readonly<Record<string, unknown>>

const maxNameLength = 200
const maxTextLength = 256
const maxUrlLength = 2_048
const maxContacts = 10
const maxListLength = 20

/** Members that make a server fetch a stranger's URL, or trust a third party (SECURITY R5). */
const refusedMembers = new Map([
  ['jwks_uri', 'Send the keys themselves in jwks.'],
  ['sector_identifier_uri', 'This server has no pairwise subjects.'],
  ['request_uris', 'This server takes no request objects.'],
  ['software_statement', 'Send the metadata themselves.'],
])

/**
 * Reads a registration body. @throws OAuthError `invalid_client_metadata` naming the member, or `invalid_redirect_uri`
 * (RFC 7591 §3.2.2).
 */
export function readClientMetadata (provider: Provider, body: unknown): ClientMetadata {
  const sent = sentMembers(body)
  for (const [member, remedy] of refusedMembers) {
    if (sent[member] !== undefined) throw invalid(`${member} is not supported. ${remedy}`)
  }
  readText(sent, 'scope', maxUrlLength)
  const grantTypes = readGrantTypes(sent)
  const redirectUris = readRedirectUris(sent.redirect_uris, grantTypes)
  const metadata = withoutUndefined({
    client_name: readName(sent),
    redirect_uris: redirectUris,
    application_type: readApplicationType(sent, redirectUris),
    grant_types: grantTypes,
    response_types: readResponseTypes(sent),
    ...readAuthentication(sent),
    contacts: readContacts(sent),
    logo_uri: readUrl(sent, 'logo_uri'),
    client_uri: readUrl(sent, 'client_uri'),
    policy_uri: readUrl(sent, 'policy_uri'),
    tos_uri: readUrl(sent, 'tos_uri'),
    software_id: readText(sent, 'software_id', maxTextLength),
    software_version: readText(sent, 'software_version', maxTextLength),
  }) as ClientMetadata
  requireLoadable(provider, metadata)
  return metadata
}

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

/** Validates by the provider's own schema: metadata that it would not load later are refused now. */
function requireLoadable (provider: Provider, metadata: ClientMetadata): void {
  const secret = metadata.token_endpoint_auth_method === 'private_key_jwt' ? {} : { client_secret: 'not-made-yet' }
  try {
    makeClient(provider, { ...metadata, ...secret, client_id: 'not-made-yet' })
  } catch (refused) {
    if (!(refused instanceof errors.InvalidClientMetadata)) throw refused
    throw new OAuthError(400, refused.error, `${refused.error_description}.`)
  }
}

function readName (sent: Body): string | undefined {
  const name = readText(sent, 'client_name', maxNameLength)
  if (name === undefined) return undefined
  // Control, format and bidirectional characters and lone surrogates can make a name look like another one.
  const plain = name.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '').trim()
  if (plain === '') throw invalid('client_name must have a visible character.')
  return plain
}

function readGrantTypes (sent: Body): string[] {
  const asked = readTexts(sent, 'grant_types', maxListLength)
  if (asked === undefined) return [...supportedGrantTypes]
  const kept = supportedGrantTypes.filter(type => asked.includes(type))
  if (kept.length === 0) {
    throw invalid(`grant_types holds none of the supported grants: ${supportedGrantTypes.join(', ')}.`)
  }
  return kept
}

/** None: the authorization endpoint takes no response type yet. RFC 7591 §2 lets the server replace what was asked. */
function readResponseTypes (sent: Body): string[] {
  readTexts(sent, 'response_types', maxListLength)
  return []
}

/** If not sent, the redirect URIs decide: the default, web, would refuse redirect URIs that RFC 8252 allows. */
function readApplicationType (sent: Body, redirectUris: readonly string[] | undefined): string | undefined {
  const asked = readText(sent, 'application_type', maxTextLength)
  if (asked !== undefined || redirectUris === undefined || redirectUris.length === 0) return asked
  return redirectUris.every(uri => /^https:/i.test(uri)) ? 'web' : 'native'
}

function readAuthentication (sent: Body): Partial<ClientMetadata> {
  const method = readText(sent, 'token_endpoint_auth_method', maxTextLength) ?? 'client_secret_basic'
  if (!isAuthMethod(method)) throw invalid(`token_endpoint_auth_method must be one of ${clientAuthMethods.join(', ')}.`)
  const algorithm = readText(sent, 'token_endpoint_auth_signing_alg', maxTextLength)
  if (method !== 'private_key_jwt') {
    requireKeySet(sent)
    return { token_endpoint_auth_method: method }
  }
  if (algorithm !== undefined && !assertionAlgorithms.some(each => each === algorithm)) {
    throw invalid(`token_endpoint_auth_signing_alg must be one of ${assertionAlgorithms.join(', ')}.`)
  }
  return {
    token_endpoint_auth_method: method,
    ...withoutUndefined({ token_endpoint_auth_signing_alg: algorithm }),
    jwks: readKeys(sent)
  }
}

/** Keys that verify nothing are not kept, but must be a JWK Set all the same (RFC 7517 §5). */
function requireKeySet ({ jwks }: Body): void {
  if (jwks === undefined) return
  const { keys } = jwks as { keys?: unknown }
  if (!Array.isArray(keys) || !keys.every(isMembers)) {
    throw invalid('jwks must be a JWK Set: an object whose member keys is an array of objects.')
  }
}

function isMembers (value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function readKeys (sent: Body): { keys: Record<string, unknown>[] } {
  if (sent.jwks === undefined) throw invalid('private_key_jwt needs the public keys in jwks.')
  try {
    return requirePublicKeys(sent.jwks)
  } catch (refused) {
    throw refused instanceof Failure ? invalid(refused.message) : refused
  }
}

function isAuthMethod (text: string): text is ClientAuthMethod {
  return clientAuthMethods.some(method => method === text)
}

function readContacts (sent: Body): string[] | undefined {
  return readTexts(sent, 'contacts', maxContacts)
}

/** Pages will show these links: only URLs that a browser can follow without running a script. */
function readUrl (sent: Body, member: string): string | undefined {
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

function readText (sent: Body, member: string, maxLength: number): string | undefined {
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

function readTexts (sent: Body, member: string, maxLength: number): string[] | undefined {
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

function withoutUndefined (members: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined))
}

function invalid (description: string): OAuthError {
  return new OAuthError(400, 'invalid_client_metadata', description)
}
