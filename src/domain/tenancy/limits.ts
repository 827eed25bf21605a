/** How much may be taken: by a chain of keys, and by all the keys of an organization together. */
import type { Environment } from '../../secrets/credential-text.ts'

/** Null: no limit. */
export interface Limits {
  /** Calls in a calendar month, UTC. */
  callsPerMonth: number | null
  /** Whole credits in a calendar month, UTC. */
  creditsPerMonth: number | null
  /** Calls in a minute. */
  callsPerMinute: number | null
}

export const noLimits: Readonly<Limits> = { callsPerMonth: null, creditsPerMonth: null, callsPerMinute: null }

/** The limits of `before` with those that are given; undefined: as before. */
export function limitsOf (given: Partial<Limits>, before: Readonly<Limits>): Limits {
  return {
    callsPerMonth: given.callsPerMonth === undefined ? before.callsPerMonth : given.callsPerMonth,
    creditsPerMonth: given.creditsPerMonth === undefined ? before.creditsPerMonth : given.creditsPerMonth,
    callsPerMinute: given.callsPerMinute === undefined ? before.callsPerMinute : given.callsPerMinute
  }
}

/** Whether any limit is given, be it null. */
export function namesLimits ({ callsPerMonth, creditsPerMonth, callsPerMinute }: Partial<Limits>): boolean {
  return [callsPerMonth, creditsPerMonth, callsPerMinute].some(limit => limit !== undefined)
}

/** Who an organization's limits are counted for: its live and its test keys apart, like its two accounts. */
export function organizationHolder (
  { organizationId, environment }: { organizationId: string, environment: Environment }
): string {
  return `${organizationId}:${environment}`
}
