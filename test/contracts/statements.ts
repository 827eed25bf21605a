/**
 * The statements that Latchkey is measured by. One works when a test with its id in front of the title passes: its row
 * is its text, or `{"statement", "test"}` with the test's file where that is not in test/contracts. The others have
 * `{"statement", "missing"}` with the reason. `npm run contracts` prints them.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Statement {
  id: string
  /** A short form of the statement. */
  text: string
  /** Why it does not work; null: it works. */
  missing: string | null
  /** The test file, relative to the root; null: one of test/contracts. */
  test: string | null
}

type Row = string | { statement: string, missing?: string, test?: string }

const rows = JSON.parse(readFileSync(join(import.meta.dirname, 'statements.json'), 'utf8')) as Record<string, Row>

export const statements: readonly Statement[] = Object.entries(rows).map(([id, row]) =>
  typeof row === 'string'
    ? { id, text: row, missing: null, test: null }
    : { id, text: row.statement, missing: row.missing ?? null, test: row.test ?? null })

/** The systems behind the statements, by the letters of their ids. */
export const systems: Readonly<Record<string, string>> = {
  LB: 'LedgerBee', CL: 'Crane Ledger', CK: 'CraftKit', CD: 'CraftDesk', OC: 'OpenCrane', LK: 'Latchkey',
}
