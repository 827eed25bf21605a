/** Records that their creator may change and others may not: what a role says of `own` on the management API. */
import { Failure } from '../../base/errors.ts'
import type { Actor } from './actor.ts'

/** Scopes of the management API that a role may give for own records alone: the records that keep their creator. */
export const ownScopes = ['api-keys:write', 'clients:write', 'access-tokens:write'] as const
export type OwnScope = typeof ownScopes[number]

/**
 * The member that an actor is bound to changes records of other members only with the scope for all records.
 * `creatorId`: the member that the record belongs to; null: none.
 * @throws Failure `insufficient_permissions`.
 */
export function requireOwnRecord (actor: Actor, scope: OwnScope, creatorId: string | null, what: string): void {
  if (!isLimitedToOwn(actor, scope) || creatorId === actor.creator!.id) return
  refuse(actor, scope, `${what} belongs to ${creatorId === null ? 'no member' : `the member ${creatorId}`}`)
}

/** @throws Failure `insufficient_permissions` for an actor whose member has `scope` for own records alone. */
export function requireAllRecords (actor: Actor, scope: OwnScope, what: string): void {
  if (isLimitedToOwn(actor, scope)) refuse(actor, scope, `${what} takes ${scope} for all records`)
}

/** Scopes that an actor's member has for own records alone. */
export function ownScopesOf (actor: Actor): OwnScope[] {
  return ownScopes.filter(scope => isLimitedToOwn(actor, scope))
}

function isLimitedToOwn ({ creator }: Actor, scope: OwnScope): boolean {
  return creator !== null && creator.own.includes(scope)
}

function refuse ({ creator }: Actor, scope: OwnScope, why: string): never {
  throw new Failure('insufficient_permissions', {
    message: `${why}; the member ${creator!.id} that your credential is bound to has ${scope} for their own records ` +
      'alone. Ask an owner or an admin of the organization.',
    details: { requiredScopes: [scope], creator: creator!.id }
  })
}
