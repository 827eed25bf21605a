/**
 * Compares what a server remembers with what the database has. After a failover the database may be one that never got
 * the last changes, although they were answered: nothing it says is believed before that has been looked for.
 */
import type { LostChange, LostEntry } from '../../domain/maintenance/lost-change.ts'
import { Failure } from '../../base/errors.ts'
import { serialReload } from '../../base/serial-reload.ts'
import { search, type Entry } from './feed.ts'
import type { Instant } from './lease.ts'
import { aboutOf, type About } from '../tables/lost-changes.ts'
import { RememberedEntries } from './remembered-entries.ts'
import type { Run } from './database-history.ts'

export interface RecollectionOptions {
  /** Runs a statement on any connection of this server. */
  run: Run
  /** What there is of that which a change was about. */
  find (about: About): Promise<LostEntry['about'][number]>
  /** Has it refused from now on. Returns what nobody else has noticed. */
  notice (entries: readonly LostEntry[]): Promise<LostChange[]>
  /** Told of entries that this server knows to be lost, and of what of it nobody else has noticed. */
  lost (entries: number, noticed: readonly LostChange[]): void
}

/** How often a question is asked again because a connection was made or lost meanwhile: of a pool there are some. */
const tries = 30

/** How many entries one statement looks for. */
const atOnce = 5_000

export class Recollection {
  readonly #options: RecollectionOptions
  readonly #entries: RememberedEntries
  /** How often there was reason to doubt that the database is the one that it was. */
  #doubts = 0
  /** The number of doubts that what is remembered was looked for after. */
  #certainOf = 0
  /** Whether something remembered can neither be missed nor found: it would have been removed by now. */
  #blurred = false

  constructor (options: RecollectionOptions, entries = new RememberedEntries()) {
    this.#options = options
    this.#entries = entries
  }

  get doubts (): number {
    return this.#doubts
  }

  /** A connection has gone, or a new one is there: another database may be behind it. */
  doubt (): void {
    this.#doubts++
  }

  remember (entries: readonly Entry[], since: Instant): void {
    this.#entries.add(entries, since)
  }

  /** The database has answered a poll that was sent at `now`. */
  forget (now: Instant): void {
    this.#entries.forget(now)
  }

  /** Whether everything that this server had learned of in time could be compared. */
  get isComplete (): boolean {
    return this.#entries.isComplete && !this.#blurred
  }

  /** From now on nothing has been forgotten or could not be compared. */
  begin (): void {
    this.#entries.begin()
    this.#blurred = false
  }

  /** Resolves once what is remembered has been looked for since the last doubt, and what is missing is refused. */
  async certain (): Promise<void> {
    if (this.#certainOf !== this.#doubts) await this.#makeCertain()
  }

  readonly #makeCertain = serialReload(async () => {
    const doubts = this.#doubts
    if (this.#certainOf === doubts) return
    await this.settle(await this.lookFor(this.#options.run))
    this.#certainOf = doubts
  })

  /**
   * Answers with what `read` finds, in a database of which this server is certain: while it was asked, too.
   * @throws what `read` throws, and what keeps this server from being certain.
   */
  async believing<T> (read: () => T | Promise<T>): Promise<T> {
    if (this.#entries.size === 0) return await read()
    for (let i = 0; i < tries; i++) {
      await this.certain()
      const doubts = this.#doubts
      const found = await read()
      if (doubts === this.#doubts) return found
    }
    throw new Failure('storage_unavailable', { detail: 'connections to the database keep being made anew' })
  }

  /** What is remembered and is not there any more, by `run`. @throws on a standby, which cannot be written. */
  async lookFor (run: Run): Promise<Entry[]> {
    const lost: Entry[] = []
    const known = this.#entries.all()
    for (let i = 0; i < known.length; i += atOnce) {
      const some = known.slice(i, i + atOnce)
      const { missing, prunedBefore } = await search(run, some.map(({ id }) => id))
      const missed = new Set(missing)
      for (const entry of some) {
        if (!missed.has(entry.id)) continue
        if (prunedBefore === null || entry.createdAt > prunedBefore) lost.push(entry)
        else this.#blur(entry)
      }
    }
    return lost
  }

  /** Has refused what entries were about that are lost. */
  async settle (lost: readonly Entry[]): Promise<void> {
    if (lost.length === 0) return
    const entries: LostEntry[] = []
    for (const entry of lost) entries.push(await this.#lostEntry(entry))
    const noticed = await this.#options.notice(entries)
    // Only now: what could not be written down is missed again. It may have been missed on two connections at the same
    // time.
    const known = lost.filter(({ id }) => this.#entries.remove(id))
    if (known.length > 0) this.#options.lost(known.length, noticed)
  }

  /** It may have been removed as others are when nobody remembers them any more. */
  #blur ({ id }: Entry): void {
    this.#entries.remove(id)
    this.#blurred = true
  }

  async #lostEntry ({ id, createdAt, changes }: Entry): Promise<LostEntry> {
    const about = new Map(changes.flatMap(aboutOf).map(each => [JSON.stringify(each), each]))
    const found = await Promise.all([...about.values()].map(each => this.#options.find(each)))
    return { entryId: id, changedAt: createdAt, about: found }
  }
}
