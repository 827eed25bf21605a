/** Bounded caches: the least recently used entries are evicted. */
import { LRUCache } from 'lru-cache'

export type Lru<T extends object> = LRUCache<string, T>

/**
 * A cache of at most `most` entries, or of a total size of `most` by `sizeCalculation`. Bounded by `maxSize` and not by
 * `max`, which would allocate memory for every possible entry at once.
 */
export function lru<T extends object> (
  most: number, options: Partial<LRUCache.Options<string, T, unknown>> = {}
): Lru<T> {
  return new LRUCache<string, T>(
    { sizeCalculation: () => 1, ...options, maxSize: most } as LRUCache.Options<string, T, unknown>
  )
}
