/** Batching of spendings: one transaction at a time, which takes all spendings that arrived meanwhile. */
import { newId } from '../../secrets/random.ts'
import { requireWholeCredits, spendCredits, type Spending, type SpendVerdict } from './credit.ts'
import type { CreditPort } from './credit.ts'
import type { UsagePort } from './usage-meter.ts'
import type { AllowancePort } from './quota-lease.ts'
import type { Transactional } from '../core/operation.ts'

export interface CreditSpender {
  /**
   * Resolves when the credits are durably taken, or refused. Rejects with Failure `storage_unavailable`; and with
   * `invalid_request` for an amount that is not whole, without affecting others.
   */
  spend (spending: Omit<Spending, 'id'>): Promise<{ id: string, verdict: SpendVerdict }>
  /** Resolves when every spending so far is decided. */
  drain (): Promise<void>
}

interface Waiting {
  spending: Spending
  resolve (verdict: SpendVerdict): void
  reject (error: unknown): void
}

/** Spendings in one transaction, at most: short enough for those that wait behind it. */
const greatestBatch = 100

export function creditSpender (store: Transactional<AllowancePort & CreditPort & UsagePort>): CreditSpender {
  const waiting: Waiting[] = []
  let running: Promise<void> | null = null

  const run = async () => {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, greatestBatch)
      try {
        const verdicts = await spendCredits(store, batch.map(({ spending }) => spending))
        batch.forEach(({ resolve }, i) => { resolve(verdicts[i]!) })
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
    running = null
  }
  return {
    async spend (asked) {
      requireWholeCredits(asked.credits)
      const spending = { ...asked, id: newId('crd') }
      const verdict = await new Promise<SpendVerdict>((resolve, reject) => {
        waiting.push({ spending, resolve, reject })
        running ??= run()
      })
      return { id: spending.id, verdict }
    },
    drain: async () => { await running },
  }
}
