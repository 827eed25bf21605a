/**
 * Detects lost changes: after a failover the database may lack the last acknowledged changes. Compares the entries that
 * this server remembers with the feed before any answer of the database is used.
 */
import { Failure } from '../../base/errors.ts'
import { serialReload } from '../../base/serial-reload.ts'
import type { LostChange, LostEntry } from '../../domain/maintenance/lost-change.ts'
import type { Run } from '../replication/database-history.ts'
import { findMissing, type FeedEntry } from '../replication/feed.ts'
import type { Instant } from '../../base/trust.ts'
import { subjectsOf, type Subject } from './lost-subjects.ts'
import { RememberedEntries } from './remembered-entries.ts'

export interface LostChangeDetectorOptions {
  /** Runs a statement on any connection of this server. */
  run: Run
  /** Finds the record that a change was about. */
  find (subject: Subject): Promise<LostEntry['about'][number]>
  /** Refuses the subjects of the entries from now on. Returns the changes that no other server has recorded. */
  refuse (entries: readonly LostEntry[]): Promise<LostChange[]>
  /** Called with the number of lost entries that this server knew, and those changes. */
  onLost (entries: number, recorded: readonly LostChange[]): void
}

/** Attempts of a read when connections are made or lost meanwhile: a pool has several. */
const maxAttempts = 30

/** Entries that one statement looks up. */
const batch = 5_000

export class LostChangeDetector {
  readonly #options: LostChangeDetectorOptions
  readonly #entries: RememberedEntries
  /** Counts the connections made and lost: each may lead to another database. */
  #connectionEpoch = 0
  /** The epoch in which the remembered entries were last found. */
  #verifiedEpoch = 0
  /** Whether a remembered entry was missing that may as well have been pruned. */
  #isAmbiguous = false

  constructor (options: LostChangeDetectorOptions, entries = new RememberedEntries()) {
    this.#options = options
    this.#entries = entries
  }

  /** A connection was made or lost: another database may be behind it. */
  invalidate (): void {
    this.#connectionEpoch++
  }

  remember (entries: readonly FeedEntry[], since: Instant): void {
    this.#entries.add(entries, since)
  }

  /** The database has answered a poll that was sent at `now`. */
  expire (now: Instant): void {
    this.#entries.expire(now)
  }

  /** Whether every change that this server learned of in time could be compared. */
  get isComplete (): boolean {
    return this.#entries.isComplete && !this.#isAmbiguous
  }

  /** Resets `isComplete`. */
  begin (): void {
    this.#entries.begin()
    this.#isAmbiguous = false
  }

  /** Resolves once the remembered entries were compared in this epoch, and the subjects of missing ones are refused. */
  async verify (): Promise<void> {
    if (this.#verifiedEpoch !== this.#connectionEpoch) await this.#compare()
  }

  readonly #compare = serialReload(async () => {
    const epoch = this.#connectionEpoch
    if (this.#verifiedEpoch === epoch) return
    await this.refuse(await this.findLost(this.#options.run))
    this.#verifiedEpoch = epoch
  })

  /**
   * Answers with the result of `read` from a verified database, which was the same during the read.
   * @throws what `read` throws, and what prevents the verification.
   */
  async readVerified<T> (read: () => T | Promise<T>): Promise<T> {
    if (this.#entries.size === 0) return await read()
    for (let attempt = 0; attempt < maxAttempts; attempt++) {
      await this.verify()
      const epoch = this.#connectionEpoch
      const found = await read()
      if (epoch === this.#connectionEpoch) return found
    }
    throw new Failure('storage_unavailable', { detail: 'the connections to the database keep breaking' })
  }

  /** The remembered entries that the feed lacks, by `run`. */
  async findLost (run: Run): Promise<FeedEntry[]> {
    const lost: FeedEntry[] = []
    const known = this.#entries.all()
    for (let i = 0; i < known.length; i += batch) {
      const some = known.slice(i, i + batch)
      const { missing, prunedBefore } = await findMissing(run, some.map(({ id }) => id))
      const missed = new Set(missing)
      for (const entry of some) {
        if (!missed.has(entry.id)) continue
        if (prunedBefore === null || entry.createdAt > prunedBefore) lost.push(entry)
        else this.#forgetAmbiguous(entry)
      }
    }
    return lost
  }

  /** Refuses the subjects of lost entries. */
  async refuse (lost: readonly FeedEntry[]): Promise<void> {
    if (lost.length === 0) return
    const entries: LostEntry[] = []
    for (const entry of lost) entries.push(await this.#lostEntry(entry))
    const recorded = await this.#options.refuse(entries)
    // Removed only once recorded, so that a failure is retried. Two connections may find the same entry missing.
    const known = lost.filter(({ id }) => this.#entries.remove(id))
    if (known.length > 0) this.#options.onLost(known.length, recorded)
  }

  /** Pruned, or lost. */
  #forgetAmbiguous ({ id }: FeedEntry): void {
    this.#entries.remove(id)
    this.#isAmbiguous = true
  }

  async #lostEntry ({ id, createdAt, changes }: FeedEntry): Promise<LostEntry> {
    const subjects = new Map(changes.flatMap(subjectsOf).map(each => [JSON.stringify(each), each]))
    const found = await Promise.all([...subjects.values()].map(each => this.#options.find(each)))
    return { entryId: id, changedAt: createdAt, about: found }
  }
}
