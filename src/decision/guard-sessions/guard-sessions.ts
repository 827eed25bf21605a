/** The sessions of all remote guards on this server: opened, told of every change, and counted out when too late. */
import { setTimeout as sleep } from 'node:timers/promises'
import { Failure } from '../../base/errors.ts'
import type { Awaitable } from '../../base/awaitable.ts'
import { lru } from '../../base/lru.ts'
import { newMarks } from '../../secrets/authentication-code.ts'
import { newId } from '../../secrets/random.ts'
import type { Change } from '../../storage/cache/changes.ts'
import type { Storage } from '../../storage/storage.ts'
import { GuardSession, type News } from './guard-session.ts'
import { subjectsOf } from './subjects.ts'

/** Sessions that one client may have open. */
const mostOfClient = 32

/** Milliseconds in which a client is held to what its guards delayed. */
const memoryOfLateness = 60_000

/** Changes that the guards at one address, and those of one client, may delay in that time before they get no trust. */
const mostLate = { ofAddress: 2, ofClient: 6 }

/** The part of the lease for which a change may wait for a guard before it counts as delayed. */
const patience = 1 / 2

/** Sessions that a server may have open. */
const mostSessions = 10_000

export interface GuardSessionsOptions {
  /** Milliseconds for which an answer may be trusted. */
  lease: number
  /** Milliseconds for which this server may use its own cache. */
  trustedFor (): number
  /** Milliseconds from now for which guards may trust an earlier server: changes wait until then. */
  earlierTrust: number
  /** Notes the lease for a later server, once, before any guard is given trust. @throws when it cannot be noted. */
  noteTrust (milliseconds: number): void
}

type FollowedStorage =
  Pick<Storage, 'subscribe' | 'whenUntrusted' | 'trustedFor' | 'earlierTrust' | 'noteTrust'>

/** The changes that were delayed, and when. */
interface Late { at: readonly { change: Change, time: number }[] }

/** The sessions on a server with this storage: told of each change, and that everything may have changed. */
export function followStorage (storage: FollowedStorage, lease: number): GuardSessions {
  const sessions = new GuardSessions({ ...storage, lease })
  storage.subscribe(change => sessions.onChange(change))
  storage.whenUntrusted(() => sessions.onChange({ of: 'everything' }))
  return sessions
}

export class GuardSessions {
  readonly lease: number
  readonly #trustedFor: () => number
  readonly #sessions = new Map<string, GuardSession>()
  readonly #late = lru<Late>(10_000)
  readonly #mark = newMarks()
  readonly #earlierUntil: number
  #noteTrust: (milliseconds: number) => void
  #isClosed = false

  constructor ({ lease, trustedFor, earlierTrust, noteTrust }: GuardSessionsOptions) {
    this.lease = lease
    this.#earlierUntil = performance.now() + earlierTrust
    this.#noteTrust = noteTrust
    this.#trustedFor = trustedFor
  }

  /** The number of sessions of which the guard may answer from memory. */
  get trusted (): number {
    return [...this.#sessions.values()].filter(({ isTrusted }) => isTrusted).length
  }

  /** @throws Failure `too_many_requests` when the client, or all clients, have as many as there may be. */
  open (clientId: string, resourceId: string, address: string): GuardSession {
    this.#forgetAbandoned()
    const own = [...this.#sessions.values()].filter(session => session.clientId === clientId && !session.hasEnded)
    if (own.length >= mostOfClient || this.#sessions.size >= mostSessions) {
      throw new Failure('too_many_requests', {
        message: `This client has ${own.length} sessions of guards open, and ${mostOfClient} are the most; end those ` +
          'that are not in use with DELETE, or give each deployment a client of its own.'
      })
    }
    const session = new GuardSession({ id: newId('gds'), clientId, resourceId, address }, {
      mark: this.#mark,
      patience: patience * this.lease,
      onLate: change => { this.#noteLate(session, change) }
    })
    this.#sessions.set(session.id, session)
    return session
  }

  /** The open session of a client. @throws Failure `not_found`, also for another client's; `session_ended`. */
  require (id: string, clientId: string): GuardSession {
    const session = this.#sessions.get(id)
    if (session === undefined || session.clientId !== clientId) {
      throw new Failure('not_found', { message: 'This server has no such session of a guard; open another one.' })
    }
    session.lastSeen = performance.now()
    return session
  }

  /** The answer to a poll of a session that has confirmed what it applied. */
  async poll (session: GuardSession): Promise<News> {
    // The first answer is the first trust: it is not held.
    if (session.wasPolled) await session.waitForNews(this.lease / 4)
    if (this.#isClosed) throw new Failure('shutting_down')
    return session.news(session.hasEnded ? 0 : this.#trustFor(session))
  }

  /** Milliseconds for which an answer that is given now may be trusted: no longer than this server trusts itself. */
  #trustFor ({ clientId, address }: GuardSession): number {
    if (
      this.#lateness(clientId) >= mostLate.ofClient || this.#lateness(`${clientId} ${address}`) >= mostLate.ofAddress
    ) return 0
    const trustFor = Math.floor(Math.min(this.lease, this.#trustedFor()))
    // What is noted has to hold for the earlier trust as well: that ends first.
    if (trustFor <= 0 || performance.now() < this.#earlierUntil) return 0
    this.#noteTrust(this.lease)
    this.#noteTrust = () => {}
    return trustFor
  }

  /** Takes a session out: its guard has emptied its memory. */
  leave (session: GuardSession): void {
    session.leave()
    this.#sessions.delete(session.id)
  }

  /** Resolves once every guard has applied a change, or has no trust left that was given without it. */
  onChange (change: Change): Awaitable<void> {
    const waits: Promise<void>[] = []
    for (const session of this.#sessions.values()) {
      const wait = session.note(change)
      if (wait !== null) waits.push(wait)
    }
    const left = this.#earlierUntil - performance.now()
    if (left > 0 && subjectsOf(change, digest => digest).length > 0) waits.push(sleep(Math.ceil(left)))
    return waits.length === 0 ? undefined : Promise.all(waits).then(() => {})
  }

  /** Answers the polls that are held. Trust that was given ends by itself. */
  close (): void {
    this.#isClosed = true
    for (const session of this.#sessions.values()) session.end()
  }

  /** A change that several guards delay is one: they may stand still together, on one machine. */
  #noteLate ({ clientId, address }: GuardSession, change: Change): void {
    for (const name of [clientId, `${clientId} ${address}`]) {
      const at = this.#late.get(name)?.at ?? []
      if (at.some(each => each.change === change)) continue
      this.#late.set(name, { at: [...at, { change, time: performance.now() }].slice(-mostLate.ofClient) })
    }
  }

  #lateness (name: string): number {
    const since = performance.now() - memoryOfLateness
    return (this.#late.get(name)?.at ?? []).filter(({ time }) => time > since).length
  }

  /** A guard that does not poll has no trust; after a minute its session is forgotten. */
  #forgetAbandoned (): void {
    for (const session of this.#sessions.values()) {
      if (performance.now() - session.lastSeen > memoryOfLateness) {
        session.end()
        this.#sessions.delete(session.id)
      }
    }
  }
}
