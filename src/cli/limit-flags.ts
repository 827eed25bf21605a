/** How much a key, or an organization with all its keys, may have. */
import type { Command } from 'commander'
import { readAmount, type Amount } from './command.ts'

export interface Limits { callsPerMonth: number | null, creditsPerMonth: number | null, callsPerMinute: number | null }

export interface LimitFlags { callsPerMonth?: Amount, creditsPerMonth?: Amount, callsPerMinute?: Amount }

export function withLimitFlags (command: Command): Command {
  return command
    .option('--calls-per-month <n>', 'how many calls it has in a month (UTC), or unlimited', readAmount)
    .option('--credits-per-month <n>', 'how many credits it may spend in a month (UTC), or unlimited', readAmount)
    .option('--calls-per-minute <n>', 'how many calls it has in a minute, or unlimited', readAmount)
}

/** What the flags say of limits; undefined: leave it as it is. */
export function limitChangeOf ({ callsPerMonth, creditsPerMonth, callsPerMinute }: LimitFlags) {
  return {
    callsPerMonth: callsPerMonth?.count, creditsPerMonth: creditsPerMonth?.count, callsPerMinute: callsPerMinute?.count
  }
}

/** Null: there are none. */
export function limitsText ({ callsPerMonth, creditsPerMonth, callsPerMinute }: Limits): string | null {
  const limits = [[callsPerMonth, 'calls a month'], [creditsPerMonth, 'credits a month'], [
    callsPerMinute, 'calls a minute'
  ]] as const
  return limits.filter(([count]) => count !== null).map(([count, of]) => `${count} ${of}`).join(', ') || null
}
