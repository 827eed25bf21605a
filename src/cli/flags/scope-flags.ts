/** The scopes that a resource declares, on the command line: a name, and a description after a colon and a space. */
import type { Option } from 'commander'
import { scopeOption } from '../command.ts'

export interface DeclaredScope { name: string, keyOnly?: boolean, description?: string | null }

/** `--scope`, once per scope. `more`: what else its text may have. */
export function declaredScopeOption (more = ''): Option {
  return scopeOption(`a scope, as name or "name: description"; repeat it for several${more}`)
}

/** No name has a space (RFC 6749 §3.3), so that the first ": " ends it. */
export function readDeclaredScope (text: string): DeclaredScope {
  const end = text.indexOf(': ')
  return end === -1 ? { name: text } : { name: text.slice(0, end), description: text.slice(end + 2).trim() }
}

/** The scopes that replace others: one that is named without a description keeps its own. */
export function keepingDescriptions (
  scopes: readonly DeclaredScope[], before: readonly DeclaredScope[]
): DeclaredScope[] {
  return scopes.map(scope => {
    const description = scope.description ?? before.find(({ name }) => name === scope.name)?.description
    return description ? { ...scope, description } : scope
  })
}
