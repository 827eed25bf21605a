/** Whether the database has space, judged by the writes that failed and succeeded. */
import { Failure } from '../../base/errors.ts'

/**
 * Milliseconds after which a failed write is forgotten: a server that a load balancer has taken out gets no more writes
 * by which it could see that there is space again.
 */
const forgottenAfter = 30_000

/** Full from a write that failed for lack of space until the next successful one, or until `forgottenAfter`. */
export class FreeSpace {
  #fullAt = -Infinity

  recordFailure (error: unknown): void {
    if (error instanceof Failure && error.code === 'storage_full') this.#fullAt = performance.now()
  }

  recordWrite (): void {
    this.#fullAt = -Infinity
  }

  get isFull (): boolean {
    return performance.now() - this.#fullAt < forgottenAfter
  }
}
