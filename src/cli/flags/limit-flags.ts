/** The flags of limits, of a key or of an organization with all its keys. */
import type { Command } from 'commander'
import { readAmount, type Amount } from '../command.ts'

export interface Limits { callsPerMonth: number | null, creditsPerMonth: number | null, callsPerMinute: number | null }

export interface LimitFlags { callsPerMonth?: Amount, creditsPerMonth?: Amount, callsPerMinute?: Amount }

export function withLimitFlags (command: Command): Command {
  return command
    .option('--calls-per-month <n>', 'calls per month (UTC), or unlimited', readAmount)
    .option('--credits-per-month <n>', 'credits per month (UTC), or unlimited', readAmount)
    .option('--calls-per-minute <n>', 'calls per minute, or unlimited', readAmount)
}

/** The limits in a request; undefined: no change. */
export function limitChangeOf ({ callsPerMonth, creditsPerMonth, callsPerMinute }: LimitFlags) {
  return {
    callsPerMonth: callsPerMonth?.count, creditsPerMonth: creditsPerMonth?.count, callsPerMinute: callsPerMinute?.count
  }
}

/** The limits as one line; null: none. */
export function limitsText ({ callsPerMonth, creditsPerMonth, callsPerMinute }: Limits): string | null {
  const limits = [
    [callsPerMonth, 'call', 'month'], [creditsPerMonth, 'credit', 'month'], [callsPerMinute, 'call', 'minute']
  ] as const
  return limits.filter(([count]) => count !== null)
    .map(([count, unit, span]) => `${count} ${unit}${count === 1 ? '' : 's'} a ${span}`).join(', ') || null
}
