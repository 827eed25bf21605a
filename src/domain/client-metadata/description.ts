/** What an operator says of how a client acts for people: redirect URIs, grants, and what kind of application it is. */
import { Failure } from '../../base/errors.ts'
import {
  defaultGrantTypes, problemOfGrants, responseTypesOf, type ClientGrantType
} from './grant-types.ts'
import {
  inferredApplicationType, mostRedirectUris, placeOf, problemOfRedirectUri, type ApplicationType, type PrivateSchemes
} from './redirect-uri.ts'

export interface ClientDescription {
  redirectUris?: readonly string[]
  /** Unless given: with redirect URIs those that act for people, else `client_credentials`. */
  grantTypes?: readonly ClientGrantType[]
  /** Unless given, the redirect URIs decide. */
  applicationType?: ApplicationType
  /** The algorithm of its ID tokens; ES256 unless given. */
  idTokenSignedResponseAlg?: string
}

interface Described {
  grant_types: string[]
  response_types: string[]
  redirect_uris?: string[]
  application_type?: ApplicationType
  id_token_signed_response_alg?: string
}

/** Of a client, what its description is a part of. */
interface Metadata { token_endpoint_auth_method: string, grant_types: string[], [member: string]: unknown }

/**
 * The metadata that a description stands for. @throws Failure `invalid_request`, naming the field and the remedy.
 */
export function describeClient (
  { redirectUris = [], grantTypes, applicationType, idTokenSignedResponseAlg }: ClientDescription, method: string,
  privateSchemes: PrivateSchemes
): Described {
  const type = applicationType ?? inferredApplicationType(redirectUris)
  requireRedirectUris(redirectUris, type, privateSchemes)
  const hasRedirectUris = redirectUris.length > 0
  const grants = [...new Set(grantTypes ?? defaultGrantTypes(hasRedirectUris))]
  const problem = problemOfGrants(grants, { isPublic: method === 'none', hasRedirectUris })
  if (problem !== null) throw new Failure('invalid_request', { message: problem, details: { field: 'grantTypes' } })
  return {
    grant_types: grants,
    response_types: responseTypesOf(grants),
    ...(hasRedirectUris ? { redirect_uris: [...redirectUris], application_type: type } : {}),
    ...(idTokenSignedResponseAlg === undefined ? {} : { id_token_signed_response_alg: idTokenSignedResponseAlg })
  }
}

/**
 * The metadata of a client after a change of its description; what is not given stays. A client that its document
 * describes keeps what the document says. @throws Failure `invalid_request`, `conflict`.
 */
export function describedAnew<M extends Metadata> (
  { id, origin, metadata }: { id: string, origin: string, metadata: M },
  change: ClientDescription & { name?: string }, privateSchemes: PrivateSchemes
): M {
  const { redirectUris, grantTypes, applicationType, idTokenSignedResponseAlg, name } = change
  const isDescription = [redirectUris, grantTypes, applicationType, idTokenSignedResponseAlg]
    .some(given => given !== undefined)
  if (origin === 'hosted' && (isDescription || name !== undefined)) {
    throw new Failure('conflict', { message: `The document at ${id} describes this client; change that.` })
  }
  const named = name === undefined ? metadata : { ...metadata, client_name: name }
  if (!isDescription) return named
  const { redirect_uris: _uris, application_type: type, ...others } = named
  // New redirect URIs decide anew what kind of application it is, unless that is given.
  const kept = applicationType ?? (redirectUris === undefined ? type as ApplicationType | undefined : undefined)
  const described = describeClient({
    redirectUris: redirectUris ?? redirectUrisOf(metadata),
    grantTypes: grantTypes ?? metadata.grant_types as ClientGrantType[],
    ...(kept === undefined ? {} : { applicationType: kept }),
    ...(idTokenSignedResponseAlg === undefined ? {} : { idTokenSignedResponseAlg }),
  }, metadata.token_endpoint_auth_method, privateSchemes)
  return { ...others, ...described } as unknown as M
}

/** Empty: it has none. */
export function redirectUrisOf ({ redirect_uris: uris }: Readonly<Record<string, unknown>>): readonly string[] {
  return Array.isArray(uris) ? uris.map(String) : []
}

/**
 * Whether a client is on the device of a person, where any program can pose as it (RFC 8252 §8.6): one of its redirect
 * URIs is there, whatever it calls itself, or it says so.
 */
export function isOnDevice (metadata: Readonly<Record<string, unknown>>): boolean {
  return metadata.application_type === 'native' || redirectUrisOf(metadata).some(uri => placeOf(uri) !== null)
}

function requireRedirectUris (uris: readonly string[], type: ApplicationType, privateSchemes: PrivateSchemes): void {
  const refuse = (problem: string): never => {
    throw new Failure('invalid_request', { message: problem, details: { field: 'redirectUris' } })
  }
  if (uris.length > mostRedirectUris) refuse(`A client has at most ${mostRedirectUris} redirect URIs.`)
  for (const [index, uri] of uris.entries()) {
    const found = problemOfRedirectUri(uri, type, privateSchemes)
    if (found !== null) refuse(`redirectUris[${index}] ${found.problem}.`)
  }
}
