/** Checks the server on this machine, and that no other process uses its SQLite file. */
import type { Config } from '../../config/config.ts'
import type { Inspection } from '../../storage/migrations/inspection.ts'
import { failed, ok, skipped, type Finding } from './finding.ts'
import { isLatchkey, isRight, type IssuerProbe, type LocalProbe } from './probe.ts'

export function checkServer (
  { url, isAnnounced, isOther, answer }: LocalProbe, outside: IssuerProbe, inspection: Inspection | null
): Finding {
  const check = 'server'
  if (isOther && isLatchkey(answer)) {
    return failed(
      check,
      `the server of this data folder has ended, and another one answers at ${url}`,
      'Compare the LATCHKEY_DATA of both; start the server of this folder again, on another PORT if both are to run.'
    )
  }
  if (inspection?.inUse === false && isLatchkey(answer)) {
    return failed(
      check, `the server at ${url} is that of another installation: no server uses the database of this one`,
      'Start the server of this installation, on another PORT if both are to run; or name the folder of the other in ' +
        'LATCHKEY_DATA.'
    )
  }
  if (isLatchkey(answer)) return ok(check, `answers at ${url}${isAnnounced ? ', as its server.json says' : ''}`)
  if (isRight(outside)) return skipped(check, 'no server of this data folder runs here, but the issuer answers')
  if (answer.response === null) {
    return failed(check, `no server answers at ${url}: ${answer.why!.found}`, 'Start it with `latchkey serve`.')
  }
  return failed(
    check,
    `another program answers at ${url} (${answer.response.status})`,
    'Give Latchkey another PORT and a LATCHKEY_ISSUER to match, and start it with `latchkey serve`.'
  )
}

/** A process that has the SQLite file may be at work: the remedy identifies it first, and does not end it. */
export function checkSingleServer (
  inspection: Inspection | null, local: LocalProbe, outside: IssuerProbe, { databaseUrl }: Config
): Finding {
  const check = 'one server'
  if (inspection === null) return skipped(check, 'needs a database')
  if (inspection.inUse === null) return skipped(check, 'PostgreSQL serves several')
  if (!inspection.inUse) return ok(check, 'no server uses the SQLite file')
  if (isLatchkey(local.answer) || isLatchkey(outside.answer)) return ok(check, 'the SQLite file is in use by a server')
  return failed(
    check,
    `a process uses the SQLite file, but no server answers at ${local.url}`,
    `Find it with \`fuser ${databaseUrl.slice('file:'.length)}\`, and check its log. It may be a server that is ` +
    'starting or shutting down, one with another data folder, or `latchkey migrate`. No other server can start on ' +
    'the file meanwhile.'
  )
}
