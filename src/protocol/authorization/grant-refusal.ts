/** Why a code or a refresh token is not redeemed, in our words: oidc-provider has one sentence for all reasons. */
import type { errors } from 'oidc-provider'

const again = 'send the person through the authorization endpoint again.'

/** One sentence for all that a stranger could otherwise tell apart: whether a code exists, and whose it is. */
const codeOver = `The code was used, has expired or was never issued to this client: ${again}`

const refreshOver = 'The refresh token is not valid any more: its access has ended, it has expired or it was used ' +
  `twice; ${again}`

/** By the provider's precise reason; every other reason concerns the code. */
const ofCode: Readonly<Record<string, string>> = {
  'code_verifier must be provided':
    'code_verifier is missing: send the one that the code_challenge of the authorization request was made of.',
  'code_verifier does not match code_challenge':
    'code_verifier does not match the code_challenge of the authorization request: send the one that it was made of.',
  // The reason of a verifier where there was no challenge, and so no method.
  'unsupported code_challenge_method':
    'The authorization request had no code_challenge: send code_challenge there, or no code_verifier here.',
  'authorization code redirect_uri mismatch':
    'redirect_uri differs from that of the authorization request: send the same text again.',
  'grant not found': `The access that the code stands for has ended: ${again}`,
}

/** The `error_description` of an `invalid_grant`. */
export function describeGrantRefusal (grantType: unknown, { error_detail: detail }: errors.OIDCProviderError): string {
  return grantType === 'refresh_token' ? refreshOver : ofCode[detail ?? ''] ?? codeOver
}
