/** The feed entries that a server remembers: applied, written, or recent when it joined. */
import type { FeedEntry } from '../replication/feed.ts'
import type { Instant } from '../../base/trust.ts'
import { subjectsOf } from './lost-subjects.ts'

/** Milliseconds for which an entry is remembered while the database answers; without answers none is forgotten. */
export const retentionMs = 600_000

/** The number of remembered changes, by subject, at most: some 60 MB. The oldest are dropped first. */
export const mostChanges = 100_000

interface Remembered extends FeedEntry { since: Instant, weight: number }

export class RememberedEntries {
  /** The oldest first. */
  readonly #entries = new Map<string, Remembered>()
  readonly #most: number
  #changes = 0
  #hasDropped = false

  constructor (most = mostChanges) {
    this.#most = most
  }

  get size (): number {
    return this.#entries.size
  }

  /** Whether nothing was dropped before its time since `begin`. */
  get isComplete (): boolean {
    return !this.#hasDropped
  }

  begin (): void {
    this.#hasDropped = false
  }

  /** Skips entries without a subject: losing them takes nothing away. */
  add (entries: readonly FeedEntry[], since: Instant): void {
    for (const { id, createdAt, changes } of entries) {
      const weight = changes.reduce((sum, change) => sum + subjectsOf(change).length, 0)
      if (weight === 0 || this.#entries.has(id)) continue
      this.#entries.set(id, { id, createdAt, changes, since, weight })
      this.#changes += weight
    }
    for (const id of this.#entries.keys()) {
      if (this.#changes <= this.#most) break
      this.remove(id)
      this.#hasDropped = true
    }
  }

  /** Returns whether it was remembered. */
  remove (id: string): boolean {
    this.#changes -= this.#entries.get(id)?.weight ?? 0
    return this.#entries.delete(id)
  }

  /** Forgets the entries that are old by either clock at `now`, when a poll was sent that the database answered. */
  expire (now: Instant): void {
    for (const { id, since } of this.#entries.values()) {
      if (now.monotonic < since.monotonic + retentionMs && now.wall < since.wall + retentionMs) return
      this.remove(id)
    }
  }

  all (): FeedEntry[] {
    return [...this.#entries.values()]
  }
}
