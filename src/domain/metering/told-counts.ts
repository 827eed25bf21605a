/**
 * What a guard in another process is told of calls in a minute that were counted elsewhere than by itself: totals by
 * holder of a limit, so that no answer counts twice, whichever is lost, late or repeated.
 */

/** Holders in one answer, at most; the others are in the next. */
const mostInAnswer = 5_000

/** By holder: all calls counted elsewhere since the guard asked first, with those that the bucket held then. */
export type Totals = Readonly<Record<string, number>>

/** `counted`: the number of the answer, which the guard confirms once it has added the totals. */
export interface Told { counted: number, elsewhere: Totals }

/** The counts that one guard is told. Its session bounds them: it ends beyond a number of keys (mostSubjects). */
export class ToldCounts {
  /** Called at each count that the guard is to be told of. */
  onCounted: () => void = () => {}
  readonly #totals = new Map<string, number>()
  /** Holders of which the guard has not confirmed the total, each with the number of the first answer that has it. */
  readonly #unconfirmed = new Map<string, number>()
  #answers = 0
  #followed: CountFollowers | null = null
  #hasEnded = false

  get hasUnconfirmed (): boolean {
    return this.#unconfirmed.size > 0
  }

  /** The holders that are followed. */
  get holders (): Iterable<string> {
    return this.#totals.keys()
  }

  /** The total of a holder, which is followed from now on. `held`: the calls that its bucket holds now. */
  follow (followers: CountFollowers, holder: string, held: () => number): number {
    const known = this.#totals.get(holder)
    if (known !== undefined || this.#hasEnded) return known ?? 0
    const total = held()
    this.#totals.set(holder, total)
    this.#followed = followers
    followers.add(holder, this)
    return total
  }

  /** Adds calls counted elsewhere to the total of a holder that is followed; negative ones were given back. */
  count (holder: string, calls: number): void {
    this.#totals.set(holder, Math.max(0, (this.#totals.get(holder) ?? 0) + calls))
    this.#unconfirmed.set(holder, this.#answers + 1)
    this.onCounted()
  }

  /** The guard has added the totals of the answer with this number. */
  confirm (counted: number): void {
    for (const [holder, answer] of this.#unconfirmed) if (answer <= counted) this.#unconfirmed.delete(holder)
  }

  /** What the guard has not confirmed; null: nothing. */
  tell (): Told | null {
    if (this.#unconfirmed.size === 0) return null
    const counted = ++this.#answers
    const elsewhere: Record<string, number> = {}
    let left = mostInAnswer
    for (const holder of this.#unconfirmed.keys()) {
      if (left-- > 0) elsewhere[holder] = this.#totals.get(holder)!
      else this.#unconfirmed.set(holder, counted + 1)
    }
    return { counted, elsewhere }
  }

  /** Nothing is told any more. */
  end (): void {
    this.#hasEnded = true
    this.#followed?.remove(this)
    this.#totals.clear()
    this.#unconfirmed.clear()
  }
}

/** By holder, the guards that are told of its counts. */
export class CountFollowers {
  readonly #byHolder = new Map<string, Set<ToldCounts>>()

  add (holder: string, told: ToldCounts): void {
    const others = this.#byHolder.get(holder)
    if (others === undefined) this.#byHolder.set(holder, new Set([told]))
    else others.add(told)
  }

  remove (told: ToldCounts): void {
    for (const holder of told.holders) {
      const others = this.#byHolder.get(holder)
      others?.delete(told)
      if (others?.size === 0) this.#byHolder.delete(holder)
    }
  }

  /** Tells of calls of a holder. `by`: the guard that has counted them, which is not told; null: it was none. */
  count (holder: string, calls: number, by: ToldCounts | null): void {
    const all = this.#byHolder.get(holder)
    if (all === undefined) return
    for (const told of all) if (told !== by) told.count(holder, calls)
  }
}
