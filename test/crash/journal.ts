/**
 * What the server has told its callers, kept in the memory of this process, out of reach of every crash: for each thing
 * that was acknowledged a claim of how it looks from now on, and how to look.
 */
import type { World } from './world.ts'

/** Looks at one thing as it is now. */
export type Look = (world: World) => Promise<string>

interface Claim {
  /** What was acknowledged: `key revoked`. */
  kind: string
  look: Look
  /**
   * How it may look. More than one while a change of it was asked for and not answered: then it is there or it is not.
   */
  allowed: Set<string>
}

export class Journal {
  /** Acknowledged writes by kind. */
  readonly acknowledged = new Map<string, number>()
  /** Requests that nobody answered, or that were answered by 503: done or not. */
  unanswered = 0
  readonly #claims = new Map<string, Claim>()
  /** The claims that nobody has looked at since something was acknowledged about them. */
  readonly #fresh = new Set<string>()

  acknowledge (kind: string): void {
    this.acknowledged.set(kind, (this.acknowledged.get(kind) ?? 0) + 1)
  }

  /** From now on `subject` looks like `value`. */
  expect (kind: string, subject: string, value: string, look: Look): void {
    this.#claims.set(subject, { kind, look, allowed: new Set([value]) })
    this.#fresh.add(subject)
  }

  /** A change is asked for: until it is answered, `subject` looks as before or like `value`. */
  doubt (subject: string, value: string): void {
    this.#claims.get(subject)?.allowed.add(value)
    this.#fresh.add(subject)
  }

  /** The change was acknowledged. */
  settle (kind: string, subject: string, value: string): void {
    const claim = this.#claims.get(subject)
    if (claim === undefined) return
    claim.kind = kind
    claim.allowed = new Set([value])
  }

  /**
   * The subjects to look at: all that is fresh, and `others` of the rest by the choice of `pick`; all of them:
   * Infinity.
   */
  due (others: number, pick: (below: number) => number): string[] {
    const rest = [...this.#claims.keys()].filter(subject => !this.#fresh.has(subject))
    if (others === Infinity) return [...this.#fresh, ...rest]
    const chosen = new Set(Array.from({ length: Math.min(others, rest.length) }, () => rest[pick(rest.length)]!))
    return [...this.#fresh, ...chosen]
  }

  /** Looks at a subject. Returns what is wrong; null: it is as it may be, and has to stay as it is. */
  async check (subject: string, world: World): Promise<string | null> {
    const claim = this.#claims.get(subject)!
    const seen = await claim.look(world)
    this.#fresh.delete(subject)
    if (!claim.allowed.has(seen)) {
      // Told once.
      this.#claims.delete(subject)
      return `${claim.kind}: ${subject} should look like ${[...claim.allowed].join(' or ')}, and looks like ${seen}`
    }
    claim.allowed = new Set([seen])
    return null
  }
}
