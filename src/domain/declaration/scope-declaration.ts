/** The scopes that a resource declares: new ones, kept ones, and those that clients get by default. */
import { Failure } from '../../base/errors.ts'
import type { Actor } from '../core/actor.ts'
import { requireDelegable, requireOpenedHeld } from '../members/delegation.ts'
import type { Resource } from '../resources/resource.ts'
import {
  type Scope, isScopeToken, namesOf, newReference, readsAsPattern, requireGrantable
} from '../resources/scope.ts'
import type { ResourcePort } from '../resources/resource.ts'

/** An API-key-only scope gets a reference of its own: members may have been given its name before it was declared. */
export function asFirstDeclared (scope: Scope): Scope {
  return scope.keyOnly ? { ...scope, reference: newReference(scope.name) } : scope
}

/**
 * The scopes of a resource after a change. A kept scope stays the same; one that is declared again is a new one, so
 * that a reference to the one before does not give it. Removed scopes are remembered for that.
 */
export async function declared (
  tx: ResourcePort, actor: Actor, before: Resource, scopes: readonly Scope[]
): Promise<Scope[]> {
  const added = scopes.filter(({ name }) => !before.scopes.some(held => held.name === name))
  const retired = added.length === 0 ? [] : await tx.resources.retiredScopes(before.id, added.map(({ name }) => name))
  const gone = before.scopes.filter(held => !scopes.some(({ name }) => name === held.name))
  if (gone.length > 0) await tx.resources.retireScopes(before.id, gone)
  requireOpenedHeld(actor, [...before.scopes, ...retired], scopes)
  return scopes.map(scope => {
    const held = before.scopes.find(({ name }) => name === scope.name)
    if (held !== undefined) return { ...scope, ...(held.reference === undefined ? {} : { reference: held.reference }) }
    return retired.some(({ name }) => name === scope.name)
      ? { ...scope, reference: newReference(scope.name) }
      : asFirstDeclared(scope)
  })
}

/**
 * Default scopes: clients that register from now on get them, so those that are added are handed on.
 * @throws Failure `insufficient_permissions`, `unknown_scope`, `scope_api_key_only`.
 */
export function requireDefaults (
  actor: Actor,
  { id, identifier, scopes, defaultScopes }: Pick<Resource, 'id' | 'identifier' | 'scopes' | 'defaultScopes'>,
  names: readonly string[]
): string[] {
  const wanted = requireGrantable(names, scopes, identifier)
  requireDelegable(
    actor, { id, scopes }, requireGrantable(names.filter(name => !defaultScopes.includes(name)), scopes, identifier)
  )
  return namesOf(wanted)
}

export function stillGrantable (names: readonly string[], scopes: readonly Scope[]): string[] {
  return names.filter(name => scopes.some(scope => scope.name === name && !scope.keyOnly))
}

export function requireScopes (scopes: readonly Scope[]): Scope[] {
  const byName = new Map<string, Scope>()
  for (const scope of scopes) {
    if (!isScopeToken(scope.name)) {
      throw new Failure('invalid_request', {
        message:
          `${JSON.stringify(scope.name.slice(0, 64))} cannot be a scope: use visible ASCII without space, quote or ` +
          'backslash, at most 128 characters (RFC 6749 §3.3).',
        details: { field: 'scopes' }
      })
    }
    if (readsAsPattern(scope.name)) {
      throw new Failure('invalid_request', {
        message:
          `${JSON.stringify(scope.name)} cannot be a scope: it reads as a pattern of scopes. Use a name without an ` +
          'asterisk before or behind its last colon.',
        details: { field: 'scopes' }
      })
    }
    if (byName.has(scope.name)) {
      throw new Failure('invalid_request', {
        message: `The scope ${scope.name} is named twice.`, details: { field: 'scopes' }
      })
    }
    byName.set(scope.name, { name: scope.name, keyOnly: scope.keyOnly, description: scope.description })
  }
  return [...byName.values()]
}
