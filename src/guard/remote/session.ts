/**
 * The session of a guard with its server: follows the changes that outdate its memory, and knows until when the memory
 * may answer. docs/remote-guard.md has the rules.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Clock } from '../../base/clock.ts'
import { instant, isTrusted, never, trustedUntil, type Instant } from '../../base/trust.ts'
import { consumerIn } from '../../domain/access/facts.ts'
import type { Credential, Refusal } from '../../domain/access/principal.ts'
import { clockProblem, GuardRefused, pauseAfter, refusesGuard, type Contact } from './contact.ts'
import { Memory, type Entry } from './memory.ts'
import type { MinuteCounts } from './minute-counts.ts'
import { readEntry, readNews, readRefusal, readResource, readTotals, type ServedResource } from './read-entry.ts'
import { Unreachable, type Reply, type Transport } from './transport.ts'

/**
 * An open session. `applied`: the position up to which every change is applied; `counted`: the number of the last
 * answer whose counts are added.
 */
export interface OpenSession {
  id: string, resource: ServedResource, metadataUrl: string | null, applied: number, counted: number
}

/** A look-up under way. `next`: the one for requests that arrived since it began; null: there are none. */
interface LookUp { answer: Promise<Entry | Refusal | null>, next: Promise<Entry | Refusal | null> | null }

export interface SessionOptions {
  transport: Transport
  /** The identifier of the resource. */
  resource: string
  /** The entries that the memory holds at most. */
  most: number
  counts: MinuteCounts
  contact: Contact
  clock: Clock
}

/** Milliseconds after which a request for a look-up or a verdict has failed. */
export const answerTimeout = 2_000

/** A poll is held for a part of the lease; a server that takes longer than this has not answered. */
const pollTimeout = 10_000

const path = '/api/v1/guard/sessions'

export class Session {
  readonly #options: SessionOptions
  readonly #memory: Memory
  readonly #closing = new AbortController()
  readonly #lookups = new Map<string, LookUp>()
  /** The resource as it was last told; null: the server was never reached. */
  #resource: ServedResource | null = null
  #open: OpenSession | null = null
  #until: Instant = never
  /** The attempts to open a session, without a break up to now, that the server refused. */
  #refusals = 0
  #opened = Promise.withResolvers<void>()
  #running: Promise<void> = Promise.resolve()
  /** Called before another session is opened. */
  onReopen: (ended: OpenSession) => Promise<void> = async () => {}
  /** Called with each entry that the open session was handed. */
  onFound: (entry: Entry) => void = () => {}

  constructor (options: SessionOptions) {
    this.#options = options
    this.#memory = new Memory(options.most)
  }

  /** The open session; null: there is none. */
  get open (): OpenSession | null {
    return this.#open
  }

  /** The resource as it was last told; null: the server was never reached. */
  get resource (): ServedResource | null {
    return this.#resource
  }

  get size (): number {
    return this.#memory.size
  }

  /** Whether the memory holds nothing that was changed and acknowledged since. */
  isTrusted (): boolean {
    return isTrusted(this.#until, performance.now(), Date.now())
  }

  /** Whether the server refuses this guard: nothing is asked until another attempt to follow it was answered. */
  get isRefused (): boolean {
    return this.#refusals > 0
  }

  /** An answer refused this guard. */
  noteRefusal (): void {
    this.#refusals ||= 1
  }

  /** Follows the server until `close`. Resolves once the first session is trusted, or the first attempt has failed. */
  async start (): Promise<void> {
    this.#running = this.#run()
    await this.#opened.promise
  }

  /** The entry under a name that memory holds and may answer from; null: the server has to be asked. */
  recall (name: string): Entry | null {
    return this.isTrusted() ? this.#memory.get(name) ?? null : null
  }

  /**
   * What the server says of a credential; kept under its name if no change came in between. Null: there is no session.
   * A look-up that began before a request may have been answered before a change which that request must see: its
   * answer counts for that request only if it was kept. The requests that wait for it share one more. @throws
   * Unreachable
   */
  async lookUp (name: string, credential: Credential, address: string): Promise<Entry | Refusal | null> {
    const underWay = this.#lookups.get(name)
    if (underWay !== undefined) {
      underWay.next ??= underWay.answer.catch(() => {}).then(
        () => this.recall(name) ?? this.lookUp(name, credential, address)
      )
      return await underWay.next
    }
    const lookUp: LookUp = { answer: this.#ask(name, credential, address), next: null }
    this.#lookups.set(name, lookUp)
    try {
      return await lookUp.answer
    } finally {
      this.#lookups.delete(name)
    }
  }

  /** Ends the session: from then on no change waits for this guard. */
  async close (): Promise<void> {
    this.#until = never
    this.#closing.abort()
    const open = this.#open
    if (open !== null) await this.#leave(open)
    await this.#running
  }

  async #ask (name: string, { text, kind }: Credential, address: string): Promise<Entry | Refusal | null> {
    const open = this.#open
    if (open === null) return null
    const { status, body } = await this.#options.transport.send(
      'POST', `${path}/${open.id}/lookup`, { credential: text, kind, address }, answerTimeout, 'always'
    )
    if (hasEnded(status)) return null
    if (refusesGuard(status)) throw new GuardRefused(`The authorization server answered a look-up with ${status}.`)
    if (status !== 200) throw new Unreachable('look-up', new Error(`status ${status}`))
    if (body.refusal !== undefined) return readRefusal(body.refusal)
    const entry = readEntry(body.entry, open.resource)
    const totals = readTotals(body.elsewhere)
    if (open !== this.#open) return entry
    this.onFound(entry)
    const consumer = consumerIn(entry.facts)
    if (consumer !== null) this.#options.counts.found({ consumer, organization: entry.facts.organization! }, totals)
    // Gathered before a change that is applied already, it would bring back what the change outdated.
    if (typeof body.position === 'number' && body.position >= open.applied) this.#memory.keep(name, entry)
    return entry
  }

  async #run (): Promise<void> {
    const { signal } = this.#closing
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#openAnother()
        await this.#follow(() => { failures = 0 })
      } catch (error) {
        failures++
        this.#refusals = error instanceof GuardRefused ? this.#refusals + 1 : 0
        if (!signal.aborted) this.#options.contact.lost(error)
      }
      this.#until = never
      this.#opened.resolve()
      await sleep(pauseAfter(failures, this.#refusals), undefined, { signal }).catch(() => {})
    }
  }

  async #openAnother (): Promise<void> {
    const { transport, resource, clock, contact } = this.#options
    await this.#endFormer()
    const asked = clock()
    const { status, body, date } = await transport.send('POST', path, { resource, guard: 'node' }, answerTimeout)
    if (status !== 201) throw this.#failure('opened no session of this guard:', status, body)
    contact.noteClock(clockProblem(date, asked, clock()))
    this.#resource = readResource(body.resource)
    this.#open = {
      id: body.session,
      resource: this.#resource,
      metadataUrl: body.resource.metadata,
      applied: body.position,
      counted: 0
    }
  }

  /** A refusal stands until another answer than 429: that is what too many refused attempts get. */
  #failure (what: string, status: number, { error = '' }: Reply['body']): Error {
    const message = `The authorization server ${what} ${status} ${error}`
    return refusesGuard(status) || (this.isRefused && status === 429) ? new GuardRefused(message) : new Error(message)
  }

  /**
   * Empties the memory and the counts. Left open, the session would count among those of this client, and delay
   * changes.
   */
  async #endFormer (): Promise<void> {
    this.#memory.clear()
    this.#options.counts.clear()
    const ended = this.#open
    if (ended === null) return
    this.#open = null
    await this.onReopen(ended)
    await this.#leave(ended)
  }

  async #leave ({ id }: OpenSession): Promise<void> {
    await this.#options.transport.send('DELETE', `${path}/${id}`, null, answerTimeout, 'always').catch(() => {})
  }

  /** Polls until the session ends. @throws when the server does not answer. */
  async #follow (onAnswer: () => void): Promise<void> {
    const open = this.#open!
    let isFirst = true
    while (!this.#closing.signal.aborted) {
      const { sent, answer: { status, body } } = await this.#poll(open)
      if (hasEnded(status)) {
        // Opened again without a pause, every session would end like this one.
        if (isFirst) {
          throw new Error('The authorization server does not know the session that it opened: use one server.')
        }
        return
      }
      if (status !== 200) throw this.#failure('answered a poll with', status, body)
      onAnswer()
      isFirst = false
      const { position, changes, trustFor, told } = readNews(body)
      if (!this.#apply(open, changes)) return
      open.applied = position
      this.#options.counts.hear(told?.elsewhere ?? {})
      open.counted = told?.counted ?? open.counted
      this.#until = trustedUntil(sent, trustFor)
      this.#refusals = 0
      this.#options.contact.followed()
      this.#opened.resolve()
    }
  }

  /**
   * One poll, with the moment at which it was sent. The server may have closed a connection that was kept, and may as
   * well have ended while it held the poll: trust ends, and only another answer brings it back.
   */
  async #poll ({ id, applied, counted }: OpenSession): Promise<{ sent: Instant, answer: Reply }> {
    const poll = async () => {
      const sent = instant()
      const asked = { applied, counted }
      const answer = await this.#options.transport.send('POST', `${path}/${id}/poll`, asked, pollTimeout)
      return { sent, answer }
    }
    try {
      return await poll()
    } catch (error) {
      if (!(error instanceof Unreachable) || !error.wasStale) throw error
      this.#until = never
      return await poll()
    }
  }

  /** Whether the session goes on: it ends when its resource or the signing keys change. */
  #apply ({ resource: { organizationId } }: OpenSession, changes: readonly string[]): boolean {
    for (const subject of changes) {
      if (subject === 'everything') this.#memory.clear()
      else this.#memory.drop(subject)
    }
    const own = organizationId === null ? 'resources' : `resources:${organizationId}`
    return !changes.includes(own) && !changes.includes('signing-keys')
  }
}

/** Whether the guard is to open another session. */
function hasEnded (status: number): boolean {
  return status === 404 || status === 410
}
