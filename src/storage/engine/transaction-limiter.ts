import { Failure } from '../../base/errors.ts'

/**
 * Lets so many transactions run at once, and the others wait their turn. Once some were in each other's way, and all
 * are that add to the same audit chain, they go one at a time until nobody waits any more: so however many come at
 * once, each has to give way to other servers only.
 */
export class TransactionLimiter {
  readonly #width: number
  readonly #patience: number
  readonly #waiting = new Set<() => void>()
  #running = 0
  #narrow = false

  /** Whoever waits longer than `patience`, in milliseconds, is turned away. */
  constructor (concurrency: number, timeoutMs: number) {
    this.#width = concurrency
    this.#patience = timeoutMs
  }

  /** Runs `act` when it is its turn. @throws Failure `storage_unavailable` when that takes too long. */
  async run<T> (act: () => Promise<T>): Promise<T> {
    if (this.#isFull()) await this.#turn()
    else this.#running++
    try {
      return await act()
    } finally {
      this.#running--
      this.#admit()
    }
  }

  /** One at a time from now on, until nobody waits. */
  serialize (): void {
    this.#narrow = true
  }

  #isFull (): boolean {
    return this.#waiting.size > 0 || this.#running >= (this.#narrow ? 1 : this.#width)
  }

  #turn (): Promise<void> {
    return new Promise((resolve, reject) => {
      const pass = () => {
        clearTimeout(timer)
        resolve()
      }
      const timer = setTimeout(() => {
        this.#waiting.delete(pass)
        reject(new Failure('storage_unavailable', { detail: 'too many transactions wait for their turn' }))
      }, this.#patience)
      this.#waiting.add(pass)
    })
  }

  #admit (): void {
    for (const pass of this.#waiting) {
      if (this.#running >= (this.#narrow ? 1 : this.#width)) return
      this.#waiting.delete(pass)
      this.#running++
      pass()
    }
    if (this.#running === 0) this.#narrow = false
  }
}
