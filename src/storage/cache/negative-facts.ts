/** What is refused by being known, read as a whole: page by page, so that it may be millions, and holds nobody up. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { inPages } from '../../base/batches.ts'
import type { ImportedKey } from './imported-keys.ts'
import type { Reads } from '../engine/reads.ts'

/**
 * `revoked`: every token that is revoked, `imported`: every key that was made elsewhere; null: they are asked for one
 * by one. For these "no" is the answer that has to be quick, whatever strangers make up.
 */
export interface NegativeFacts {
  revoked (): AsyncIterable<{ jti: string, expiresAt: Date }[]>
  imported: (() => AsyncIterable<ImportedKey[]>) | null
}

/** Rows in a page: some milliseconds of work. */
const pageSize = 2_000

/** As the database has them. */
export function negativeFactsIn (reads: Reads): NegativeFacts {
  const { importedKeys } = reads
  return {
    revoked: () => inPages(pageSize, ({ jti }) => jti, (after, limit) => reads.revokedTokens(after, limit)),
    imported: importedKeys === undefined
      ? null
      : async function * () {
        for (let place: number | null = 0; place !== null; await nextTurn()) {
          const { through, keys }: { through: number | null, keys: ImportedKey[] } = await importedKeys(place, pageSize)
          yield keys
          place = through
        }
      },
  }
}
