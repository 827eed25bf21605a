/**
 * Revocation of a token that was issued without a client (RFC 7009): of an API key, or of a workload that acts as
 * itself. Possession of the token is the proof, as it was of the key; oidc-provider would refuse the request.
 */
import type { FastifyRequest } from 'fastify'
import { addressOf } from '../../base/ip-address.ts'
import type { Clock } from '../../base/clock.ts'
import type { Store } from '../../domain/store.ts'
import { isExpired, revokeToken, type TokenReader } from '../../domain/tokens/access-token.ts'
import { hasNoClient, type AccessTokenClaims } from '../../domain/tokens/token-claims.ts'
import { answeredAhead, type OwnAnswer } from '../grants/own-grants.ts'
import { readTokenForm } from '../grants/token-request.ts'

export interface HolderRevocationOptions {
  store: Store
  reader: TokenReader
  clock: Clock
}

/** Null: the request has a client, or the token does; the body is unread. */
export function holderRevocation (
  options: HolderRevocationOptions
): (http: FastifyRequest) => Promise<OwnAnswer | null> {
  return async http => {
    if (http.headers.authorization !== undefined) return null
    return await answeredAhead(http, async body => {
      if (hasOtherProof(body)) return null
      const form = readTokenForm(body)
      const claims = await options.reader.read(form.one('token') ?? '')
      const clientId = form.one('client_id')
      if (claims === null || !hasNoClient(claims)) return null
      // Another client is authenticated first, and then learns why this is no token of its own.
      if (clientId !== undefined && clientId !== claims.client_id) return null
      await revoked(options, http, claims)
      return { status: 200, headers: {}, body: null }
    })
  }
}

/** Of clients alone; read loosely, as oidc-provider answers for the form. */
function hasOtherProof (body: Buffer): boolean {
  const form = new URLSearchParams(body.toString('latin1'))
  return ['client_secret', 'client_assertion', 'client_assertion_type'].some(name => form.has(name))
}

/** RFC 7009 §2.2: what has expired is answered like success. */
async function revoked (
  { store, clock }: HolderRevocationOptions, http: FastifyRequest, claims: AccessTokenClaims
): Promise<void> {
  if (isExpired(claims, clock())) return
  const actor = {
    id: claims.sub,
    organizationId: claims.org_id ?? null,
    scopes: null,
    creator: null,
    restrictions: null,
    address: addressOf(http),
    requestId: http.id
  }
  await revokeToken({ store, clock, actor }, claims)
}
