/** How tests wait: for an event, as long as it takes. A busy machine is slow, not wrong. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Limits } from '../../src/storage/engine/timeouts.ts'

/** Milliseconds after which an event is considered missing. It guards against hanging, and bounds nothing else. */
export const patience = 60_000

/** Storage timeouts that a busy machine does not reach. For tests whose database always answers. */
export const patientLimits: Partial<Limits> = {
  connect: patience,
  statement: patience,
  answer: patience,
  startTransaction: patience,
  turn: patience,
  transaction: patience
}

/**
 * Asks until the answer is acceptable, every `every` milliseconds; returns the last answer, also when none was
 * acceptable within the patience: the test says what is wrong with it.
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

/** Resolves once `holds` returns true. @throws when it does not within the patience. */
export async function until (what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  if (!await eventually(holds, held => held)) {
    throw new Error(`it did not happen within ${patience / 1_000} seconds: ${what}`)
  }
}

/**
 * Milliseconds of the fastest of a few runs of `act`: for an operation that is fast unless the machine is busy. Ends
 * with the first run below `bound`.
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

/**
 * Milliseconds of the fastest of `runs` runs of `act`, which does not wait: other work only ever adds time. By the
 * clock: the CPU time of a thread is counted in ticks of up to 10 ms on some kernels.
 */
export function leastTime (runs: number, act: () => unknown): number {
  let least = Infinity
  for (let i = 0; i < runs; i++) {
    const began = performance.now()
    act()
    least = Math.min(least, performance.now() - began)
  }
  return least
}
