/**
 * Cache drift: differences between a server's memory and the database. A server that applies every change cannot drift;
 * a database edited directly, or restored, causes it.
 */
import { auditEvent } from '../audit/event.ts'
import type { Operation } from '../core/operation.ts'
import type { AuditPort } from '../audit/log.ts'

/** A record in memory that differs from the database. Never holds a value: some are secret. */
export interface Difference {
  kind:
    | 'organization' | 'resource' | 'client' | 'api_key' | 'management_token' | 'member' | 'authorization'
    | 'publishable_key'
    | 'webhook_token' | 'trusted_issuer' | 'signing_keys' | 'policies' | 'revoked_token'
  /** For `policies`: the owner; `deployment` for the deployment's policies, and for `signing_keys`. */
  id: string
  /** `not_held`: in the database, but absent for the server. */
  difference: 'changed' | 'gone' | 'not_held'
  /** For `changed`: the members that differ. */
  fields: readonly string[]
}

/** The cache of a server. */
export interface ReplicaMemory {
  /** `memory`: checks are answered from the cache. `database`: every check reads the database, so nothing can drift. */
  source: 'memory' | 'database'
  /** The number of records in it. */
  held (): number
  /** Reads all of them again, and compares. */
  differences (): Promise<Difference[]>
  /** Clears it, so that the next check reads the database. */
  reload (): Promise<void>
}

/** One of the servers on the database. */
export interface Replica extends ReplicaMemory {
  /** `rpl_…`, new at each start. */
  id: string
}

export interface DriftReport {
  replica: Pick<Replica, 'id' | 'source'> & { held: number }, differences: readonly Difference[]
}

/** The drift of each server that can be asked. */
export async function driftOf (replicas: readonly Replica[]): Promise<DriftReport[]> {
  return await Promise.all(replicas.map(async replica => ({
    replica: { id: replica.id, source: replica.source, held: replica.held() }, differences: await replica.differences(),
  })))
}

/** Repairs the drift, and reports it. With `dryRun` it only reports. */
export async function repairDrift (
  { store, clock, actor }: Operation<AuditPort>, replicas: readonly Replica[], dryRun: boolean
): Promise<DriftReport[]> {
  const reports = await driftOf(replicas)
  if (dryRun) return reports
  const differences = reports.flatMap(({ replica, differences }) =>
    differences.map(difference => ({ replica: replica.id, ...difference }))
  )
  await store.audit.append(auditEvent(actor, clock(), 'effective_access.repaired', {
    organizationId: null,
    subject: null,
    detail: { replicas: replicas.map(({ id }) => id), differences: differences.length, first: differences.slice(0, 50) }
  }))
  await Promise.all(replicas.map(replica => replica.reload()))
  return reports
}
