/** The claims that the guard checks beside those of RFC 9068. */
import type { KoaContextWithOIDC } from 'oidc-provider'
import { epochSeconds, type Clock } from '../../base/clock.ts'
import { organizationOf } from '../authorization/member-account.ts'
import { recordOf } from '../provider/client-authentication.ts'

interface MintedToken { header: unknown, payload: Record<string, unknown> }

interface Minted {
  client?: Parameters<typeof recordOf>[0] | undefined
  expiration: number
  /** The authorization; absent: the client acts for itself. */
  grantId?: string | undefined
}

/**
 * Adds the organization, the client's generation, the authorization of the member for whom the client acts, and the
 * times of our clock.
 */
export function ownClaims (clock: Clock) {
  return (ctx: KoaContextWithOIDC, { client, expiration, grantId }: Minted, jwt: MintedToken): void => {
    const record = recordOf(client!)
    const organizationId = grantId === undefined ? record.organizationId : organizationOf(ctx)
    const iat = epochSeconds(clock())
    Object.assign(jwt.payload, {
      iat,
      exp: iat + expiration,
      ...(organizationId === null ? {} : { org_id: organizationId }),
      gen: record.generation,
      ...(grantId === undefined ? {} : { gnt: grantId }),
    })
  }
}
