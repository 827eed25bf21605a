/** The key by which a partner acts, as it is inside the transaction. */
import { Failure } from '../../base/errors.ts'
import type { Actor } from '../core/actor.ts'
import type { ApiKey, ApiKeyPort } from '../credentials/api-key.ts'
import type { PortalSettings } from '../credentials/portal-key.ts'

export type PartnerKey = ApiKey & { portal: PortalSettings }

/**
 * @throws Failure `unauthorized` for a key that was revoked or disabled meanwhile; `insufficient_permissions`.
 */
export async function partnerKey (tx: ApiKeyPort, actor: Actor): Promise<PartnerKey> {
  const key = await tx.apiKeys.get(actor.id)
  if (key === null || key.portal === null) {
    throw new Failure('insufficient_permissions', { message: 'Only a partner\'s API key does this.' })
  }
  if (key.revokedAt !== null || key.disabledAt !== null) throw new Failure('unauthorized')
  return { ...key, portal: key.portal }
}
