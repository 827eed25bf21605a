/** The scopes of a resource that access tokens carry: those that its metadata and its challenges name. */
import type { Resource } from './resource.ts'

export interface TokenScopes {
  /** Names of the declared scopes, without API-key-only ones. */
  tokenScopes: readonly string[]
  /** Of these, the ones that a client of an MCP server asks for at first; empty: it is none, or has no such scopes. */
  initialScopes: readonly string[]
}

export function tokenScopesOf (
  { scopes, kind, defaultScopes }: Pick<Resource, 'scopes' | 'kind' | 'defaultScopes'>
): TokenScopes {
  const tokenScopes = scopes.filter(scope => !scope.keyOnly).map(scope => scope.name)
  return { tokenScopes, initialScopes: kind === 'mcp' ? defaultScopes.filter(name => tokenScopes.includes(name)) : [] }
}
