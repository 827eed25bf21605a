/** Token revocation (RFC 7009): a client revokes one of its own tokens, at once. */
import type { Repositories } from '../../domain/store.ts'
import { digestOf } from '../../secrets/digest.ts'
import { isLastingSecretText } from '../../secrets/credential-text.ts'
import type { Client } from '../../domain/credentials/client.ts'
import type { Operation } from '../../domain/core/operation.ts'
import { isExpired, revokeToken, type TokenReader } from '../../domain/tokens/access-token.ts'
import { hasNoClient } from '../../domain/tokens/token-claims.ts'
import { OAuthError } from '../shared/oauth-error.ts'

export interface RevocationOptions { reader: TokenReader }

/**
 * Revokes a token of `owner`. A token that is foreign, unknown or no longer valid is answered like success (§2.2).
 * `token_type_hint` is ignored: the form of a token tells its type.
 * @throws OAuthError `unsupported_token_type` for an API key, an access token of the management API and every other
 * secret that is not a client's token: it would stay valid after a 200 (§2.2.1). The form alone decides, which does not
 * disclose whether the secret exists.
 */
export async function revoke (
  { reader }: RevocationOptions, operation: Operation<Repositories>, owner: Client, text: string
): Promise<void> {
  if (isLastingSecretText(text) || await isImported(operation, owner, text)) {
    throw new OAuthError(
      400, 'unsupported_token_type',
      'This is not a token of a client: API keys, access tokens of the management API and other secrets are revoked ' +
        'on the management API.'
    )
  }
  const claims = await reader.read(text)
  // The sentence tells its holder no more than the token itself says.
  if (claims !== null && hasNoClient(claims)) {
    throw new OAuthError(
      400, 'unsupported_token_type',
      'This token was issued without a client: send it without authentication of one, and it is revoked.'
    )
  }
  if (claims === null || claims.client_id !== owner.id || isExpired(claims, operation.clock())) return
  await revokeToken(operation, claims)
}

/** Whether it is an imported API key of the client's organization; for others it does not exist. */
async function isImported (
  { store }: Operation<Repositories>, { organizationId, introspects }: Client, text: string
): Promise<boolean> {
  return await store.apiKeys.isImported(digestOf(text), { organizationId, resourceIds: introspects })
}
