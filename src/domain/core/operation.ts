/** The argument of every domain operation, and the checks that operations share. */
import type { Clock } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import type { Actor } from './actor.ts'

/**
 * `serializable` unless stated. `read committed` is for work whose every decision is the condition of an update: it
 * waits for locked rows and need not run again.
 */
export type Isolation = 'serializable' | 'read committed'

/**
 * Ports and the transaction that spans them. Every method throws Failure `storage_unavailable` when the database cannot
 * be reached in time, `storage_full` when it has no room, and `conflict` when a unique value is taken.
 */
export type Transactional<Ports> = Ports & {
  /**
   * Runs `work` in one serializable transaction: all or nothing is written, and no reader sees a part. May run `work`
   * again after a serialization conflict, so `work` has no effects but through `tx`. When the promise resolves, the
   * change is durable and every later check sees it; if nothing changed, every later check sees the present state.
   * Inside, only `tx` may be used.
   */
  transaction<T> (work: (tx: Ports) => Promise<T>, isolation?: Isolation): Promise<T>
}

/** A store whose transactions are parts of an open one. */
export function within<Ports extends object> (tx: Ports): Transactional<Ports> {
  return { ...tx, transaction: async work => await work(tx) }
}

/** The argument of an operation: the ports that it reads and writes, the clock, and the actor. */
export interface Operation<Ports> {
  store: Transactional<Ports>
  clock: Clock
  actor: Actor
  /** If-Match: the record must have one of these versions (RFC 9110 §13.1.1); absent: any. */
  expects?: readonly Version[]
}

/** A record that can be changed. `revision` grows by one with every change that an actor makes. */
export interface Revised { revision: number }

/** The revision of a record; with its id where the address is not its own, so that it may have had predecessors. */
export type Version = number | string

/** The version of a record whose address another one may have had, with the same revision. */
export function versionOf ({ id, revision }: Revised & { id: string }): Version {
  return `${id}.${revision}`
}

/**
 * Rejects a change based on an outdated revision. Called inside the transaction.
 * @throws Failure `precondition_failed`.
 */
export function requireExpected (operation: Pick<Operation<unknown>, 'expects'>, { revision }: Revised): void {
  requireVersion(operation, revision)
}

/** As `requireExpected`, for a record whose address another one may have had. */
export function requireVersion ({ expects }: Pick<Operation<unknown>, 'expects'>, version: Version): void {
  if (expects === undefined || expects.includes(version)) return
  throw new Failure('precondition_failed')
}

/**
 * Returns `found` if the actor may see it.
 * @throws Failure `not_found`, for a record of another organization as for one that does not exist.
 */
export function requireVisible<T extends { organizationId: string | null } > (
  actor: Pick<Actor, 'organizationId'>, found: T | null, name: string, id: string
): T {
  if (found !== null && (actor.organizationId === null || actor.organizationId === found.organizationId)) return found
  throw new Failure('not_found', { message: `There is no ${name} ${JSON.stringify(id.slice(0, 64))}.` })
}

/** @throws Failure `invalid_expiry` for an instant that is not after `now`. Null passes: never. */
export function requireFuture (expiresAt: Date | null, now: Date): Date | null {
  if (expiresAt === null || expiresAt > now) return expiresAt
  throw new Failure('invalid_expiry', {
    message: `The expiry ${expiresAt.toISOString()} is not in the future; the time is ${now.toISOString()}.`,
    details: { field: 'expiresAt' }
  })
}
