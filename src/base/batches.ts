/** Work over any number of rows in short batches; between two of them the event loop serves requests. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Awaitable } from './awaitable.ts'

/** Repeats `work`, which returns how many rows it handled, until these are fewer than `size` or `signal` aborts. */
export async function inBatches (
  size: number, work: (size: number) => Promise<number>, signal?: AbortSignal
): Promise<void> {
  while (signal?.aborted !== true && await work(size) === size) await nextTurn()
}

/** All rows in the order of `keyOf`, `size` at a time. `read` returns those after a key, the lowest first. */
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
