import { repeatedly, type Report } from '../background.ts'
import { secondsAfter } from '../clock.ts'
import { newMeasures, type Measures } from '../measures.ts'
import { dayOf, monthOf } from './calendar.ts'
import { reapAbandonedClients } from './client.ts'
import { removeDeadSigningKeys } from './signing-key-changes.ts'
import type { Operation } from './store.ts'
import { tokenUsageDays } from './token-usage.ts'

const every = 3_600_000

/**
 * How much longer than until its end, in seconds, is remembered what must not work again, or what has to work until then: should
 * the clock have been set ahead when it was forgotten, that would be missed once the clock is set right.
 */
const clockMargin = 86_400

/** How long what is only of interest for a while is kept. */
export interface Retention {
  /** Days for which it is known how much a key was used; at least the present month. */
  usageDays: number
}

export const defaultRetention: Retention = { usageDays: 400 }

/** Removes one kind of rows that say nothing any more; returns how many. */
type Chore = (operation: Operation, retention: Retention, now: Date) => Promise<number>

/** By what the rows are called in the numbers. What is kept by rule (keys, clients, audit events) is in none of them. */
const chores: Readonly<Record<string, Chore>> = {
  revoked_token: ({ store }, _, now) => store.revokedTokens.prune(secondsAfter(now, -clockMargin)),
  used_assertion: ({ store }, _, now) => store.usedAssertions.prune(secondsAfter(now, -clockMargin)),
  remembered_answer: ({ store }, _, now) => store.rememberedAnswers.prune(secondsAfter(now, -clockMargin)),
  signing_key: (operation, _, now) => removeDeadSigningKeys(operation, secondsAfter(now, -clockMargin)),
  idle_client: operation => reapAbandonedClients(operation),
  key_usage: ({ store }, { usageDays }, now) => store.usage.prune(dayOf(secondsAfter(now, -usageDays * 86_400))),
  token_usage: ({ store }, _, now) => store.tokenUsage.prune(secondsAfter(now, -tokenUsageDays * 86_400)),
  allowance: ({ store }, { usageDays }, now) => store.allowances.prune(monthOf(secondsAfter(now, -usageDays * 86_400))),
}

/**
 * Removes, once an hour, what no check needs any more: revoked tokens, used assertions, remembered answers and signing keys
 * past their end, registered clients that were never used, token usage and usage of keys older than it is to be kept. Returns how to stop; what is
 * running then is waited for.
 */
export function keepHouse (
  operation: Operation, report: Report, retention: Retention = defaultRetention, measures: Measures = newMeasures()
): { stop (): Promise<void> } {
  return repeatedly(every, () => clean(operation, retention, measures), report)
}

/** One round of it. What one chore fails at does not keep the others from their work. @throws what failed, afterwards: all of it together, where it is several. */
export async function clean (operation: Operation, retention: Retention = defaultRetention, measures: Measures = newMeasures()): Promise<void> {
  const failed: unknown[] = []
  for (const [kind, chore] of Object.entries(chores)) {
    try {
      measures.pruned.add(kind, '', await chore(operation, retention, operation.clock()))
    } catch (error) {
      failed.push(error)
    }
  }
  if (failed.length > 0) throw failed.length === 1 ? failed[0] : new AggregateError(failed, `${failed.length} chores failed`)
  measures.prunedAt = operation.clock().getTime()
}
