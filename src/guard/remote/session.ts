/**
 * The session of a guard with its server: follows the changes that outdate its memory, and knows until when the memory
 * may answer. docs/remote-guard.md has the rules.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { instant, isTrusted, never, trustedUntil, type Instant } from '../../base/trust.ts'
import type { Credential, Refusal } from '../../domain/access/principal.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import { Memory, type Entry } from './memory.ts'
import { readEntry, readResource } from './read-entry.ts'
import { Unreachable, type Reply, type Transport } from './transport.ts'

/** An open session. `applied`: the position up to which every change is applied. */
export interface OpenSession { id: string, resource: Resource, metadataUrl: string | null, applied: number }

export interface SessionOptions {
  transport: Transport
  /** The identifier of the resource. */
  resource: string
  /** The entries that the memory holds at most. */
  most: number
  /** Told of every failure to follow the server. */
  onError: (error: unknown) => void
}

/** Milliseconds after which a request for a look-up or a verdict has failed. */
export const answerTimeout = 2_000

/** A poll is held for a part of the lease; a server that takes longer than this has not answered. */
const pollTimeout = 10_000

/** The longest pause between two attempts to reach the server, in milliseconds. */
const longestPause = 2_000

const path = '/api/v1/guard/sessions'

export class Session {
  readonly #options: SessionOptions
  readonly #memory: Memory
  readonly #closing = new AbortController()
  readonly #lookups = new Map<string, Promise<Entry | Refusal>>()
  /** The resource as it was last told; null: the server was never reached. */
  #resource: Resource | null = null
  #open: OpenSession | null = null
  #until: Instant = never
  #opened = Promise.withResolvers<void>()
  #running: Promise<void> = Promise.resolve()
  /** Called before another session is opened. */
  onReopen: (ended: OpenSession) => Promise<void> = async () => {}

  constructor (options: SessionOptions) {
    this.#options = options
    this.#memory = new Memory(options.most)
  }

  /** The open session; null: there is none. */
  get open (): OpenSession | null {
    return this.#open
  }

  /** The resource as it was last told; null: the server was never reached. */
  get resource (): Resource | null {
    return this.#resource
  }

  get size (): number {
    return this.#memory.size
  }

  /** Whether the memory holds nothing that was changed and acknowledged since. */
  isTrusted (): boolean {
    return isTrusted(this.#until, performance.now(), Date.now())
  }

  /** Follows the server until `close`. Resolves once the first session is trusted, or the first attempt has failed. */
  async start (): Promise<void> {
    this.#running = this.#run()
    await this.#opened.promise
  }

  /** The entry of a credential that memory holds and may answer from; null: the server has to be asked. */
  recall (digest: string): Entry | null {
    return this.isTrusted() ? this.#memory.get(digest) ?? null : null
  }

  /**
   * What the server says of a credential; kept if no change came in between. Requests for one credential share a
   * look-up, if what it found is kept: else it may be from before a change that was acknowledged before the later
   * request. @throws Unreachable
   */
  async lookUp (digest: string, credential: Credential, address: string): Promise<Entry | Refusal> {
    const underWay = this.#lookups.get(digest)
    if (underWay !== undefined) {
      await underWay.catch(() => {})
      const kept = this.recall(digest)
      if (kept !== null) return kept
    }
    const lookup = this.#ask(digest, credential, address)
    this.#lookups.set(digest, lookup)
    try {
      return await lookup
    } finally {
      if (this.#lookups.get(digest) === lookup) this.#lookups.delete(digest)
    }
  }

  /** Ends the session: from then on no change waits for this guard. */
  async close (): Promise<void> {
    this.#until = never
    this.#closing.abort()
    if (this.#open !== null) await this.#end(this.#open)
    await this.#running
  }

  async #ask (digest: string, { text, kind }: Credential, address: string): Promise<Entry | Refusal> {
    const open = this.#open
    if (open === null) throw new Unreachable('look-up', new Error('there is no session'))
    const { status, body } = await this.#options.transport.send(
      'POST', `${path}/${open.id}/lookup`, { credential: text, kind, address }, answerTimeout
    )
    if (status !== 200) throw new Unreachable('look-up', new Error(`status ${status}`))
    if (body.refusal !== undefined) return body.refusal as Refusal
    const entry = readEntry(body.entry, open.resource)
    // Gathered before a change that is applied already, it would bring back what the change outdated.
    if (open === this.#open && typeof body.position === 'number' && body.position >= open.applied) {
      this.#memory.keep(digest, entry)
    }
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
        if (!signal.aborted) this.#options.onError(error)
      }
      this.#until = never
      this.#opened.resolve()
      const pause = failures === 0 ? 0 : Math.random() * Math.min(longestPause, 50 * 2 ** failures)
      await sleep(pause, undefined, { signal }).catch(() => {})
    }
  }

  async #end ({ id }: OpenSession): Promise<void> {
    await this.#options.transport.send('DELETE', `${path}/${id}`, null, answerTimeout).catch(() => {})
  }

  async #openAnother (): Promise<void> {
    const { transport, resource } = this.#options
    const ended = this.#open
    if (ended !== null) await this.onReopen(ended)
    this.#open = null
    this.#memory.clear()
    if (ended !== null) await this.#end(ended)
    const { status, body } = await transport.send('POST', path, { resource, guard: 'node' }, answerTimeout)
    if (status !== 201) {
      throw new Error(`The authorization server opened no session of this guard: ${status} ${body.error ?? ''}`)
    }
    this.#resource = readResource(body.resource)
    this.#open = {
      id: body.session, resource: this.#resource, metadataUrl: body.resource.metadata, applied: body.position
    }
  }

  /** Polls until the session ends. @throws when the server does not answer. */
  async #follow (onAnswer: () => void): Promise<void> {
    const open = this.#open!
    while (!this.#closing.signal.aborted) {
      const sent = instant()
      const { status, body } = await this.#poll(open, open.applied)
      // 404, 410: it is to open another one.
      if (status === 404 || status === 410) return
      if (status !== 200) throw new Error(`The authorization server answered a poll with ${status} ${body.error ?? ''}`)
      onAnswer()
      const { position, changes, trustFor } = readNews(body)
      if (!this.#apply(open, changes)) {
        this.#until = never
        // Applied: the memory is emptied. No change waits until another session is open.
        this.#poll(open, position).catch(() => {})
        return
      }
      open.applied = position
      this.#until = trustedUntil(sent, trustFor)
      this.#opened.resolve()
    }
  }

  async #poll ({ id }: OpenSession, applied: number): Promise<Reply> {
    return await this.#options.transport.send('POST', `${path}/${id}/poll`, { applied }, pollTimeout)
  }

  /** Whether the session goes on: it ends when its resource or the signing keys change. */
  #apply ({ resource: { organizationId } }: OpenSession, changes: readonly string[]): boolean {
    for (const subject of changes) {
      if (subject === 'everything') this.#memory.clear()
      else this.#memory.drop(subject)
    }
    const own = organizationId === null ? 'resources' : `resources:${organizationId}`
    if (!changes.includes(own) && !changes.includes('signing-keys')) return true
    this.#memory.clear()
    return false
  }
}

/** The answer to a poll. @throws TypeError for one that is none: the guard must not go by it. */
function readNews ({ position, changes, trustFor }: Record<string, unknown>): {
  position: number, changes: readonly string[], trustFor: number
} {
  if (
    !Number.isSafeInteger(position) || !Array.isArray(changes) || typeof trustFor !== 'number' || !(trustFor >= 0)
  ) throw new TypeError('The authorization server answered a poll with something else than news.')
  return { position: position as number, changes: changes as string[], trustFor }
}
