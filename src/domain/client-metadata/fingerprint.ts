/** The fingerprint of what a consent to a client depends on. */
import { digestOf } from '../../secrets/digest.ts'

/**
 * Digest of where a client sends people, what kind of application it is, and how it proves itself.
 * Another one: the client is, as far as a person can
 * tell, another client (draft-ietf-oauth-client-id-metadata-document, "Changes in Client Metadata"). Keys that are
 * fetched from a `jwks_uri` count by their URL: clients change them as a matter of course.
 */
export function fingerprintOf (metadata: Readonly<Record<string, unknown>>): string {
  const { redirect_uris: uris, application_type: type, token_endpoint_auth_method: method } = metadata
  const { jwks, jwks_uri: keysAt } = metadata
  const sorted = Array.isArray(uris) ? uris.map(String).toSorted() : []
  return digestOf(JSON.stringify([sorted, type ?? null, method ?? null, keysAt ?? jwks ?? null]))
}
