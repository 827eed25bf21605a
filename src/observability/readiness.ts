/**
 * Whether this server should be sent requests. Asked often and by anybody: the database is asked at most once a second.
 */
import type { Availability } from '../base/availability.ts'

/** Null: all is well; else what is not, in a few public words. May throw: then it is not. */
export type Check = () => Promise<string | null> | string | null

export interface CheckOutcome {
  ok: boolean
  /** For an operator with a credential; null when it is ok. Never what a driver said. */
  problem: string | null
  milliseconds: number
}

export interface Readiness {
  ready: boolean
  /** By name: `database`, `migrations`, `signing_key`, …; `serving` is false once the server is closing. */
  checks: Record<string, CheckOutcome>
}

export interface Prober {
  /** As it is now, or was within the last second. Never takes longer than the patience, and never throws. */
  probe (): Promise<Readiness>
}

/** Milliseconds after which a check that has not answered has failed. */
const patience = 2_000

/** Milliseconds for which an answer is good. */
const freshness = 1_000

/** `checks` by name. What each of several servers has to agree on, the change feed say, is one more of them. */
export function prober (checks: Readonly<Record<string, Check>>, availability: Availability): Prober {
  let asking: { since: number, outcome: Promise<Record<string, CheckOutcome>> } | null = null
  return {
    async probe () {
      const now = performance.now()
      if (asking === null || now - asking.since > freshness) asking = { since: now, outcome: checkAll(checks) }
      const outcome = await asking.outcome
      const closing = availability.draining || availability.rejecting === 'shutting_down'
      const serving: CheckOutcome = {
        ok: !closing, problem: closing ? 'the server is shutting down' : null, milliseconds: 0
      }
      const all = { serving, ...outcome }
      return { ready: Object.values(all).every(check => check.ok), checks: all }
    },
  }
}

async function checkAll (checks: Readonly<Record<string, Check>>): Promise<Record<string, CheckOutcome>> {
  const outcomes = await Promise.all(
    Object.entries(checks).map(async ([name, check]) => [name, await outcomeOf(check)] as const)
  )
  return Object.fromEntries(outcomes)
}

async function outcomeOf (check: Check): Promise<CheckOutcome> {
  const began = performance.now()
  const problem = await bounded(check)
  return { ok: problem === null, problem, milliseconds: Math.round(performance.now() - began) }
}

async function bounded (check: Check): Promise<string | null> {
  const { promise: late, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(resolve, patience, 'gave no answer in time')
  try {
    return await Promise.race([(async () => await check())(), late])
  } catch {
    return 'cannot be reached'
  } finally {
    clearTimeout(timer)
  }
}
