/** A caller that makes changes, one request at a time, and enters the acknowledged ones into the journal. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Dice } from './dice.ts'
import type { Journal, Look } from './journal.ts'
import type { Answered, World } from './world.ts'

/** A change to request, and the claims to check afterwards. */
export interface Change {
  kind: string
  ask (world: World): Promise<Answered>
  /** The states of known subjects once it is done. */
  turns?: readonly (readonly [subject: string, value: string])[]
  /** Enters the new claims once it is acknowledged. */
  then? (answer: Answered): void
  /** Whether this refusal is allowed. */
  mayBeRefused? (answer: Answered): boolean
}

/** Shared by all callers. */
export interface Stage {
  world: World
  journal: Journal
  dice: Dice
  /** Reports an answer that the server should not have given. */
  wrong (what: string): void
}

/** The most subjects of a kind that a caller keeps; the others stay in the journal, unchanged. */
export const most = 12

export abstract class Caller {
  protected readonly stage: Stage
  readonly #name: string
  #made = 0

  constructor (stage: Stage, name: string) {
    this.stage = stage
    this.#name = name
  }

  /** Makes one change. @returns whether there was an answer. */
  protected abstract act (): Promise<boolean>

  /** Makes changes until `over` returns true. */
  async work (over: () => boolean): Promise<void> {
    while (!over()) {
      const answered = await this.act()
      // No server, or a 503: retry a little later, as a real caller would.
      if (!answered) await pause(10)
    }
  }

  /** @returns whether there was an answer. */
  protected async change ({ kind, ask, turns = [], then, mayBeRefused }: Change): Promise<boolean> {
    const { world, journal, wrong } = this.stage
    for (const [subject, value] of turns) journal.doubt(subject, value)
    const answer = await ask(world).catch(() => null)
    if (answer === null || answer.status === 503) {
      journal.unanswered++
      return false
    }
    if (answer.status >= 300) {
      if (mayBeRefused?.(answer) !== true) wrong(`${kind} was answered by ${answer.status} ${answer.text}`)
      return true
    }
    journal.acknowledge(kind)
    for (const [subject, value] of turns) journal.settle(kind, subject, value)
    then?.(answer)
    return true
  }

  protected expect (kind: string, subject: string, value: string, look: Look): void {
    this.stage.journal.expect(kind, subject, value, look)
  }

  protected newName (): string {
    return `${this.#name} ${++this.#made}`
  }

  /**
   * Takes one out of the list; a caller puts it back after an answer only. So a subject with an unanswered change is
   * not changed again.
   */
  protected take<T> (from: T[]): T | null {
    return from.length === 0 ? null : from.splice(this.stage.dice.number(from.length), 1)[0]!
  }

  protected keep<T> (among: T[], one: T): void {
    if (among.length < most) among.push(one)
  }
}

/** A member of the answer of the management API under a path; the status if it is not 200. */
export function memberOf (path: string, member: string): Look {
  return async world => {
    const { status, json } = await world.admin('GET', path)
    return String(status === 200 ? json[member] : status)
  }
}

/** The status of the guard's answer to a credential. */
export function guardedWith (headers: Record<string, string>): Look {
  return async world => String((await world.send({ path: '/paid/look', headers })).status)
}
