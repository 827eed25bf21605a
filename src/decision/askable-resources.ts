/** The resources that a client may ask about: those that it introspects, by each of their names. */
import type { Awaitable } from '../base/awaitable.ts'
import type { Registry } from '../domain/access/registry.ts'
import type { Client } from '../domain/credentials/client.ts'
import { normalIdentifier } from '../domain/resources/resource-identifier.ts'
import { isOfThisVersion, type Resource } from '../domain/resources/resource.ts'

/** By id, by identifier as declared, and by its normal form. */
export type AskableResources = ReadonlyMap<string, Resource>

interface Remembered { state: object, resources: AskableResources }

/** By the record of the client: it is replaced by every change of the client. */
const remembered = new WeakMap<Client, Remembered>()

/**
 * What a client may ask about. Any other name is answered alike without a look-up, so that neither the answer nor its
 * time tells whether there is such a resource. Latchkey's own endpoints cannot be asked about: they decide themselves.
 */
export function askableResources (registry: Registry, client: Client): Awaitable<AskableResources> {
  const { state } = registry
  const known = remembered.get(client)
  return known !== undefined && known.state === state ? known.resources : lookUp(registry, client, state)
}

async function lookUp (registry: Registry, client: Client, state: object | null): Promise<AskableResources> {
  const found = await Promise.all(client.introspects.map(id => registry.resource(id)))
  const resources = new Map<string, Resource>()
  for (const resource of found) {
    if (resource === null || resource.revokedAt !== null || isOfThisVersion(resource)) continue
    for (const name of [resource.id, resource.identifier, normalIdentifier(resource.identifier)]) {
      resources.set(name, resource)
    }
  }
  if (state !== null) remembered.set(client, { state, resources })
  return resources
}

/** By id, or by identifier in any spelling; null: it may not be asked about, or there is none. */
export function askableResource (resources: AskableResources, name: string): Resource | null {
  return resources.get(name) ?? resources.get(normalIdentifier(name)) ?? null
}
