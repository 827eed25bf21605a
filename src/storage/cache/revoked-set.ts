/** The tokens that are revoked, in memory: there may be millions, and no step with them may hold everybody else up. */
import { setImmediate as nextTurn } from 'node:timers/promises'

/** A map that grows is copied as a whole: of many small ones only one is copied at a time. */
const parts = 256

/** How many are looked at in one turn. */
const atOnce = 20_000

export class RevokedSet {
  /** By `jti`, when the token ends, in milliseconds. */
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

  /** Forgets those that ended before an instant: at once if there are few, else in several turns. */
  forgetBefore (before: Date): void {
    this.#forget(0, before.getTime())
  }

  /** All of them, part by part, with a turn for everybody else between two parts. */
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
      if (looked < atOnce) continue
      setImmediate(() => { this.#forget(i + 1, end) })
      return
    }
  }

  #partOf (jti: string): Map<string, number> {
    const { length } = jti
    return this.#parts[(jti.charCodeAt(length - 2) * 67 + jti.charCodeAt(length - 3)) & (parts - 1)]!
  }
}
