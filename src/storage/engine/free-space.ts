import { Failure } from '../../base/errors.ts'

/**
 * Milliseconds after which a write that failed is no sign any more: a server that is sent nobody must find out that
 * there is room again.
 */
const forgotten = 30_000

/**
 * Whether the database has room, as far as is known: not, once a write has failed for it, until a change is kept or
 * that was long ago.
 */
export class FreeSpace {
  #fullAt = -Infinity

  /** Something failed with `error`. */
  failed (error: unknown): void {
    if (error instanceof Failure && error.code === 'storage_full') this.#fullAt = performance.now()
  }

  /** A change was kept. */
  found (): void {
    this.#fullAt = -Infinity
  }

  get isFull (): boolean {
    return performance.now() - this.#fullAt < forgotten
  }
}
