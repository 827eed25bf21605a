/** The client information response (RFC 7591 §3.2.1, RFC 7592 §3). */
import { epochSeconds } from '../../base/clock.ts'
import { idTokenAlgorithmOf, type Client } from '../../domain/credentials/client.ts'
import type { Registry } from '../../domain/access/registry.ts'
import { grantableNow } from '../../domain/resources/scope.ts'
import { paths } from '../shared/paths.ts'

/** The registered metadata; `scope` is what the client can really get. Never the secret. */
export async function clientInformation (
  { issuer, registry }: { issuer: string, registry: Registry }, client: Client, registrationAccessToken: string
): Promise<object> {
  const scope = await grantedScope(registry, client)
  const asksPeople = client.metadata.grant_types.includes('authorization_code')
  return {
    client_id: client.id,
    client_id_issued_at: epochSeconds(client.createdAt),
    registration_access_token: registrationAccessToken,
    registration_client_uri: `${issuer}${paths.registration}/${client.id}`,
    ...client.metadata,
    // Without the member a client would have to expect RS256 (OpenID Connect Registration §2).
    ...(asksPeople && { id_token_signed_response_alg: idTokenAlgorithmOf(client) }),
    ...(scope === '' ? {} : { scope }),
  }
}

async function grantedScope (registry: Registry, client: Client): Promise<string> {
  const granted = await Promise.all(
    client.grants.map(async ({ resourceId, scopes }) =>
      grantableNow(scopes, (await registry.resource(resourceId))?.scopes ?? [])
    )
  )
  return [...new Set(granted.flat())].join(' ')
}
