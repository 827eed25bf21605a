/** Runs a transaction, and retries it after serialization conflicts. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from '../../base/errors.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { inSpan } from '../../telemetry/tracing.ts'
import { asFailure, isSerializationConflict, labelOf } from './failures.ts'
import type { FreeSpace } from './free-space.ts'
import type { PrismaClient, Queries } from './prisma.ts'
import type { TransactionLimiter } from './transaction-limiter.ts'

/** Attempts before a transaction is given up as `storage_unavailable`. */
const maxAttempts = 20

/** The longest pause before a retry, in milliseconds. */
const maxPause = 250

/** As Prisma takes them. */
export interface TransactionOptions { maxWait: number, timeout: number, isolationLevel: 'Serializable' }

/** What each transaction of one database uses. */
export interface TransactionContext { client: PrismaClient, telemetry: Telemetry, freeSpace: FreeSpace }

export async function runTransaction<T> (
  context: TransactionContext, options: TransactionOptions, work: (queries: Queries) => Promise<T>,
  limiter: TransactionLimiter
): Promise<T> {
  const { telemetry } = context
  for (let attempt = 1; ; attempt++) {
    try {
      return await limiter.run(() =>
        inSpan(
          telemetry.tracing, 'database transaction', () => measured(telemetry, () => runOnce(context, options, work))
        )
      )
    } catch (error) {
      if (!isSerializationConflict(error)) throw error
      telemetry.metrics.transactionRetries++
      if (attempt === maxAttempts) {
        const detail = 'the transaction kept conflicting with others'
        throw new Failure('storage_unavailable', { detail, cause: error })
      }
      limiter.serialize()
      // Random, so that servers which conflict do not retry at the same instant.
      await sleep(Math.random() * Math.min(2 ** attempt * 4, maxPause))
    }
  }
}

async function measured<T> ({ metrics }: Telemetry, transaction: () => Promise<T>): Promise<T> {
  const began = performance.now()
  let outcome = 'rolled_back'
  metrics.openTransactions++
  try {
    const result = await transaction()
    outcome = 'committed'
    return result
  } finally {
    metrics.openTransactions--
    metrics.transactions.observe((performance.now() - began) / 1000, outcome)
  }
}

/** Rethrows an error of `work` unchanged; an error of BEGIN or COMMIT becomes a failure. */
async function runOnce<T> (
  { client, telemetry: { metrics }, freeSpace }: TransactionContext, options: TransactionOptions,
  work: (queries: Queries) => Promise<T>
): Promise<T> {
  let thrown: { error: unknown } | null = null
  const recorded = async (queries: Queries): Promise<T> => {
    try {
      return await work(queries)
    } catch (error) {
      thrown = { error }
      throw error
    }
  }
  try {
    return await client.$transaction(recorded, options)
  } catch (error) {
    if ((thrown as { error: unknown } | null)?.error === error || isSerializationConflict(error)) throw error
    const failure = asFailure(error)
    metrics.databaseErrors.increment(labelOf(failure))
    freeSpace.recordFailure(failure)
    throw failure
  }
}
