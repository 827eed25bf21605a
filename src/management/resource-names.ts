import type { Store } from '../domain/store.ts'

/** The identifiers by which people know resources, by id; each is looked up once. */
export async function resourceNames (store: Store, ids: Iterable<string>): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>()
  for (const id of new Set(ids)) names.set(id, (await store.resources.get(id))?.identifier ?? id)
  return names
}
