/** The lease of one server: whether its cache may answer, and whether changes wait for it. */
import { instant, isTrusted, never, trustedUntil, type Instant } from '../../base/trust.ts'

export class CacheLease {
  #duration: number
  /** Until when the cache may be used. */
  #until: Instant = never
  /** Until when this server is certainly registered, whether or not its cache may be used. */
  #registeredUntil: Instant = never
  /** When the last poll was sent of which everything is applied. */
  #applied = -Infinity
  /** Polls that were sent up to this instant do not renew the lease. */
  #invalidated = -Infinity
  #endedAt = performance.now()

  constructor (duration: number) {
    this.#duration = duration
  }

  /** Milliseconds. */
  get duration (): number {
    return this.#duration
  }

  /** Adopts the lease of the servers that are there already. */
  adopt (duration: number): void {
    this.#duration = duration
  }

  /** The lease of all registered servers, in milliseconds. Null: as far as this server knows, it is not registered. */
  get sharedDuration (): number | null {
    return isTrusted(this.#registeredUntil, performance.now(), Date.now()) ? this.#duration : null
  }

  /** Whether the cache holds nothing that was changed and acknowledged since. Called at every look-up. */
  isValid (): boolean {
    return isTrusted(this.#until, performance.now(), Date.now())
  }

  /** Milliseconds for which the cache may be used without another renewal; 0: it may not. */
  get remaining (): number {
    const { monotonic, wall } = this.#until
    return Math.max(0, Math.min(monotonic - performance.now(), wall - Date.now()))
  }

  /** How long the cache has been unusable, in milliseconds. */
  get invalidFor (): number {
    return this.isValid() ? 0 : performance.now() - Math.max(this.#endedAt, this.#until.monotonic)
  }

  /** A poll was answered: when it was sent, this server was registered. */
  confirmRegistration (sent: Instant): void {
    this.#registeredUntil = trustedUntil(sent, this.#duration)
  }

  /** Everything is applied that a poll returned. */
  renew (sent: Instant): void {
    this.#applied = sent.monotonic
    if (sent.monotonic > this.#invalidated) this.#until = trustedUntil(sent, this.#duration)
  }

  /** Whether everything is applied that a poll returned which was sent at an instant or later. */
  hasAppliedSince (monotonic: number): boolean {
    return this.#applied >= monotonic
  }

  /** Makes the cache unusable until the next renewal. */
  end (): void {
    if (this.isValid()) this.#endedAt = performance.now()
    this.#until = never
  }

  /** Polls that were sent up to an instant no longer renew the lease. */
  ignorePollsUntil (monotonic: number): void {
    this.#invalidated = Math.max(this.#invalidated, monotonic)
  }

  /** Only a poll that is sent from now on makes the cache usable again. */
  invalidate (): void {
    this.ignorePollsUntil(instant().monotonic)
    this.end()
  }

  /** Makes the cache unusable for good. */
  close (): void {
    this.ignorePollsUntil(Infinity)
    this.end()
  }

  /** To be called before this server deregisters: from then on changes do not wait for its cache. */
  deregister (): void {
    this.end()
    this.#registeredUntil = never
  }
}
