/** What binds a credential besides its scopes: from where, until when and on which objects it works. */
import { isAllowed, rangeStarts } from '../../base/ip-address.ts'
import { Failure } from '../../base/errors.ts'
import type { Actor, Restrictions } from '../core/actor.ts'
import { managementResourceId, type Resource } from '../resources/resource.ts'

/**
 * What acts on the management API is bound at least like the credential that makes it, changes it or is told its
 * secret: otherwise a credential would shake off its own allowlist and its own end. Credentials for other resources are
 * what the organization manages; they are bound as whoever makes them says. @throws Failure `insufficient_permissions`.
 */
export function requireRestrictionsWithin ({ restrictions }: Actor, resource: Resource, given: Restrictions): void {
  if (restrictions === null || resource.id !== managementResourceId) return
  const { allowlist, expiresAt, objects = {} } = restrictions
  if (!isWithin(given.allowlist, allowlist)) {
    refuse(`works from ${allowlist.join(', ')} alone`, 'from no other address', {
      field: 'allowlist', allowlist: [...allowlist]
    })
  }
  if (expiresAt !== null && (given.expiresAt === null || given.expiresAt > expiresAt)) {
    refuse(`ends at ${expiresAt.toISOString()}`, 'no longer', {
      field: 'expiresAt', expiresAt: expiresAt.toISOString()
    })
  }
  const wider = Object.keys(objects).find(type => !isPartOf(given.objects?.[type], objects[type]!))
  if (wider !== undefined) {
    refuse(`is restricted to some ${wider}`, 'on no others', { field: 'objects', objects: { [wider]: objects[wider] } })
  }
}

/** Whether every address that `allowlist` lets pass is one that `bound` lets pass too. */
function isWithin (allowlist: readonly string[], bound: readonly string[]): boolean {
  // Within a stretch between the ends of two ranges every address is like every other.
  return bound.length === 0 ||
    rangeStarts([...allowlist, ...bound]).every(address => !isAllowed(address, allowlist) || isAllowed(address, bound))
}

function isPartOf (ids: readonly string[] | undefined, bound: readonly string[]): boolean {
  return ids !== undefined && ids.every(id => bound.includes(id))
}

function refuse (is: string, how: string, details: Record<string, unknown>): never {
  throw new Failure('insufficient_permissions', {
    message:
      `Your credential ${is}; itself, and what it makes, changes, raises or rotates for the management API, works ` +
        `${how}.`,
    details
  })
}
