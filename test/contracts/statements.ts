/**
 * The statements that Latchkey is measured by. One works when a test with its id in front of the title passes: its row
 * is its text, or `{"statement", "test"}` with the test's file where that is not in test/contracts. The others have
 * `{"statement", "missing"}` with the reason. `npm run contracts` prints them.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Statement {
  id: string
  /** In a few words. */
  text: string
  /** Why it does not work; null: it does. */
  missing: string | null
  /** The test file, below the root; null: one of test/contracts. */
  test: string | null
}

type Row = string | { statement: string, missing?: string, test?: string }

const rows = JSON.parse(readFileSync(join(import.meta.dirname, 'statements.json'), 'utf8')) as Record<string, Row>

export const statements: readonly Statement[] = Object.entries(rows).map(([id, row]) =>
  typeof row === 'string'
    ? { id, text: row, missing: null, test: null }
    : { id, text: row.statement, missing: row.missing ?? null, test: row.test ?? null })

/** Who states them, by the letters of their ids. */
export const systems: Readonly<Record<string, string>> = {
  LB: 'LedgerBee', CL: 'Crane Ledger', CK: 'CraftKit', CD: 'CraftDesk', OC: 'OpenCrane', LK: 'Latchkey',
}
