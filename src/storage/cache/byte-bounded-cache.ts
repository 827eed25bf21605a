/** LRU caches, bounded by estimated bytes. */
import { LRUCache } from 'lru-cache'
import { getHeapStatistics } from 'node:v8'

export type ByteBoundedCache<T extends object> = LRUCache<string, T>

/** Bytes for all caches together: half of the heap limit. Raise it by `NODE_OPTIONS=--max-old-space-size=…`. */
const budget = getHeapStatistics().heap_size_limit / 2

/** Bytes of a record beside its text: its shape, its entry in the tables, and the values derived from it in use. */
const overhead = 600

/** A cache for records of one kind, up to `share` of the budget; evicts the least recently used. */
export function byteBoundedCache<T extends object> (share: number): ByteBoundedCache<T> {
  return new LRUCache<string, T>({ maxSize: Math.floor(budget * share), sizeCalculation: bytesOf })
}

/** The estimated size of a record; too high where it shares parts with others. */
function bytesOf (record: object): number {
  return overhead + weightOf(record)
}

/** The length of a text; of an object, the weight of its values and a word for each. */
function weightOf (value: unknown): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 0
  let weight = 0
  const parts = value instanceof Map ? value.values() : Object.values(value)
  for (const part of parts) weight += 8 + weightOf(part)
  return weight
}
