/** Seeded random choices: the same seed gives the same ones. */
export interface Dice {
  /** From 0 up to, not including, `below`. */
  number (below: number): number
  pick<T> (from: readonly T[]): T
}

/** Mulberry32. */
export function newDice (seed: number): Dice {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  return {
    number: below => Math.floor(next() * below),
    pick: from => from[Math.floor(next() * from.length)]!,
  }
}
