/** Queries whose errors are the project's failures, each counted and timed. */
import type { Awaitable } from '../../base/awaitable.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import { asFailure, closedFailure, isSerializationConflict, labelOf } from './failures.ts'
import type { FreeSpace } from './free-space.ts'
import type { PrismaClient } from './prisma.ts'
import type { Reads } from './reads.ts'

/**
 * `client`, inside transactions too, with its errors as failures. Rejects everything once closed: Prisma would
 * reconnect, and to a SQLite file that another server may have locked by then.
 */
export function clientWithFailures (
  client: PrismaClient, { metrics }: Telemetry, freeSpace: FreeSpace, isClosed: () => boolean
): PrismaClient {
  return client.$extends({
    query: {
      async $allOperations ({ operation, args, query }) {
        if (isClosed()) throw closedFailure()
        if (operation.startsWith('find') && containsNul((args as { where?: unknown }).where)) {
          return operation === 'findMany' ? [] : null
        }
        if (operation === '$queryRaw' && containsNul((args as { values?: unknown }).values)) return []
        const began = performance.now()
        try {
          return await query(args)
        } catch (error) {
          const failure = isSerializationConflict(error) ? error : asFailure(error)
          metrics.databaseErrors.increment(labelOf(failure))
          freeSpace.recordFailure(failure)
          throw failure
        } finally {
          metrics.statements.observe((performance.now() - began) / 1000, operation)
        }
      },
    },
  }) as unknown as PrismaClient
}

/** As `clientWithFailures`, for the reads that bypass the client. */
export function readsWithFailures (reads: Reads, { metrics }: Telemetry, isClosed: () => boolean): Reads {
  const fail = (error: unknown): never => {
    const failure = asFailure(error)
    metrics.databaseErrors.increment(labelOf(failure))
    throw failure
  }
  const guarded =
    <Values extends (string | number)[], T>(read: (...values: Values) => Awaitable<T>, nothing: T) =>
      (...values: Values): Awaitable<T> => {
        if (isClosed()) throw closedFailure()
        if (values.some(value => typeof value === 'string' && value.includes('\0'))) return nothing
        const began = performance.now()
        const observe = () => {
          metrics.statements.observe((performance.now() - began) / 1000, 'read')
        }
        try {
          const found = read(...values)
          if (found instanceof Promise) return found.catch(fail).finally(observe)
          observe()
          return found
        } catch (error) {
          return fail(error)
        }
      }
  return {
    apiKeyByDigest: guarded(reads.apiKeyByDigest, null),
    importedApiKey: guarded(reads.importedApiKey, null),
    importedForDeployment: guarded(reads.importedForDeployment, []),
    apiKey: guarded(reads.apiKey, null),
    authorization: guarded(reads.authorization, null),
    client: guarded(reads.client, null),
    organization: guarded(reads.organization, null),
    resource: guarded(reads.resource, null),
    resourceByIdentifier: guarded(reads.resourceByIdentifier, null),
    policiesOf: guarded(reads.policiesOf, []),
    deploymentPolicies: guarded(reads.deploymentPolicies, []),
    personSession: guarded(reads.personSession, []),
    signingKeys: guarded(reads.signingKeys, []),
    revokedTokens: guarded(reads.revokedTokens, []),
    headsNotUnder: guarded(reads.headsNotUnder, []),
    skillNotUnder: guarded(reads.skillNotUnder, []),
    sourceNotUnder: guarded(reads.sourceNotUnder, []),
    reviewerNotUnder: guarded(reads.reviewerNotUnder, []),
    someProviderKey: guarded(reads.someProviderKey, []),
    resourcesWithoutNormalForm: guarded(reads.resourcesWithoutNormalForm, []),
    refused: guarded(reads.refused, []),
    refusedSubject: guarded(reads.refusedSubject, []),
    ...(reads.importedKeys === undefined
      ? {}
      : { importedKeys: guarded(reads.importedKeys, { through: null, keys: [] }) })
  }
}

/** No stored text contains NUL: PostgreSQL's text cannot, and a query for one fails and ends its transaction. */
function containsNul (where: unknown): boolean {
  if (typeof where === 'string') return where.includes('\0')
  return typeof where === 'object' && where !== null && Object.values(where).some(containsNul)
}
