/** Calls that a guard admitted from memory, reported to its server once a second and counted there once. */
import { consumerIn } from '../../domain/access/facts.ts'
import { repeatedly, type RepeatedJob } from '../../telemetry/background.ts'
import { dayAround } from '../../domain/core/calendar.ts'
import { answerTimeout, type OpenSession, type Session } from './session.ts'
import type { Transport } from './transport.ts'

/** `key`: the id of a consumer. */
interface Report { session: string, sequence: number, entries: { key: string, calls: number, day: string }[] }

/** Entries of one report. */
const mostEntries = 500

/** Consumers whose calls wait for a session that has asked about them; beyond it their calls are not counted. */
const mostWaiting = 100_000

export class UsageReporter {
  readonly #session: Session
  readonly #transport: Transport
  readonly #job: RepeatedJob
  /** By day, then by consumer. */
  #counted = new Map<string, Map<string, number>>()
  /** The consumers that the open session has asked about. */
  #known = new Set<string>()
  #sequence = 0
  #today = { starts: 0, ends: 0, day: '' }
  #unanswered: Report | null = null

  constructor (session: Session, transport: Transport, onError: (error: unknown) => void, intervalMs = 1_000) {
    this.#session = session
    this.#transport = transport
    this.#job = repeatedly(intervalMs, () => this.flush(), onError)
    session.onReopen = async ended => { await this.#onReopen(ended) }
    session.onFound = ({ facts }) => {
      const consumer = consumerIn(facts)
      if (consumer !== null) this.#known.add(consumer.id)
    }
  }

  start (): void {
    this.#job.start()
  }

  count (consumer: string, now: Date): void {
    const time = now.getTime()
    if (time < this.#today.starts || time >= this.#today.ends) this.#today = dayAround(now)
    this.#add(this.#today.day, consumer, 1)
  }

  /** Reports what was counted. What cannot be reported is kept. */
  async flush (): Promise<void> {
    const open = this.#session.open
    if (open === null) return
    this.#unanswered ??= this.#nextReport(open)
    if (this.#unanswered !== null) await this.#send(this.#unanswered)
  }

  async stop (): Promise<void> {
    await this.#job.stop()
    await this.flush().catch(() => {})
  }

  async #send ({ session, sequence, entries }: Report): Promise<void> {
    const { status, body } = await this.#transport.send(
      'POST', `/api/v1/guard/sessions/${session}/usage`, { sequence, entries }, answerTimeout, 'always'
    )
    if (status >= 500 || status === 401 || status === 429) return
    // Answered, or refused for good: sent again it would be refused again.
    this.#unanswered = null
    if (status !== 204) throw new Error(`The authorization server refused a report of usage: ${status} ${body.error}`)
  }

  /** A session has ended: its last report is settled with it, and the next session counts from 1. */
  async #onReopen (ended: OpenSession): Promise<void> {
    this.#unanswered ??= this.#nextReport(ended)
    if (this.#unanswered !== null) await this.#send(this.#unanswered).catch(() => {})
    // It may have been counted although its answer was lost, and nothing is counted twice.
    this.#unanswered = null
    this.#known = new Set()
    this.#sequence = 0
  }

  #nextReport ({ id }: OpenSession): Report | null {
    const entries: Report['entries'] = []
    for (const [day, counts] of this.#counted) {
      for (const [consumer, calls] of counts) {
        if (entries.length === mostEntries) break
        if (!this.#known.has(consumer)) continue
        entries.push({ key: consumer, calls, day })
        counts.delete(consumer)
      }
      if (counts.size === 0) this.#counted.delete(day)
    }
    return entries.length === 0 ? null : { session: id, sequence: ++this.#sequence, entries }
  }

  #add (day: string, consumer: string, calls: number): void {
    let counts = this.#counted.get(day)
    if (counts === undefined) this.#counted.set(day, counts = new Map())
    if (counts.size < mostWaiting || counts.has(consumer)) counts.set(consumer, (counts.get(consumer) ?? 0) + calls)
  }
}
