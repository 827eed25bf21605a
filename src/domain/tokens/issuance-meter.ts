/** Meter of issued access tokens, by client and minute: counted in memory, written in the background (OC-12). */
import { warn, type Report } from '../../telemetry/background.ts'
import type { Clock } from '../../base/clock.ts'
import type { Page, PageQuery } from '../core/page.ts'
import { batchWriter, takeFirst } from '../core/batch-writer.ts'

/** The tokens of a client in a minute. */
export interface TokenUsage {
  /** The `client_id`; for a session, the id of the publishable key. */
  clientId: string
  /** When the minute began, UTC. */
  minute: Date
  organizationId: string | null
  tokens: number
}

/** The tokens of a day. */
export interface DayTokens { day: string, tokens: number }

/** Filters of minutes; an absent one matches all. */
export interface TokenUsageFilter {
  organizationId?: string
  clientId?: string
  /** Minutes that began at this instant or later. */
  from?: Date
  /** Minutes that began before this instant. */
  until?: Date
}

export interface TokenUsageRepository {
  /**
   * Adds to the stored counts, all or nothing; each client and minute at most once. At most `writtenInOneStatement`
   * entries.
   */
  add (usage: readonly TokenUsage[]): Promise<void>
  /** Newest minute first. A position is a minute and a client. */
  page (query: PageQuery, filter: TokenUsageFilter): Promise<Page<TokenUsage>>
  /** The days, UTC, on which a client got tokens, the first one first. `from` and `to`: 'YYYY-MM-DD', both included. */
  byDay (clientId: string, range: { from: string, to: string }): Promise<DayTokens[]>
  /** Deletes at most `limit` rows of minutes before an instant; returns how many. */
  prune (before: Date, limit: number): Promise<number>
}

export interface TokenUsagePort { tokenUsage: TokenUsageRepository }

export interface TokenMeter {
  /** Counts a token issued now. Costs one write to memory. */
  count (clientId: string, organizationId: string | null): void
  /** Writes the counts. Counts that cannot be written are kept for the next batch. */
  flush (): Promise<void>
  /**
   * Writes the rest and stops, with retries until `until`, by `performance.now()`. Returns the number of tokens that
   * were not counted.
   */
  stop (until?: number): Promise<number>
}

/** Days for which token usage is kept. */
export const tokenUsageDays = 400

/** Writes once in `intervalMs`, in one statement for some hundred clients. */
export function tokenMeter (
  add: TokenUsageRepository['add'], clock: Clock, intervalMs = 1_000, report: Report = warn
): TokenMeter {
  const counted = new Map<string, TokenUsage>()

  const note = (usage: TokenUsage) => {
    const key = `${usage.minute.getTime()} ${usage.clientId}`
    const known = counted.get(key)
    if (known === undefined) counted.set(key, usage)
    else known.tokens += usage.tokens
  }
  const write = async (most: number) => {
    const usage = takeFirst(counted, most).map(([, usage]) => usage)
    try {
      await add(usage)
    } catch (error) {
      usage.forEach(note)
      throw error
    }
  }
  const { schedule, flush, stop } = batchWriter({ size: () => counted.size, write }, intervalMs, Infinity, report)
  return {
    count (clientId, organizationId) {
      note({ clientId, organizationId, minute: new Date(Math.floor(clock().getTime() / 60_000) * 60_000), tokens: 1 })
      schedule()
    },
    flush,
    async stop (until) {
      await stop(until)
      return [...counted.values()].reduce((sum, { tokens }) => sum + tokens, 0)
    },
  }
}
