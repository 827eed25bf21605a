/** The bounded memory of records: by bytes, so that it takes what it needs and not what it might. */
import { LRUCache } from 'lru-cache'
import { getHeapStatistics } from 'node:v8'

export type ByteBoundedCache<T extends object> = LRUCache<string, T>

/**
 * What all records together may take, in bytes: half of what the process may. More:
 * `NODE_OPTIONS=--max-old-space-size=…`.
 */
const budget = getHeapStatistics().heap_size_limit / 2

/**
 * What a record takes besides its own text: its shape, its place in the tables, and what is made of it when it is used.
 */
const fixed = 600

/**
 * Memory for records of one kind, up to `share` of all that is there for records; those that were not asked for the
 * longest are let go of first.
 */
export function byteBoundedCache<T extends object> (share: number): ByteBoundedCache<T> {
  return new LRUCache<string, T>({ maxSize: Math.floor(budget * share), sizeCalculation: bytesOf })
}

/** About as many bytes as a record takes; more than it does where it has parts in common with others. */
function bytesOf (record: object): number {
  return fixed + weightOf(record)
}

/** Of texts, what they are long; of everything else, what is in it, and a word for each. */
function weightOf (value: unknown): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null) return 0
  let weight = 0
  const parts = value instanceof Map ? value.values() : Object.values(value)
  for (const part of parts) weight += 8 + weightOf(part)
  return weight
}
