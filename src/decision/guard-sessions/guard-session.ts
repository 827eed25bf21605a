/**
 * The session of one remote guard: which changes it has to apply, which it has applied, and until when it may answer
 * from memory. docs/remote-guard.md has the protocol, and why no outdated answer passes.
 */
import { ToldCounts, type Told } from '../../domain/metering/told-counts.ts'
import type { Change } from '../../storage/cache/changes.ts'
import { everything, signingKeys, subjectsOf, type Subject } from './subjects.ts'

/** Subjects that a session may hold: those of 50,000 keys. Beyond it the guard has to open another session. */
const mostSubjects = 250_000

/** Changes that may wait for a guard; beyond them it opens another session. */
const mostWaiting = 1_000

/** Also the resource and the keys that the guard was told at the start may be outdated: it opens another session. */
const startAgain: readonly Subject[] = [everything, signingKeys]

interface Waiting { position: number, subject: Subject }

/** Milliseconds after which a poll that is held is answered, when calls were counted elsewhere. */
const tellWithin = 500

/** A change that waits for the guard. `since`: by `performance.now()`. */
interface Delayed { change: Change, position: number, since: number, settle: () => void }

/** The answer to a poll. `trustFor`: milliseconds from the moment at which the poll was sent. */
export interface News extends Partial<Told> { position: number, changes: readonly Subject[], trustFor: number }

type Identity = Pick<GuardSession, 'id' | 'clientId' | 'resourceId' | 'address'>

/** How a session names keys without their digests, and what it reports. */
export interface SessionSurroundings {
  mark: (digest: string) => string
  /** Milliseconds for which a change may wait for the guard before it counts as delayed. */
  patience: number
  /** Called with the change that waited longest: for longer than `patience`, or until trust ended. */
  onLate: (change: Change) => void
}

export class GuardSession {
  readonly id: string
  readonly clientId: string
  readonly resourceId: string
  /** The address that it was opened from. */
  readonly address: string
  /** The number of the last change that the guard has to apply. */
  position = 0
  /** The number of changes heard, relevant or not: an answer that was gathered over one is not to be kept. */
  heard = 0
  /** The number of its last usage report, and its application. */
  reported = 0
  reporting: Promise<void> = Promise.resolve()
  /** The calls in a minute that were counted elsewhere. */
  readonly counts = new ToldCounts()
  /** It has ended, or was too late: its guard has to open another one. */
  hasEnded = false
  /** By `performance.now()`. */
  lastSeen = performance.now()
  readonly #surroundings: SessionSurroundings
  readonly #subjects = new Set<Subject>()
  readonly #delayed = new Set<Delayed>()
  #applied = 0
  #trustUntil = -Infinity
  #waiting: readonly Waiting[] = []
  #wakePoll = () => {}
  #telling: NodeJS.Timeout | null = null

  constructor ({ id, clientId, resourceId, address }: Identity, surroundings: SessionSurroundings) {
    this.id = id
    this.clientId = clientId
    this.resourceId = resourceId
    this.address = address
    this.#surroundings = surroundings
    this.counts.onCounted = () => { this.#tellSoon() }
  }

  /** Whether the guard may answer from memory at this moment, as far as this server knows. */
  get isTrusted (): boolean {
    return performance.now() < this.#trustUntil
  }

  /** Whether the guard has got an answer to a poll. */
  get wasPolled (): boolean {
    return this.#trustUntil > -Infinity
  }

  /** The subject that stands for a key. */
  keySubject (digest: string): Subject {
    return `key:${this.#surroundings.mark(digest)}`
  }

  /** Whether the guard was handed an entry that follows from a subject. */
  holds (subject: Subject): boolean {
    return this.#subjects.has(subject)
  }

  /** Notes what an entry follows from, before the guard gets it. */
  hand (subjects: readonly Subject[]): void {
    for (const subject of subjects) this.#subjects.add(subject)
    if (this.#subjects.size > mostSubjects) this.end()
  }

  /**
   * Adds a change to those that the guard has to apply. Resolves once it has, or once all trust has ended that it got
   * without the change; null: there is nothing to wait for.
   */
  note (change: Change): Promise<void> | null {
    this.heard++
    const outdated = subjectsOf(change, digest => this.keySubject(digest))
      .filter(subject => subject === everything || this.#subjects.has(subject))
    if (outdated.length === 0) return null
    const isOfAll = outdated.includes(everything) || this.#waiting.length + outdated.length > mostWaiting
    this.#add(isOfAll ? startAgain : outdated)
    return this.isTrusted ? this.#untilApplied(change, this.#trustUntil) : null
  }

  /** The guard says that it has applied every change up to `position`. False: that cannot be. */
  confirm (position: number): boolean {
    if (position < this.#applied || position > this.position) return false
    this.#applied = position
    this.#waiting = this.#waiting.filter(waiting => waiting.position > position)
    this.#noteDelay(position)
    this.#settle()
    return true
  }

  /** The changes to apply, trust from now on, and what was counted elsewhere. */
  news (trustFor: number): News {
    this.lastSeen = performance.now()
    this.#trustUntil = Math.max(this.#trustUntil, this.lastSeen + trustFor)
    const changes = this.#waiting.map(({ subject }) => subject)
    return { position: this.position, changes, trustFor, ...this.counts.tell() }
  }

  /**
   * Resolves when there is a change to apply, half a second after calls were counted elsewhere, when another poll
   * begins, when the session ends, or after `ms`.
   */
  async waitForNews (ms: number): Promise<void> {
    this.#wakePoll()
    if (this.#waiting.length > 0 || this.hasEnded) return
    if (this.counts.hasUnconfirmed) this.#tellSoon()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, ms)
    this.#wakePoll = resolve
    await promise
    clearTimeout(timer)
  }

  /** No trust is added from now on; what was given still ends by itself, and changes wait for that. */
  end (): void {
    this.hasEnded = true
    this.counts.end()
    if (this.#telling !== null) clearTimeout(this.#telling)
    this.#wakePoll()
  }

  /** The guard has emptied its memory: no change waits for it any more. */
  leave (): void {
    this.#trustUntil = -Infinity
    this.end()
    this.#settle()
  }

  /** A guard that confirms just before its trust ends would delay every change by nearly that long. */
  #noteDelay (position: number): void {
    if (this.hasEnded) return
    const { patience, onLate } = this.#surroundings
    const latest = performance.now() - patience
    const longest = [...this.#delayed].find(each => each.position <= position && each.since < latest)
    if (longest !== undefined) onLate(longest.change)
  }

  #settle (): void {
    for (const { position, settle } of this.#delayed) if (this.#applied >= position || !this.isTrusted) settle()
  }

  #tellSoon (): void {
    if (this.hasEnded) return
    this.#telling ??= setTimeout(() => {
      this.#telling = null
      this.#wakePoll()
    }, tellWithin)
  }

  #add (subjects: readonly Subject[]): void {
    const added = subjects.map(subject => ({ position: ++this.position, subject }))
    this.#waiting = subjects[0] === everything ? added : [...this.#waiting, ...added]
    this.#wakePoll()
  }

  async #untilApplied (change: Change, deadline: number): Promise<void> {
    const { promise, resolve: settle } = Promise.withResolvers<void>()
    const delayed: Delayed = { change, position: this.position, since: performance.now(), settle }
    const timer = setTimeout(settle, deadline - performance.now())
    this.#delayed.add(delayed)
    await promise
    clearTimeout(timer)
    this.#delayed.delete(delayed)
    if (this.#applied >= delayed.position || this.hasEnded) return
    this.end()
    this.#surroundings.onLate(change)
  }
}
