import { AsyncLocalStorage, executionAsyncResource } from 'node:async_hooks'

const kept: object[] = []

// Else what is kept would keep what whoever opens a server, in a request perhaps, has put there.
const outsideOfAllContexts = AsyncLocalStorage.snapshot()

/**
 * Keeps one of the objects that `process.nextTick` makes, for as long as the process runs: with the last of them V8
 * would forget their shape. After some collections in which none happens to be alive, Node has made them in so many
 * shapes that it makes every one slowly from then on, and every request of this process costs up to twice as much.
 */
export function pinNextTickShape (): void {
  outsideOfAllContexts(() => { process.nextTick(() => { kept[0] = executionAsyncResource() }) })
}
