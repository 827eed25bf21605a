/** The revoked tokens, in memory: possibly millions, so no step may block the event loop. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** A map that grows is copied whole: with many small maps, only one is copied at a time. */
const parts = 256

/** Entries that one turn looks at, at least. */
const entriesPerTurn = 20_000

export class RevokedSet {
  /** The expiry of each `jti`, in milliseconds. */
  readonly #parts = Array.from({ length: parts }, () => new Map<string, number>())

  get size (): number {
    return this.#parts.reduce((sum, { size }) => sum + size, 0)
  }

  has (jti: string): boolean {
    return this.#partOf(jti).has(jti)
  }

  add (jti: string, expiresAt: Date): void {
    this.#partOf(jti).set(jti, expiresAt.getTime())
  }

  /** Removes the tokens that expired before an instant: in one turn if there are few, else in several. */
  forgetBefore (before: Date): void {
    this.#forget(0, before.getTime())
  }

  /** All tokens, part by part, yielding to the event loop between two parts. */
  async * pages (): AsyncGenerator<string[]> {
    for (const part of this.#parts) {
      yield [...part.keys()]
      await nextTurn()
    }
  }

  #forget (from: number, end: number): void {
    for (let i = from, looked = 0; i < parts; i++) {
      const part = this.#parts[i]!
      looked += part.size
      for (const [jti, expiresAt] of part) if (expiresAt < end) part.delete(jti)
      if (looked < entriesPerTurn) continue
      setImmediate(() => { this.#forget(i + 1, end) })
      return
    }
  }

  #partOf (jti: string): Map<string, number> {
    const { length } = jti
    return this.#parts[(jti.charCodeAt(length - 2) * 67 + jti.charCodeAt(length - 3)) & (parts - 1)]!
  }
}
