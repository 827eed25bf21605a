/**
 * The sets that answer "no" from memory: revoked tokens and imported keys. They are read page by page, so that millions
 * of rows block neither the process nor the database.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { inPages } from '../../base/batches.ts'
import type { Reads } from '../engine/reads.ts'
import { ImportedKeys, type ImportedKey } from './imported-keys.ts'
import { RevokedSet } from './revoked-set.ts'

/**
 * `revoked`: every revoked token. `imported`: every imported key; null: each look-up queries the database. "No" has to
 * be cheap for these, since any caller can make up tokens and keys.
 */
export interface NegativeFacts {
  revoked (): AsyncIterable<{ jti: string, expiresAt: Date }[]>
  imported: (() => AsyncIterable<ImportedKey[]>) | null
}

/** Rows in a page: some milliseconds of work. */
const pageSize = 2_000

/** Reads them from the database. */
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

/** In memory. `imported` null: each look-up queries the database. */
export interface NegativeSets { revoked: RevokedSet, imported: ImportedKeys | null }

export async function loadNegatives (facts: NegativeFacts): Promise<NegativeSets> {
  const revoked = new RevokedSet()
  for await (const page of facts.revoked()) {
    for (const { jti, expiresAt } of page) revoked.add(jti, expiresAt)
  }
  if (facts.imported === null) return { revoked, imported: null }
  const imported = new ImportedKeys()
  for await (const page of facts.imported()) {
    for (const key of page) imported.add(key)
  }
  return { revoked, imported }
}
