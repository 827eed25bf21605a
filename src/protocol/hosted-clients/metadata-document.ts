/**
 * Client ID metadata documents (draft-ietf-oauth-client-id-metadata-document §4): what of one is taken, and what makes
 * it invalid. A document is written for every server, so members that concern none of our rules are ignored.
 */
import { Failure } from '../../base/errors.ts'
import {
  clientGrantTypes, defaultGrantTypes, grantsThatFit, problemOfGrants, responseTypesOf
} from '../../domain/client-metadata/grant-types.ts'
import { problemOfClientIdUrl } from '../../domain/client-metadata/client-id-url.ts'
import { inferredApplicationType, type PrivateSchemes } from '../../domain/client-metadata/redirect-uri.ts'
import type { ClientMetadata } from '../../domain/credentials/client.ts'
import { assertionAlgorithms, requirePublicKeys } from '../../domain/credentials/client-keys.ts'
import type { ClientDocument } from '../../domain/credentials/hosted-client.ts'
import { DocumentFailure } from '../../fetch/document-failure.ts'
import {
  maxListLength, readApplicationType, readIdTokenAlgorithm, readName, readTexts, readUrl, sentMembers,
  withoutUndefined, type Body
} from '../registration/metadata-members.ts'
import { readRedirectUris } from '../registration/redirect-uri.ts'
import { OAuthError } from '../shared/oauth-error.ts'

/** A document that was read. */
export interface ReadDocument extends ClientDocument {
  /** Where its keys are; null: it has none, or they stand in it. */
  jwksUri: string | null
}

type HostedMethod = 'none' | 'private_key_jwt'

/** @throws DocumentFailure `invalid`, naming the member and what is wrong with it. */
export function readMetadataDocument (document: unknown, url: string, privateSchemes: PrivateSchemes): ReadDocument {
  try {
    return read(membersOf(document), url, privateSchemes)
  } catch (refused) {
    if (!(refused instanceof OAuthError) && !(refused instanceof Failure)) throw refused
    throw invalid(refused.message.replace(/\.$/, ''))
  }
}

function membersOf (document: unknown): Body {
  const isObject = typeof document === 'object' && document !== null && !Array.isArray(document)
  if (!isObject) throw invalid('it is no JSON object')
  return sentMembers(document)
}

function read (sent: Body, url: string, privateSchemes: PrivateSchemes): ReadDocument {
  // Texts are compared (RFC 3986 §6.2.1): the host alone vouches for a client, so the document must be meant for it.
  if (sent.client_id !== url) throw invalid('client_id is not the URL of the document')
  for (const member of ['client_secret', 'client_secret_expires_at']) {
    if (sent[member] !== undefined) throw invalid(`${member} must not be published`)
  }
  const method = readMethod(sent)
  const type = readApplicationType(sent)
  const redirectUris = readRedirectUris(sent.redirect_uris, { type, privateSchemes, isNeeded: false }) ?? []
  if (redirectUris.length === 0) throw invalid('redirect_uris has no redirect URI that this server takes')
  const grantTypes = readGrantTypes(sent)
  const keys = readKeys(sent, method, url)
  const metadata = withoutUndefined({
    client_name: lenient(() => readName(sent)),
    redirect_uris: redirectUris,
    application_type: type ?? inferredApplicationType(redirectUris),
    grant_types: grantTypes,
    response_types: responseTypesOf(grantTypes),
    token_endpoint_auth_method: method,
    id_token_signed_response_alg: lenient(() => readIdTokenAlgorithm(sent)),
    ...keys,
    logo_uri: lenient(() => readUrl(sent, 'logo_uri')),
    client_uri: lenient(() => readUrl(sent, 'client_uri')),
    policy_uri: lenient(() => readUrl(sent, 'policy_uri')),
    tos_uri: lenient(() => readUrl(sent, 'tos_uri')),
  }) as ClientMetadata
  const name = typeof metadata.client_name === 'string' ? metadata.client_name : new URL(url).hostname
  return { url, name, metadata, jwksUri: keys.jwks_uri ?? null }
}

/**
 * The method of the document, or the first that is supported of `token_endpoint_auth_methods_supported` (OpenID RP
 * Metadata Choices): keys, where there are some, prove more than nothing. Without either it is a public client.
 */
function readMethod (sent: Body): HostedMethod {
  const { token_endpoint_auth_method: method } = sent
  if (method === 'none' || method === 'private_key_jwt') return method
  const choices = readTexts(sent, 'token_endpoint_auth_methods_supported', maxListLength) ?? []
  if (method === undefined && choices.length === 0) return 'none'
  const hasKeys = sent.jwks !== undefined || sent.jwks_uri !== undefined
  if (method === undefined && hasKeys && choices.includes('private_key_jwt')) return 'private_key_jwt'
  if (method === undefined && choices.includes('none')) return 'none'
  throw invalid('token_endpoint_auth_method must be none or private_key_jwt: a document can share no secret')
}

function readGrantTypes (sent: Body): string[] {
  const asked = readTexts(sent, 'grant_types', maxListLength)
  const known = asked === undefined ? defaultGrantTypes(true) : clientGrantTypes.filter(type => asked.includes(type))
  // Nobody has decided what such a client may do by itself: it acts for people alone, keys or not.
  const conditions = { isPublic: true, hasRedirectUris: true }
  const kept = grantsThatFit(known, conditions)
  if (kept.length > 0) return kept
  throw invalid(`grant_types must hold authorization_code. ${problemOfGrants(known, conditions)}`)
}

/** Keys matter to a client that proves itself by them; those of others are ignored. */
function readKeys (
  sent: Body, method: HostedMethod, url: string
): Pick<ClientMetadata, 'jwks'> & { jwks_uri?: string, token_endpoint_auth_signing_alg?: string } {
  const { jwks, jwks_uri: keysAt, token_endpoint_auth_signing_alg: algorithm } = sent
  if (jwks !== undefined && keysAt !== undefined) throw invalid('jwks and jwks_uri must not both be there')
  if (method === 'none') return {}
  const known = assertionAlgorithms.find(each => each === algorithm)
  if (algorithm !== undefined && known === undefined) {
    throw invalid(`token_endpoint_auth_signing_alg must be one of ${assertionAlgorithms.join(', ')}`)
  }
  const only = known === undefined ? {} : { token_endpoint_auth_signing_alg: known }
  if (jwks !== undefined) return { jwks: requirePublicKeys(jwks), ...only }
  if (typeof keysAt !== 'string') throw invalid('private_key_jwt needs keys, in jwks or at jwks_uri')
  const problem = problemOfClientIdUrl(keysAt)
  if (problem !== null) throw invalid(`jwks_uri ${problem}`)
  // The host of the document vouches for the client; it sends this server to no other host.
  if (new URL(keysAt).origin !== new URL(url).origin) throw invalid('jwks_uri is on another host than the document')
  return { jwks_uri: keysAt, ...only }
}

/** The keys at a `jwks_uri` that can be used here; others, of other algorithms or uses, are left out. */
export function readKeySet (document: unknown): { keys: Record<string, unknown>[] } {
  const { keys: given } = membersOf(document)
  const keys = Array.isArray(given) ? given.slice(0, mostKeys).flatMap(usableKey) : []
  if (keys.length === 0) throw invalid('has no public key that this server can use')
  return { keys }
}

const mostKeys = 10

function usableKey (key: unknown): Record<string, unknown>[] {
  return lenient(() => requirePublicKeys({ keys: [key] }).keys) ?? []
}

/** A member that only describes the client is left out rather than the client. */
function lenient<T> (reading: () => T): T | undefined {
  try {
    return reading()
  } catch (refused) {
    if (refused instanceof OAuthError || refused instanceof Failure) return undefined
    throw refused
  }
}

function invalid (problem: string): DocumentFailure {
  return new DocumentFailure('invalid', `is not valid: ${problem}`)
}
