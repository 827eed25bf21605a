import { LRUCache } from 'lru-cache'

export type Lru<T extends object> = LRUCache<string, T>

/**
 * A map of at most `most` entries, or of as much as `sizeCalculation` makes of them; those that were not asked for the
 * longest are forgotten first. Takes memory for what is in it, not for what could be.
 */
export function lru<T extends object> (
  most: number, options: Partial<LRUCache.Options<string, T, unknown>> = {}
): Lru<T> {
  return new LRUCache<string, T>(
    { sizeCalculation: () => 1, ...options, maxSize: most } as LRUCache.Options<string, T, unknown>
  )
}
