/** Export of the audit log, in batches. */
import type { ChainedEvent } from './chain.ts'
import type { ChainPlace } from './log.ts'
import type { AuditFilter } from './log.ts'
import type { Operation } from '../core/operation.ts'
import type { AuditPort } from './log.ts'

/** Rows that are in memory at once. */
const batch = 500

/**
 * Exports the audit rows that match a filter, chain by chain, each oldest first, in batches. Rows added after the start
 * are not included.
 */
export async function * exportAudit (
  { store, clock }: Pick<Operation<AuditPort>, 'store' | 'clock'>, { organizationId, ...filter }: AuditFilter
): AsyncGenerator<ChainedEvent[]> {
  const end = new Date(clock().getTime() + 1)
  const bounded = { ...filter, until: filter.until !== undefined && filter.until < end ? filter.until : end }
  let chain = organizationId ?? await store.audit.nextChain('')
  while (chain !== null) {
    let place: ChainPlace = { chain, sequence: 0 }
    for (;;) {
      const rows: ChainedEvent[] = await store.audit.chained(place, batch, bounded)
      if (rows.length > 0) yield rows
      if (rows.length < batch) break
      place = { chain, sequence: rows.at(-1)!.sequence }
    }
    chain = organizationId === undefined ? await store.audit.nextChain(chain) : null
  }
}
