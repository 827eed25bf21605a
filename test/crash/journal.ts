/**
 * The journal of acknowledged changes, kept in the memory of this process, out of reach of a crash: a claim for each
 * subject with its expected state, and how to read that state.
 */
import type { World } from './world.ts'

/** Reads the present state of a subject. */
export type Look = (world: World) => Promise<string>

interface Claim {
  /** The acknowledged change: `key revoked`. */
  kind: string
  look: Look
  /** The allowed states. More than one while a change was requested and not answered: it may or may not be done. */
  allowed: Set<string>
}

export class Journal {
  /** Acknowledged writes by kind. */
  readonly acknowledged = new Map<string, number>()
  /** Requests without an answer, or answered by 503: done or not. */
  unanswered = 0
  readonly #claims = new Map<string, Claim>()
  /** Claims that were not checked since a change of theirs was acknowledged. */
  readonly #fresh = new Set<string>()

  acknowledge (kind: string): void {
    this.acknowledged.set(kind, (this.acknowledged.get(kind) ?? 0) + 1)
  }

  /** From now on the state of `subject` is `value`. */
  expect (kind: string, subject: string, value: string, look: Look): void {
    this.#claims.set(subject, { kind, look, allowed: new Set([value]) })
    this.#fresh.add(subject)
  }

  /** A change is requested: until it is answered, `subject` has its old state or `value`. */
  doubt (subject: string, value: string): void {
    const claim = this.#claims.get(subject)
    if (claim === undefined) return
    claim.allowed.add(value)
    this.#fresh.add(subject)
  }

  /** The change was acknowledged. */
  settle (kind: string, subject: string, value: string): void {
    const claim = this.#claims.get(subject)
    if (claim === undefined) return
    claim.kind = kind
    claim.allowed = new Set([value])
  }

  /** The subjects to check: all fresh ones, and `others` of the rest by the choice of `pick`; Infinity: all. */
  due (others: number, pick: (below: number) => number): string[] {
    const rest = [...this.#claims.keys()].filter(subject => !this.#fresh.has(subject))
    if (others === Infinity) return [...this.#fresh, ...rest]
    const chosen = new Set(Array.from({ length: Math.min(others, rest.length) }, () => rest[pick(rest.length)]!))
    return [...this.#fresh, ...chosen]
  }

  /** Checks a subject. Returns the fault; null: its state is allowed, and is the expected one from now on. */
  async check (subject: string, world: World): Promise<string | null> {
    const claim = this.#claims.get(subject)!
    const seen = await claim.look(world)
    this.#fresh.delete(subject)
    if (!claim.allowed.has(seen)) {
      // Reported once.
      this.#claims.delete(subject)
      return `${claim.kind}: ${subject} should look like ${[...claim.allowed].join(' or ')}, and looks like ${seen}`
    }
    claim.allowed = new Set([seen])
    return null
  }
}
