/** The basis of a simulation: a queue of events in the order of time, and seeded random numbers. */

export type Random = () => number

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function random (seed: number): Random {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Happening { at: number, order: number, act: () => void }

/** A heap of future events, the next one on top. */
export class Schedule {
  now = 0
  readonly #heap: Happening[] = []
  #order = 0

  after (delay: number, act: () => void): void {
    const heap = this.#heap
    heap.push({ at: this.now + delay, order: this.#order++, act })
    for (let i = heap.length - 1; i > 0;) {
      const above = (i - 1) >> 1
      if (!isBefore(heap[i]!, heap[above]!)) break
      ;[heap[i], heap[above]] = [heap[above]!, heap[i]!]
      i = above
    }
  }

  /** Runs the next event. @throws if there is none. */
  step (): void {
    const heap = this.#heap
    const next = heap[0]!
    const last = heap.pop()!
    if (heap.length > 0) {
      heap[0] = last
      this.#sink()
    }
    this.now = next.at
    next.act()
  }

  #sink (): void {
    const heap = this.#heap
    for (let i = 0; ;) {
      const [left, right] = [2 * i + 1, 2 * i + 2]
      let least = i
      if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left
      if (right < heap.length && isBefore(heap[right]!, heap[least]!)) least = right
      if (least === i) return
      ;[heap[i], heap[least]] = [heap[least]!, heap[i]!]
      i = least
    }
  }
}

function isBefore (one: Happening, other: Happening): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
