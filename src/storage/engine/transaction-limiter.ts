/** Limits how many transactions of this server run at once. */
import { Failure } from '../../base/errors.ts'

/**
 * Runs up to `concurrency` transactions at once and queues the rest. After a serialization conflict, runs one at a time
 * until the queue is empty; writers of one audit chain always conflict. So a transaction then conflicts with other
 * servers only, however many are queued here.
 */
export class TransactionLimiter {
  readonly #concurrency: number
  readonly #timeoutMs: number
  readonly #queue = new Set<() => void>()
  #running = 0
  #isSerial = false

  /** Rejects with `storage_unavailable` after `timeoutMs` in the queue. */
  constructor (concurrency: number, timeoutMs: number) {
    this.#concurrency = concurrency
    this.#timeoutMs = timeoutMs
  }

  /** Runs `act` at its turn. @throws Failure `storage_unavailable` when the queue takes too long. */
  async run<T> (act: () => Promise<T>): Promise<T> {
    if (this.#mustQueue()) await this.#wait()
    else this.#running++
    try {
      return await act()
    } finally {
      this.#running--
      this.#admit()
    }
  }

  /** Runs one at a time from now on, until the queue is empty. */
  serialize (): void {
    this.#isSerial = true
  }

  #mustQueue (): boolean {
    return this.#queue.size > 0 || this.#running >= this.#limit()
  }

  #limit (): number {
    return this.#isSerial ? 1 : this.#concurrency
  }

  #wait (): Promise<void> {
    return new Promise((resolve, reject) => {
      const start = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        this.#queue.delete(start)
        reject(new Failure('storage_unavailable', { detail: 'too many transactions are queued' }))
      }, this.#timeoutMs)
      this.#queue.add(start)
    })
  }

  #admit (): void {
    for (const start of this.#queue) {
      if (this.#running >= this.#limit()) return
      this.#queue.delete(start)
      this.#running++
      start()
    }
    if (this.#running === 0) this.#isSerial = false
  }
}
