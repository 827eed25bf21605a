/** Identifiers of resources for answers: records store the ids of resources. */
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

/** The identifiers of the resources with these ids, by id. */
export async function resourceNames (store: Store, ids: Iterable<string>): Promise<ReadonlyMap<string, string>> {
  const found = await resourcesById(store, ids)
  return new Map([...ids].map(id => [id, found.get(id)?.identifier ?? id]))
}

/** The identifier of a resource, and the stored scopes that it still declares. */
export function wireScopes (
  resources: ResourcesById, resourceId: string, kept: readonly string[]
): { resource: string, scopes: string[] } {
  const resource = resources.get(resourceId)
  return { resource: resource?.identifier ?? resourceId, scopes: shownScopes(kept, resource?.scopes ?? []) }
}
