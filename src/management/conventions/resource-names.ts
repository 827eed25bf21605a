/** What is kept by the ids of resources is told in their words. */
import type { Resource } from '../../domain/resources/resource.ts'
import { shownScopes } from '../../domain/resources/scope.ts'
import type { Store } from '../../domain/store.ts'

/** The resources with these ids, by id. */
export type ResourcesById = ReadonlyMap<string, Resource>

export async function resourcesById (store: Store, ids: Iterable<string>): Promise<ResourcesById> {
  const found = new Map<string, Resource>()
  for (const id of new Set(ids)) {
    const resource = await store.resources.get(id)
    if (resource !== null) found.set(id, resource)
  }
  return found
}

/** The names of the resources with these ids. */
export async function resourceNames (store: Store, ids: Iterable<string>): Promise<ReadonlyMap<string, string>> {
  const found = await resourcesById(store, ids)
  return new Map([...ids].map(id => [id, found.get(id)?.identifier ?? id]))
}

/** A resource by its identifier, and those of the scopes that something keeps of it which it still declares. */
export function wireScopes (
  resources: ResourcesById, resourceId: string, kept: readonly string[]
): { resource: string, scopes: string[] } {
  const resource = resources.get(resourceId)
  return { resource: resource?.identifier ?? resourceId, scopes: shownScopes(kept, resource?.scopes ?? []) }
}
