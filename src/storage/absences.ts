/** What is refused by being known, read as a whole: page by page, so that it may be millions, and holds nobody up. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { inPages } from '../batches.ts'
import type { Reads } from './reads.ts'

/**
 * `revoked`: every token that is revoked, `imported`: the digest of every key that was made elsewhere. For these "no" is the
 * answer that has to be quick, whatever strangers make up.
 */
export interface Absences {
  revoked (): AsyncIterable<{ jti: string, expiresAt: Date }[]>
  imported (): AsyncIterable<string[]>
}

/** Rows in a page: some milliseconds of work. */
const pageSize = 2_000

/** As the database has them. On PostgreSQL which keys were imported is asked for one by one: no digests. */
export function absencesIn (reads: Reads): Absences {
  return {
    revoked: () => inPages(pageSize, ({ jti }) => jti, (after, limit) => reads.revokedTokens(after, limit)),
    async * imported () {
      for (let place: number | null = 0; place !== null && reads.importedDigests !== undefined; await nextTurn()) {
        const { through, digests } = await reads.importedDigests(place, pageSize)
        yield digests
        place = through
      }
    },
  }
}
