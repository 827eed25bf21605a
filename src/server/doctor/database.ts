/** Checks that the database can be used, and that this version's migrations are applied. */
import type { Config } from '../../config/config.ts'
import { inspectDatabase, type Inspection } from '../../storage/migrations/inspection.ts'
import { newer, remedyForNewer } from '../../storage/migrations/newer-database.ts'
import { asSentence, databaseProblem } from './database-problems.ts'
import { failed, ok, type Finding } from './finding.ts'

/** The inspection is for other checks; null: the database cannot be inspected. */
export async function inspectAndCheckDatabase (
  { databaseUrl }: Config
): Promise<{ inspection: Inspection | null, findings: Finding[] }> {
  try {
    const inspection = await inspectDatabase(databaseUrl)
    if (inspection !== null) return { inspection, findings: [checkVersion(inspection), checkMigrations(inspection)] }
    const found = `${databaseUrl.slice('file:'.length)} does not exist`
    return { inspection, findings: [failed('database', found, 'Start the server once, or restore a backup there.')] }
  } catch (error) {
    const { found, remedy } = databaseProblem(error, databaseUrl)
    return { inspection: null, findings: [failed('database', found, remedy)] }
  }
}

function checkVersion ({ provider, version }: Inspection): Finding {
  const name = provider === 'sqlite' ? 'SQLite' : 'PostgreSQL'
  return ok('database', `${name} ${version} answers`)
}

function checkMigrations ({ applied, pending, unknown }: Inspection): Finding {
  const check = 'migrations'
  if (unknown.length > 0) return failed(check, newer(unknown), asSentence(remedyForNewer))
  if (applied === null) {
    return failed(check, 'the database is empty', 'Run `latchkey migrate`, or start the server once.')
  }
  if (pending.length > 0) {
    return failed(
      check, `${pending.length} not applied: ${pending.join(', ')}`,
      'Back up, then run `latchkey migrate` or start a server of this version.'
    )
  }
  return ok(check, `all ${applied.length} are applied`)
}
