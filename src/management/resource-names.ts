import type { Store } from '../domain/store.ts'

/** What is kept by id is told by identifier: the names of the resources with these ids. */
export async function resourceNames (store: Store, ids: Iterable<string>): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>()
  for (const id of new Set(ids)) names.set(id, (await store.resources.get(id))?.identifier ?? id)
  return names
}
