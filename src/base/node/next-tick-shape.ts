/** Keeps `process.nextTick` fast for the life of the process. */
import { AsyncLocalStorage, executionAsyncResource } from 'node:async_hooks'

const kept: object[] = []

// Else the kept object would retain the async context in which the server was opened, a request's perhaps.
const outsideOfAllContexts = AsyncLocalStorage.snapshot()

/**
 * Keeps one of the objects that `process.nextTick` creates, for as long as the process runs. V8 drops their hidden
 * class when a garbage collection finds none alive; after some of these, Node's call site has seen too many classes and
 * stays slow, so that every request of this process costs up to twice as much.
 */
export function pinNextTickShape (): void {
  outsideOfAllContexts(() => { process.nextTick(() => { kept[0] = executionAsyncResource() }) })
}
