/** What every operation of the domain is given, and the checks that operations share. */
import type { Clock } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import type { Actor } from './actor.ts'

/**
 * `serializable` unless said otherwise. `read committed` is for work of which every decision is the condition of an
 * update: it waits for the rows that others hold, and need not run again.
 */
export type Isolation = 'serializable' | 'read committed'

/**
 * Ports and the transaction that spans them. Every method throws Failure `storage_unavailable` when the database cannot
 * be reached in time, `storage_full` when it has no room, and `conflict` when a unique value is taken.
 */
export type Transactional<Ports> = Ports & {
  /**
   * Runs `work` in one serializable transaction: all of it is kept or none, and no reader sees a part. May run `work`
   * again after a serialization conflict, so `work` has no effects but through `tx`. When the promise resolves, the
   * change is durable and every later check sees it; where there was nothing to change, every later check sees the
   * present state. Inside, only `tx` may be used.
   */
  transaction<T> (work: (tx: Ports) => Promise<T>, isolation?: Isolation): Promise<T>
}

/** What an operation is given: the ports that it reads and writes, the time, and the actor. */
export interface Operation<Ports> {
  store: Transactional<Ports>
  clock: Clock
  actor: Actor
  /** The revisions of which one has to be that of the record that is changed (RFC 9110 §13.1.1); left out: any. */
  expects?: readonly number[]
}

/** What can be changed: the number of its present state, one more with every change of it that somebody made. */
export interface Revised { revision: number }

/**
 * Refuses to change what somebody else has changed meanwhile. Called inside the transaction. @throws Failure
 * `precondition_failed`.
 */
export function requireExpected ({ expects }: Pick<Operation<unknown>, 'expects'>, { revision }: Revised): void {
  if (expects === undefined || expects.includes(revision)) return
  throw new Failure('precondition_failed')
}

/**
 * Returns `found` if the actor may see it, else throws Failure `not_found`: what belongs to another organization is
 * answered like what does not exist.
 */
export function requireVisible<T extends { organizationId: string | null } > (
  actor: Pick<Actor, 'organizationId'>, found: T | null, what: string, id: string
): T {
  if (found !== null && (actor.organizationId === null || actor.organizationId === found.organizationId)) return found
  throw new Failure('not_found', { message: `There is no ${what} ${JSON.stringify(id.slice(0, 64))}.` })
}

/** @throws Failure `invalid_expiry` for an instant that is not after `now`. Null passes: never. */
export function requireFuture (expiresAt: Date | null, now: Date): Date | null {
  if (expiresAt === null || expiresAt > now) return expiresAt
  throw new Failure('invalid_expiry', {
    message: `The expiry ${expiresAt.toISOString()} is not in the future; it is ${now.toISOString()} now.`,
    details: { field: 'expiresAt' }
  })
}
