/** Revocation (RFC 7009): a client ends one of its own tokens, at once. */
import type { Repositories } from '../../domain/store.ts'
import { digestOf } from '../../secrets/digest.ts'
import { isLastingSecretText } from '../../secrets/credential-text.ts'
import type { Client } from '../../domain/credentials/client.ts'
import type { Operation } from '../../domain/core/operation.ts'
import { isExpired, revokeToken, type TokenReader } from '../../domain/tokens/access-token.ts'
import { OAuthError } from '../shared/oauth-error.ts'

export interface RevocationOptions { reader: TokenReader }

/**
 * Revokes a token of `owner`. What is not its own, unknown, or dead already is answered like success (§2.2): there is
 * nothing left to do that it may do. `token_type_hint` is not needed to tell tokens apart and is ignored.
 * @throws OAuthError `unsupported_token_type` for an API key, an access token of the management API and every other
 * secret that is no token of a client: it would stay alive behind a 200 (§2.2.1). Goes by the form alone, which tells
 * nothing of what there is.
 */
export async function revoke (
  { reader }: RevocationOptions, operation: Operation<Repositories>, owner: Client, text: string
): Promise<void> {
  if (isLastingSecretText(text) || await isImported(operation, owner, text)) {
    throw new OAuthError(
      400, 'unsupported_token_type',
      'This is no token of a client: API keys, access tokens of the management API and other secrets are revoked on ' +
        'the management API.'
    )
  }
  const claims = await reader.read(text)
  if (claims === null || claims.client_id !== owner.id || isExpired(claims, operation.clock())) return
  await revokeToken(operation, claims)
}

/** To a client of another organization, a key is what does not exist. */
async function isImported (
  { store }: Operation<Repositories>, { organizationId, introspects }: Client, text: string
): Promise<boolean> {
  return await store.apiKeys.isImported(digestOf(text), { organizationId, resourceIds: introspects })
}
