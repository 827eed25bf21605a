import { executionAsyncResource } from 'node:async_hooks'

const kept: object[] = []
let keeping: NodeJS.Timeout | undefined

/**
 * Keeps one of the objects that `process.nextTick` makes, for as long as the process runs: with the last of them V8 would
 * forget their shape. After some collections in which none happens to be alive, Node has made them in so many shapes that it makes
 * every one slowly from then on, and every request of this process costs up to twice as much.
 */
export function keepTickShape (): void {
  keepOne()
  // Another one every second: they change their shape when the numbers that Node gives them, some for each request, outgrow 31 bits.
  keeping ??= setInterval(keepOne, 1_000).unref()
}

function keepOne (): void {
  process.nextTick(() => { kept[0] = executionAsyncResource() })
}
