/**
 * How tests wait: for what has to happen, as long as it takes. A machine that is busy with other work is slow, not
 * wrong.
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Limits } from '../../src/storage/engine/timeouts.ts'

/**
 * Milliseconds after which what has not happened is taken never to happen. It guards against hanging, and bounds
 * nothing else.
 */
export const patience = 60_000

/** Storage is not given up because the machine is busy. For tests whose database answers as soon as it can. */
export const patientLimits: Partial<Limits> = {
  connect: patience,
  statement: patience,
  answer: patience,
  startTransaction: patience,
  turn: patience,
  transaction: patience
}

/**
 * Asks until the answer will do, with a pause of `every` milliseconds between two tries; returns the last answer, also
 * when none did within the patience: the test says what is wrong with it.
 */
export async function eventually<T> (
  ask: () => T | Promise<T>, enough: (answer: T) => boolean, every = 10
): Promise<T> {
  for (const began = performance.now(); ;) {
    const answer = await ask()
    if (enough(answer) || performance.now() - began > patience) return answer
    await pause(every)
  }
}

/** Resolves once `holds` does. @throws when it does not within the patience. */
export async function until (what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  if (!await eventually(holds, held => held)) {
    throw new Error(`it did not happen within ${patience / 1_000} seconds: ${what}`)
  }
}

/**
 * Milliseconds that `act` took the quickest time out of a few: for what is quick every time, unless the machine is
 * busy. Ends with the first time that is below `bound`.
 */
export async function quickest (bound: number, act: () => Promise<unknown>): Promise<number> {
  let least = Infinity
  for (let tries = 0; tries < 8 && least >= bound; tries++) least = Math.min(least, await timed(act))
  return least
}

/** Milliseconds that `act` took. */
export async function timed (act: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await act()
  return performance.now() - began
}
