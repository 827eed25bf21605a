/** Checks that the clocks of the database and the server agree with this machine's. */
import { clockTolerance } from '../../domain/tokens/access-token.ts'
import type { Inspection } from '../../storage/migrations/inspection.ts'
import { failed, ok, skipped, type Finding } from './finding.ts'
import type { Answer } from './probe.ts'

export function checkDatabaseClock (inspection: Inspection | null): Finding {
  const check = 'clock of the database'
  if (inspection === null) return skipped(check, 'needs a database')
  if (inspection.provider === 'sqlite') return ok(check, 'is this machine\'s')
  return checkSkew(check, inspection.now.getTime(), 0)
}

/** A Date header is in whole seconds, and was written before the response arrived. */
export function checkServerClock ({ response }: Answer): Finding {
  const check = 'clock of the server'
  const date = Date.parse(response?.date ?? '')
  return Number.isNaN(date)
    ? skipped(check, 'no server answered with a date')
    : checkSkew(check, date, 1_000 + (response?.durationMs ?? 0))
}

function checkSkew (check: string, time: number, uncertaintyMs: number): Finding {
  const skewMs = Math.max(0, Math.abs(Date.now() - time) - uncertaintyMs)
  const found = `differs from this machine's by ${(skewMs / 1000).toFixed(1)} s`
  if (skewMs <= clockTolerance * 1000) return ok(check, found)
  return failed(check, found, 'Synchronize both by NTP: tokens are valid to the second.')
}
