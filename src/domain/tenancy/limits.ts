/** Limits on calls and credits: of a consumer, and of all consumers of an organization together. */
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

/** What makes calls that are counted: an API key, or what a member has allowed a client. */
export interface Consumer extends Limits {
  /** `key_…` or `aut_…`: its calls are counted by day under it. */
  id: string
  /** The holder of its limits: the chain of a key or an authorization, which shares them. */
  chainId: string
  organizationId: string
  /** Whose account of the organization pays. */
  environment: Environment
}

export const noLimits: Readonly<Limits> = { callsPerMonth: null, creditsPerMonth: null, callsPerMinute: null }

/** The limits of `before`, replaced by those present in `changes`; absent: as before. */
export function limitsOf (changes: Partial<Limits>, before: Readonly<Limits>): Limits {
  return {
    callsPerMonth: changes.callsPerMonth === undefined ? before.callsPerMonth : changes.callsPerMonth,
    creditsPerMonth: changes.creditsPerMonth === undefined ? before.creditsPerMonth : changes.creditsPerMonth,
    callsPerMinute: changes.callsPerMinute === undefined ? before.callsPerMinute : changes.callsPerMinute
  }
}

/** Whether any limit is present, null included. */
export function namesLimits ({ callsPerMonth, creditsPerMonth, callsPerMinute }: Partial<Limits>): boolean {
  return [callsPerMonth, creditsPerMonth, callsPerMinute].some(limit => limit !== undefined)
}

/**
 * The holder of an organization's limits in the counters: live and test calls are counted apart, as are its two
 * accounts.
 */
export function organizationHolder (
  { organizationId, environment }: { organizationId: string, environment: Environment }
): string {
  return `${organizationId}:${environment}`
}
