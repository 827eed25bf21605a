/** Checks that a failover of the database loses no change, and that none awaits a decision. */
import type { Inspection } from '../../storage/migrations/inspection.ts'
import { failed, ok, skipped, warning, type Finding } from './finding.ts'

/** A change that is acknowledged before a standby has it is lost when that standby becomes the primary. */
export function checkStandbys (inspection: Inspection | null): Finding {
  const check = 'standbys'
  if (inspection === null) return skipped(check, 'needs a database')
  const { provider, replication } = inspection
  if (replication === null) {
    return skipped(check, provider === 'sqlite' ? 'SQLite has none' : 'the database does not report them')
  }
  const { standbys, synchronous } = replication
  if (standbys === 0) return ok(check, 'the database has none')
  if (synchronous) return ok(check, `${standbys}, and changes wait for one`)
  return warning(
    check, `${standbys}, and no change waits for any: a failover can undo a revocation`,
    'Name them in synchronous_standby_names of the primary: docs/replicas.md.'
  )
}

export function checkLostChanges (inspection: Inspection | null): Finding {
  const check = 'lost changes'
  if (inspection === null) return skipped(check, 'needs a database')
  const { undecided } = inspection
  if (undecided === 0) return ok(check, 'none is undecided')
  const found = `${undecided} wait for a decision, and their subjects are refused until then`
  return failed(check, found, 'List them with `latchkey replicas lost`, and decide.')
}
