/** The removal of registered clients that were abandoned. */
import { secondsAfter } from '../../base/clock.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Operation } from '../core/operation.ts'
import { about, type ClientPort } from '../credentials/client.ts'
import { abandonedAfter, removedAfter } from '../credentials/client-registration.ts'
import type { AuthorizationPort } from './authorization.ts'

/**
 * Removes those of at most so many registered clients that were abandoned a day ago; returns how many it looked at. One
 * that is used at the same time stays, or is not used. One that acts for a member is in use: the note of it, which is
 * written behind, was lost.
 */
export async function reapAbandonedClients (
  { store, clock, actor }: Operation<AuditPort & AuthorizationPort & ClientPort>, limit: number
): Promise<number> {
  const now = clock()
  return await store.transaction(async tx => {
    const idle = await tx.clients.idle(secondsAfter(now, -abandonedAfter - removedAfter), limit)
    for (const client of idle) {
      const working = { clientId: client.id, over: { is: false, at: now } }
      const { items } = await tx.authorizations.page({ limit: 1, after: null }, working)
      if (items.length > 0) {
        await tx.clients.use(client.id, now)
        continue
      }
      await tx.clients.remove(client.id)
      await tx.audit.append(auditEvent(actor, now, 'client.reaped', about(client)))
    }
    return idle.length
  })
}
