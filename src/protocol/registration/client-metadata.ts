/**
 * Client metadata (RFC 7591 §2), as an unauthenticated client describes itself. Known members are validated and kept,
 * unknown ones are ignored, and none gives authority: scopes, organization and addresses are never read from it.
 */
import { errors, type Provider } from 'oidc-provider'
import { Failure } from '../../base/errors.ts'
import {
  clientGrantTypes, defaultGrantTypes, grantsThatFit, problemOfGrants, responseTypesOf, type ClientGrantType
} from '../../domain/client-metadata/grant-types.ts'
import {
  inferredApplicationType, type ApplicationType, type PrivateSchemes
} from '../../domain/client-metadata/redirect-uri.ts'
import {
  clientAuthMethods, usesSecret, type ClientAuthMethod, type ClientMetadata
} from '../../domain/credentials/client.ts'
import { assertionAlgorithms, requirePublicKeys } from '../../domain/credentials/client-keys.ts'
import { makeClient } from '../provider/client-authentication.ts'
import { OAuthError } from '../shared/oauth-error.ts'
import {
  invalid, maxListLength, maxTextLength, maxUrlLength, readApplicationType, readIdTokenAlgorithm, readName, readText,
  readTexts, readUrl, sentMembers, withoutUndefined, type Body
} from './metadata-members.ts'
import { readRedirectUris } from './redirect-uri.ts'

const maxContacts = 10

/** Members that make a server fetch a stranger's URL, or trust a third party (SECURITY R5). */
const refusedMembers = new Map([
  ['jwks_uri', 'Send the keys themselves in jwks.'],
  ['sector_identifier_uri', 'This server has no pairwise subjects.'],
  ['request_uris', 'This server takes no request objects.'],
  ['software_statement', 'Send the metadata themselves.'],
])

/** What registration needs for reading metadata. */
export interface MetadataReading {
  /** Its schema validates metadata. */
  provider: Provider
  privateSchemes: PrivateSchemes
}

/**
 * Reads a registration body. @throws OAuthError `invalid_client_metadata` naming the member, or `invalid_redirect_uri`
 * (RFC 7591 §3.2.2).
 */
export function readClientMetadata ({ provider, privateSchemes }: MetadataReading, body: unknown): ClientMetadata {
  const sent = sentMembers(body)
  for (const [member, remedy] of refusedMembers) {
    if (sent[member] !== undefined) throw invalid(`${member} is not supported. ${remedy}`)
  }
  readText(sent, 'scope', maxUrlLength)
  const authentication = readAuthentication(sent)
  const asked = readTexts(sent, 'grant_types', maxListLength)
  const type = readApplicationType(sent)
  const redirectUris = readRedirectUris(sent.redirect_uris, {
    type, privateSchemes, isNeeded: asked === undefined || asked.includes('authorization_code')
  })
  const isPublic = authentication.token_endpoint_auth_method === 'none'
  const grantTypes = readGrantTypes(asked, isPublic, redirectUris ?? [])
  const metadata = withoutUndefined({
    client_name: readName(sent),
    redirect_uris: redirectUris,
    application_type: type ?? typeOf(redirectUris ?? []),
    grant_types: grantTypes,
    response_types: readResponseTypes(sent, grantTypes),
    id_token_signed_response_alg: readIdTokenAlgorithm(sent),
    ...authentication,
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

/** Validates by the provider's own schema: metadata that it would not load later are refused now. */
function requireLoadable (provider: Provider, metadata: ClientMetadata): void {
  const secret = usesSecret(metadata.token_endpoint_auth_method) ? { client_secret: 'not-made-yet' } : {}
  // The algorithm of ID tokens was read already; its first key is made when people are asked.
  const { id_token_signed_response_alg: _, ...loadable } = metadata
  try {
    makeClient(provider, { ...loadable, ...secret, client_id: 'not-made-yet' })
  } catch (refused) {
    if (!(refused instanceof errors.InvalidClientMetadata)) throw refused
    throw new OAuthError(400, refused.error, `${refused.error_description}.`)
  }
}

/**
 * The grants to register: those that were asked for and go with the client (RFC 7591 §2 lets the server replace them).
 */
function readGrantTypes (
  asked: readonly string[] | undefined, isPublic: boolean, redirectUris: readonly string[]
): ClientGrantType[] {
  const hasRedirectUris = redirectUris.length > 0
  const known = asked === undefined
    ? defaultGrantTypes(hasRedirectUris)
    : clientGrantTypes.filter(type => asked.includes(type))
  const kept = grantsThatFit(known, { isPublic, hasRedirectUris })
  if (kept.length > 0) return kept
  throw invalid(`grant_types holds no grant for this client. ${problemOfGrants(known, { isPublic, hasRedirectUris })}`)
}

/** Those of the grants, whatever was asked for: RFC 7591 §2 lets the server replace it. */
function readResponseTypes (sent: Body, grantTypes: readonly string[]): string[] {
  readTexts(sent, 'response_types', maxListLength)
  return responseTypesOf(grantTypes)
}

function typeOf (redirectUris: readonly string[]): ApplicationType | undefined {
  return redirectUris.length === 0 ? undefined : inferredApplicationType(redirectUris)
}

function readAuthentication (sent: Body): { token_endpoint_auth_method: ClientAuthMethod, [member: string]: unknown } {
  const method = readText(sent, 'token_endpoint_auth_method', maxTextLength) ?? chosenMethod(sent)
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

/**
 * The method of a client that names none: of those that it can use (OpenID RP Metadata Choices), the first that is
 * supported, keys only where it sends some; else the default of RFC 7591 §2.
 */
function chosenMethod (sent: Body): string {
  const choices = readTexts(sent, 'token_endpoint_auth_methods_supported', maxListLength)
  if (choices === undefined) return 'client_secret_basic'
  const usable = choices.find(each => isAuthMethod(each) && (each !== 'private_key_jwt' || sent.jwks !== undefined))
  if (usable !== undefined) return usable
  throw invalid(
    `token_endpoint_auth_methods_supported must hold one of ${clientAuthMethods.join(', ')}; ` +
      'private_key_jwt takes jwks.'
  )
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
