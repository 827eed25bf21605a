/**
 * Which entries of the change feed a server knows of: what it has applied, what it has written itself, and what was new
 * when it began.
 */
import type { FeedEntry } from './feed.ts'
import type { Instant } from './lease.ts'
import { aboutOf } from '../tables/lost-changes.ts'

/**
 * For how long an entry is remembered as long as the database answers, in milliseconds. While it is away nothing is
 * forgotten.
 */
export const retentionMs = 600_000

/**
 * How many changes are remembered at most, by what they were about, of which one may name many: some 60 MB. Of more the
 * oldest are forgotten.
 */
export const mostChanges = 100_000

interface Remembered extends FeedEntry { since: Instant, weight: number }

export class RememberedEntries {
  /** In the order in which they were learned of. */
  readonly #entries = new Map<string, Remembered>()
  readonly #most: number
  #changes = 0
  #forgotten = false

  constructor (most = mostChanges) {
    this.#most = most
  }

  get size (): number {
    return this.#entries.size
  }

  /** Whether nothing had to be forgotten before its time since `begin`. */
  get isComplete (): boolean {
    return !this.#forgotten
  }

  begin (): void {
    this.#forgotten = false
  }

  /** Only what was about something: the loss of the rest takes nothing away. */
  add (entries: readonly FeedEntry[], since: Instant): void {
    for (const { id, createdAt, changes } of entries) {
      const weight = changes.reduce((sum, change) => sum + aboutOf(change).length, 0)
      if (weight === 0 || this.#entries.has(id)) continue
      this.#entries.set(id, { id, createdAt, changes, since, weight })
      this.#changes += weight
    }
    for (const id of this.#entries.keys()) {
      if (this.#changes <= this.#most) break
      this.remove(id)
      this.#forgotten = true
    }
  }

  /** Returns whether it was remembered. */
  remove (id: string): boolean {
    this.#changes -= this.#entries.get(id)?.weight ?? 0
    return this.#entries.delete(id)
  }

  /** Forgets what is old by `now`, at which the database was asked and answered: either clock is enough. */
  forget (now: Instant): void {
    for (const { id, since } of this.#entries.values()) {
      if (now.monotonic < since.monotonic + retentionMs && now.wall < since.wall + retentionMs) return
      this.remove(id)
    }
  }

  all (): FeedEntry[] {
    return [...this.#entries.values()]
  }
}
