/** The resource that a guard protects, as it is at each request. */
import type { Awaitable } from '../base/awaitable.ts'
import type { Registry } from '../domain/access/registry.ts'
import { hostResourceId, managementResourceId, type Resource } from '../domain/resources/resource.ts'
import { resourceMetadataUrl } from '../domain/resources/resource-metadata.ts'
import type { Style } from '../domain/resources/style.ts'
import { tokenScopesOf } from '../domain/resources/token-scopes.ts'
import type { Environment } from '../secrets/credential-text.ts'
import { challengeScopes, type Challenged, type TokenNeeds } from './refusal/challenge.ts'

/** The identifier of the resource that the routes belong to; `any`: every resource of this deployment. */
export type GuardedOption = string | { any: true, style: Style }

/** The resource as it is now, looked up at every request; null: any. */
export interface GuardedResource {
  /** The one environment that is served; null: both. */
  environment: Environment | null
  /** Whether the break-glass token is taken: by the management API, and where any resource will do. */
  takesAdminToken: boolean
  current (): Awaitable<Resource | null>
  style (resource: Resource | null): Style
  /** Of the resource as it was last found: nothing is looked up. */
  latestStyle (): Style
  /** The resource as it was last found; null: any. */
  latest (): Resource | null
  /** What the challenge of a route names. */
  challenged (resource: Resource | null, needs: TokenNeeds): Awaitable<Challenged>
}

/** @throws when there is no such resource: a guard without one has nothing to check for. */
export async function guardedResource (
  registry: Registry, option: GuardedOption, environment: Environment | null
): Promise<GuardedResource> {
  if (typeof option !== 'string') {
    return {
      environment,
      takesAdminToken: true,
      current: () => null,
      style: () => option.style,
      latestStyle: () => option.style,
      latest: () => null,
      challenged: async () => {
        const host = await registry.resource(hostResourceId)
        return { metadataUrl: resourceMetadataUrl(host!.identifier), scopes: [] }
      },
    }
  }
  const found = await registry.resourceByIdentifier(option)
  if (found === null) {
    throw new Error(
      `There is no resource ${option} to guard; create it first: latchkey resource create ${option} --scope …`
    )
  }
  /** What was found when the registry was in this state. */
  let known: { state: object | null, resource: Resource } = { state: null, resource: found }
  const look = async (state: object | null): Promise<Resource> => {
    const resource = await registry.resource(found.id)
    if (resource !== null) known = { state, resource }
    return resource ?? found
  }
  return {
    environment,
    takesAdminToken: found.id === managementResourceId,
    current () {
      const { state } = registry
      return state !== null && state === known.state ? known.resource : look(state)
    },
    style: resource => (resource ?? found).style,
    latestStyle: () => known.resource.style,
    latest: () => known.resource,
    challenged: (resource, needs) => challengedBy(resource ?? found, needs),
  }
}

/** What the challenge of a route of this resource names. */
export function challengedBy (resource: Resource, needs: TokenNeeds): Challenged {
  return {
    metadataUrl: resourceMetadataUrl(resource.identifier), scopes: challengeScopes(tokenScopesOf(resource), needs)
  }
}
