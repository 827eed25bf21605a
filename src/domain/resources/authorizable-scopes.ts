/** The scopes of a resource that a member may allow a client, whatever they may do themselves. */
import { managementResourceId, type Resource } from './resource.ts'
import { isReadOnly, type Scope } from './scope.ts'

/**
 * Those that tokens carry. On the management API: those that the deployment offers, its default scopes, and of them no
 * other than for reading; without any offer none, and tokens that were issued under one have none either.
 */
export function authorizableScopes (
  { id, scopes, defaultScopes }: Pick<Resource, 'id' | 'scopes' | 'defaultScopes'>
): Scope[] {
  const carried = scopes.filter(({ keyOnly }) => !keyOnly)
  return id === managementResourceId
    ? carried.filter(({ name }) => isReadOnly(name) && defaultScopes.includes(name))
    : carried
}
