/** Redirect URIs of a registration, validated so that no dangerous one is ever stored. */
import {
  inferredApplicationType, mostRedirectUris, problemOfRedirectUri, type ApplicationType, type PrivateSchemes
} from '../../domain/client-metadata/redirect-uri.ts'
import { OAuthError } from '../shared/oauth-error.ts'

export interface RedirectUriReading {
  /** Undefined: the client does not say, and its redirect URIs decide. */
  type: ApplicationType | undefined
  privateSchemes: PrivateSchemes
  /** Whether the client asks people; else unsupported redirect URIs are left out (RFC 7591 §3.2.1). */
  isNeeded: boolean
}

/**
 * The redirect URIs to keep; undefined: none were sent.
 * @throws OAuthError `invalid_redirect_uri` (RFC 7591 §3.2.2), naming the entry and the reason.
 */
export function readRedirectUris (value: unknown, reading: RedirectUriReading): string[] | undefined {
  if (value === undefined) return undefined
  if (!Array.isArray(value) || !value.every(each => typeof each === 'string')) {
    throw refused('redirect_uris must be an array of strings.')
  }
  if (value.length > mostRedirectUris) throw refused(`redirect_uris must have at most ${mostRedirectUris} entries.`)
  const uris = value as string[]
  const { privateSchemes, isNeeded } = reading
  const problemAs = (uri: string, type: ApplicationType) => problemOfRedirectUri(uri, type, privateSchemes)
  const alone = (uri: string) => problemAs(uri, reading.type ?? inferredApplicationType([uri]))
  const type = reading.type ?? inferredApplicationType(uris.filter(uri => alone(uri) === null))
  return uris.filter((uri, index) => {
    const found = alone(uri) ?? problemAs(uri, type)
    if (found !== null && (isNeeded || found.kind === 'dangerous')) {
      throw refused(`redirect_uris[${index}] ${found.problem}.`)
    }
    return found === null
  })
}

function refused (description: string): OAuthError {
  return new OAuthError(400, 'invalid_redirect_uri', description)
}
