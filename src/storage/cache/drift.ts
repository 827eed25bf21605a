/** Finds cache drift: the differences between the cache and the database. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import type { Awaitable } from '../../base/awaitable.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { Difference } from '../../domain/maintenance/drift.ts'
import type { PolicySet } from '../../domain/policy/policy-evaluation.ts'
import type { ByteBoundedCache } from './byte-bounded-cache.ts'
import type { ImportedKey } from './imported-keys.ts'
import type { NegativeFacts, NegativeSets } from './negative-facts.ts'
import { RevokedSet } from './revoked-set.ts'

/** One of the caches, and the source of its records. */
export interface RecordCache {
  kind: Difference['kind']
  records: Pick<ByteBoundedCache<object>, 'size'> & {
    clear(): void, peek(key: string): object | undefined, entries(): Iterable<[string, object]>
  }
  load(key: string): Awaitable<object | null>
}

/** The negative facts that are cached now: a reload replaces them meanwhile. */
export type CachedSets = () => NegativeSets

/** Resolves once every change that was committed before the call is applied. */
export type CatchUp = () => Promise<void>

/** Records compared at a time. */
const batch = 100

export async function recordDifferences (caches: readonly RecordCache[], catchUp: CatchUp): Promise<Difference[]> {
  const differences: Difference[] = []
  for (const cache of caches) {
    const entries = [...cache.records.entries()]
    for (let i = 0; i < entries.length; i += batch) {
      const found = await Promise.all(
        entries.slice(i, i + batch).map(([key, cached]) => compare(cache, key, cached, catchUp))
      )
      differences.push(...found.filter(each => each !== null))
      // Synchronous reads would block the event loop.
      await nextTurn()
    }
  }
  // A credential is cached by its digest and by its id; it is reported once.
  return [...new Map(differences.map(difference => [JSON.stringify(difference), difference])).values()]
}

export async function revokedDifferences (
  cached: CachedSets, negatives: NegativeFacts, source: Registry, catchUp: CatchUp
): Promise<Difference[]> {
  const differenceOf = (id: string, difference: Difference['difference']): Difference => ({
    kind: 'revoked_token', id, difference, fields: []
  })
  const notCached: string[] = []
  const stored = new RevokedSet()
  for await (const page of negatives.revoked()) {
    for (const { jti, expiresAt } of page) {
      stored.add(jti, expiresAt)
      if (!cached().revoked.has(jti)) notCached.push(jti)
    }
  }
  await catchUp()
  const differences = notCached.filter(jti => !cached().revoked.has(jti)).map(jti => differenceOf(jti, 'not_held'))
  for await (const page of cached().revoked.pages()) {
    for (const jti of page) {
      // A token that was revoked during the reading is in the database by now.
      if (!stored.has(jti) && cached().revoked.has(jti) && !await source.isTokenRevoked(jti)) {
        differences.push(differenceOf(jti, 'gone'))
      }
    }
  }
  return differences
}

/** The imported keys missing in the cache. A removed one is reported by the cache of keys, if it is there. */
export async function importedDifferences (
  cached: CachedSets, negatives: NegativeFacts, source: Registry, catchUp: CatchUp
): Promise<Difference[]> {
  if (negatives.imported === null) return []
  const isNotCached = ({ digest, resourceId }: ImportedKey) => cached().imported?.has(digest, resourceId) === false
  const notCached: ImportedKey[] = []
  for await (const page of negatives.imported()) notCached.push(...page.filter(isNotCached))
  await catchUp()
  const keys = await Promise.all(
    notCached.filter(isNotCached).map(({ digest, resourceId }) => source.importedApiKey(digest, resourceId))
  )
  return keys.flatMap(key => key === null ? [] : { kind: 'api_key', id: key.id, difference: 'not_held', fields: [] })
}

/** Null: the cached record equals the stored one, or is no longer cached. */
async function compare (
  { kind, records, load }: RecordCache, key: string, cached: object, catchUp: CatchUp
): Promise<Difference | null> {
  const stored = await load(key)
  await catchUp()
  // A change during the comparison has evicted it.
  if (records.peek(key) !== cached) return null
  const id = kind === 'policies' || kind === 'signing_keys' ? key : (cached as { id: string }).id
  if (stored === null) return { kind, id, difference: 'gone', fields: [] }
  const fields = changedIn(kind, cached, stored)
  return fields.length === 0 ? null : { kind, id, difference: 'changed', fields }
}

function changedIn (kind: Difference['kind'], cached: object, stored: object): string[] {
  switch (kind) {
    case 'policies':
      return changedIds(byId(cached as PolicySet), byId(stored as PolicySet))
    case 'signing_keys':
      return changedIds(cached as ReadonlyMap<string, object>, stored as ReadonlyMap<string, object>)
    default:
      return changedFields(cached, stored)
  }
}

/** Ignores `lastUsedAt`, which is written without a change of the cache and which no check reads. */
function changedFields (cached: object, stored: object): string[] {
  const [one, other] = [cached, stored] as [Record<string, unknown>, Record<string, unknown>]
  return Object.keys({ ...one, ...other }).filter(name =>
    name !== 'lastUsedAt' && !isDeepStrictEqual(one[name], other[name])
  )
}

function byId ({ policies }: PolicySet): ReadonlyMap<string, object> {
  return new Map(policies.map(policy => [policy.id, policy]))
}

function changedIds (one: ReadonlyMap<string, object>, other: ReadonlyMap<string, object>): string[] {
  return [...new Set([...one.keys(), ...other.keys()])].filter(id => !isDeepStrictEqual(one.get(id), other.get(id)))
}
