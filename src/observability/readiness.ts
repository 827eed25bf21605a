/** Readiness: whether this server should receive requests. However often it is probed, checks run once a second. */
import type { Availability } from '../base/availability.ts'

/** Returns the problem in a few public words; null: none. An exception counts as a problem. */
export type Check = () => Promise<string | null> | string | null

export interface CheckOutcome {
  ok: boolean
  /** For operators with a credential; null if `ok`. Never the message of a driver. */
  problem: string | null
  milliseconds: number
}

export interface Readiness {
  ready: boolean
  /** By name: `database`, `migrations`, `signing_key`, …; `serving` is not ok once the server shuts down. */
  checks: Record<string, CheckOutcome>
}

export interface Prober {
  /** The readiness, at most a second old. Never takes longer than two seconds, and never throws. */
  probe (): Promise<Readiness>
}

/** A check that takes longer has failed. */
const timeoutMs = 2_000

/** How long an outcome is reused. */
const maxAgeMs = 1_000

export function prober (checks: Readonly<Record<string, Check>>, availability: Availability): Prober {
  let latest: { startedAt: number, outcome: Promise<Record<string, CheckOutcome>> } | null = null
  return {
    async probe () {
      const now = performance.now()
      if (latest === null || now - latest.startedAt > maxAgeMs) latest = { startedAt: now, outcome: checkAll(checks) }
      const outcome = await latest.outcome
      const closing = availability.draining || availability.rejecting === 'shutting_down'
      const serving: CheckOutcome = {
        ok: !closing, problem: closing ? 'the server is shutting down' : null, milliseconds: 0
      }
      const outcomes = { serving, ...outcome }
      return { ready: Object.values(outcomes).every(({ ok }) => ok), checks: outcomes }
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
  const problem = await problemOf(check)
  return { ok: problem === null, problem, milliseconds: Math.round(performance.now() - began) }
}

async function problemOf (check: Check): Promise<string | null> {
  const { promise: late, resolve } = Promise.withResolvers<string>()
  const timer = setTimeout(resolve, timeoutMs, 'gave no answer in time')
  try {
    return await Promise.race([(async () => await check())(), late])
  } catch {
    return 'cannot be reached'
  } finally {
    clearTimeout(timer)
  }
}
