/**
 * Whether what a server goes by is what the database says. A server that knows of every change cannot drift; one whose
 * database somebody edited behind its back, or restored, has.
 */
import { auditEvent } from '../audit/event.ts'
import type { Operation } from '../core/operation.ts'
import type { AuditPort } from '../audit/log.ts'

/** Something that a server holds in memory and that the database has otherwise. Never says a value: some are secret. */
export interface Difference {
  kind:
    | 'organization' | 'resource' | 'client' | 'api_key' | 'management_token' | 'member' | 'publishable_key'
    | 'webhook_token' | 'signing_keys' | 'policies' | 'revoked_token'
  /** For `policies`: their owner; `deployment` for the deployment's, and for `signing_keys`. */
  id: string
  /** `not_held`: the database has it, and the server answers as if it had not. */
  difference: 'changed' | 'gone' | 'not_held'
  /** Of what is changed: the members that differ. */
  fields: readonly string[]
}

/** A server's own memory. */
export interface ReplicaMemory {
  /** `memory`: checks are answered from it. `database`: every check asks, and there is nothing that could drift. */
  source: 'memory' | 'database'
  /** How many records it holds. */
  held (): number
  /** Reads everything again that it holds. */
  differences (): Promise<Difference[]>
  /** Forgets what it holds, so that the next check reads it anew. */
  reload (): Promise<void>
}

/** One of the servers on a database. */
export interface Replica extends ReplicaMemory {
  /** `rpl_…`, another one at each start. */
  id: string
}

export interface DriftReport {
  replica: Pick<Replica, 'id' | 'source'> & { held: number }, differences: readonly Difference[]
}

/** What each of the servers that can be asked holds otherwise than the database. */
export async function driftOf (replicas: readonly Replica[]): Promise<DriftReport[]> {
  return await Promise.all(replicas.map(async replica => ({
    replica: { id: replica.id, source: replica.source, held: replica.held() }, differences: await replica.differences(),
  })))
}

/** Mends it, and tells what it was. With `dryRun` nothing is mended. */
export async function repairDrift (
  { store, clock, actor }: Operation<AuditPort>, replicas: readonly Replica[], dryRun: boolean
): Promise<DriftReport[]> {
  const reports = await driftOf(replicas)
  if (dryRun) return reports
  const differences = reports.flatMap(({ replica, differences }) =>
    differences.map(each => ({ replica: replica.id, ...each }))
  )
  await store.audit.append(auditEvent(actor, clock(), 'effective_access.repaired', {
    organizationId: null,
    subject: null,
    detail: { replicas: replicas.map(({ id }) => id), differences: differences.length, first: differences.slice(0, 50) }
  }))
  await Promise.all(replicas.map(replica => replica.reload()))
  return reports
}
