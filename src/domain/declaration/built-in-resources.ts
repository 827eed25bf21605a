/** The resources that each deployment has: the host itself, the management API, and userinfo. */
import type { ClientGenerations } from '../resources/resource.ts'
import { isDeepStrictEqual } from 'util'
import type { Clock } from '../../base/clock.ts'
import { auditEvent } from '../audit/event.ts'
import { systemActor } from '../core/actor.ts'
import { auditDetail, defaultTokenLifetime, isOfThisVersion, type Resource } from '../resources/resource.ts'
import { takeIdentifier } from './resource-declaration.ts'
import { declared } from './scope-declaration.ts'
import { defaultAlgorithm } from '../tokens/signing-key.ts'
import type { Scope } from '../resources/scope.ts'
import type { ResourcePort } from '../resources/resource.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Transactional } from '../core/operation.ts'

export const builtInDefaults = {
  organizationId: null,
  tokenLifetime: defaultTokenLifetime,
  signingAlgorithm: defaultAlgorithm,
  kind: 'api',
  defaultScopes: [],
  mostCredits: 0,
  title: null,
  description: null,
  version: '1.0.0',
  revokedAt: null,
  revision: 1
} as const

/** A built-in resource, as this version and its configuration have it. */
export type Seed = Pick<Resource, 'id' | 'identifier' | 'name' | 'scopes' | 'style'> &
  Partial<Pick<Resource, 'defaultScopes'>>

/**
 * Creates the built-in resources, or moves them to the present issuer. Called at every start. A resource that has such
 * an identifier already gives it up: otherwise an organization could keep a deployment from moving there.
 */
export async function seedResources (
  store: Transactional<AuditPort & ClientGenerations & ResourcePort>, clock: Clock, seeds: readonly Seed[]
): Promise<void> {
  const present = await Promise.all(seeds.map(({ id }) => store.resources.get(id)))
  if (seeds.every((seed, i) => isSeeded(seed, present[i]!))) return
  await store.transaction(async (tx) => {
    for (const seed of seeds) {
      const present = await tx.resources.get(seed.id)
      const holder = await tx.resources.byIdentifier(seed.identifier)
      if (holder !== null && holder.id !== seed.id) await takeIdentifier(tx, systemActor, holder, clock())
      if (present === null) {
        const resource: Resource = { ...builtInDefaults, ...seed, createdAt: clock() }
        await tx.resources.insert(resource)
        await tx.audit.append(auditEvent(systemActor, resource.createdAt, 'resource.created', auditDetail(resource)))
      } else if (!isSeeded(seed, present)) {
        const own = isOfThisVersion(seed)
          ? {
              name: seed.name,
              scopes: await declared(tx, systemActor, present, seed.scopes),
              style: seed.style,
              defaultScopes: seed.defaultScopes ?? []
            }
          : {}
        await tx.resources.update({ ...present, identifier: seed.identifier, ...own })
      }
    }
  })
}

/**
 * The resources of Latchkey's own endpoints are this version's; of the host's an operator may have changed everything
 * but the identifier.
 */
export function isSeeded (seed: Seed, present: Resource | null): boolean {
  if (present?.identifier !== seed.identifier) return false
  return !isOfThisVersion(seed) || isDeepStrictEqual(
    [present.name, present.scopes.map(withoutReference), present.style, present.defaultScopes],
    [seed.name, seed.scopes, seed.style, seed.defaultScopes ?? []]
  )
}

export function withoutReference ({ name, keyOnly, description }: Scope): Scope {
  return { name, keyOnly, description }
}
