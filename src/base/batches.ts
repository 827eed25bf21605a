/** Work over any number of rows, in batches: each is short, and between two of them everybody else gets a turn. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Awaitable } from './awaitable.ts'

/**
 * Does `work` again and again until it finds less to do than `size`, the most that it does at a time, and returns how
 * much; or until it is to stop.
 */
export async function inBatches (
  size: number, work: (size: number) => Promise<number>, signal?: AbortSignal
): Promise<void> {
  while (signal?.aborted !== true && await work(size) === size) await nextTurn()
}

/** All rows in the order of `keyOf`, `size` at a time: `read` finds those behind a key, the lowest first. */
export async function * inPages<Row> (
  size: number, keyOf: (row: Row) => string, read: (after: string, size: number) => Awaitable<Row[]>
): AsyncGenerator<Row[]> {
  for (let after = ''; ; await nextTurn()) {
    const rows = await read(after, size)
    yield rows
    if (rows.length < size) return
    after = keyOf(rows.at(-1)!)
  }
}
