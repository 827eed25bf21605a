import { secondsAfter } from '../clock.ts'
import { reapIdleClients } from './client.ts'
import { removeDeadSigningKeys } from './signing-key.ts'
import type { Operation } from './store.ts'
import { tokenUsageDays } from './token-usage.ts'

/** Seconds after which a registered client that was never used is removed. */
const idleClientLifetime = 7 * 86_400

const every = 3_600_000

/**
 * Removes, once an hour, what no check needs any more: revoked tokens, used assertions, remembered answers and signing keys
 * past their end, token usage of more than a year ago, and registered clients that were never used. Returns how to stop; what
 * is running then is waited for.
 */
export function keepHouse (operation: Operation, report: (error: unknown) => void): { stop (): Promise<void> } {
  let running: Promise<void> = Promise.resolve()
  const timer = setInterval(() => { running = clean(operation).catch(report) }, every)
  timer.unref()
  return {
    async stop () {
      clearInterval(timer)
      await running
    },
  }
}

/** One round of it. */
export async function clean (operation: Operation): Promise<void> {
  const { store, clock } = operation
  await store.revokedTokens.prune(clock())
  await store.usedAssertions.prune(clock())
  await store.rememberedAnswers.prune(clock())
  await removeDeadSigningKeys(operation)
  await store.tokenUsage.prune(secondsAfter(clock(), -tokenUsageDays * 86_400))
  await reapIdleClients(operation, idleClientLifetime)
}
