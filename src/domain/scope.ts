import { Failure } from '../errors.ts'

/** What a caller may do on a resource, `invoices:read` say (RFC 6749 §3.3). */
export interface Scope {
  name: string
  /** An API-key-only scope can never be granted to an OAuth client. */
  keyOnly: boolean
  description: string | null
}

const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/

/** Whether a text is a scope-token of RFC 6749 §3.3, of at most 128 characters. */
export function isScopeToken (text: string): boolean {
  return scopeToken.test(text)
}

/**
 * Whether a text is a scope or a pattern of scopes: `invoices:*` (everything on one type), `*:read` (one action on every
 * type) or `*`. An asterisk anywhere else is an ordinary character.
 */
export function isScopePattern (text: string): boolean {
  return isScopeToken(text)
}

/** Whether a pattern, or a scope as its own pattern, covers a scope. */
export function covers (pattern: string, scope: string): boolean {
  if (pattern === scope || pattern === '*') return true
  const [type, action] = halves(scope)
  const [patternType, patternAction] = halves(pattern)
  if (action === null || patternAction === null) return false
  return (patternType === '*' && patternAction === action) || (patternAction === '*' && patternType === type)
}

/**
 * Of `wanted`, the patterns that stand for something that whoever holds `held` has not, on whatever resource. An
 * API-key-only scope, one of the names in `keyOnly`, is had by its own name alone.
 */
export function patternsBeyond (held: readonly string[], wanted: readonly string[], keyOnly: ReadonlySet<string>): string[] {
  return wanted.filter(pattern => !held.includes(pattern) && (keyOnly.has(pattern) || !held.some(each => coversPattern(each, pattern))))
}

/** As a pattern `*:*` covers nothing, so it must not cover the asterisk of another. */
function coversPattern (pattern: string, wanted: string): boolean {
  return pattern !== '*:*' && covers(pattern, wanted)
}

/**
 * The declared scopes that `patterns` cover. An API-key-only scope is never covered by a pattern, only by its own name:
 * nobody comes by one who was not given it deliberately.
 */
export function expand (patterns: readonly string[], declared: readonly Scope[]): string[] {
  return declared
    .filter(({ name, keyOnly }) => patterns.some(pattern => keyOnly ? pattern === name : covers(pattern, name)))
    .map(({ name }) => name)
}

/** Whether a scope lets its holder look and nothing more: its action is `read`. */
export function isReadOnly (scope: string): boolean {
  return halves(scope)[1] === 'read'
}

/** `type:action`; the action is null where there is no colon. */
function halves (scope: string): [type: string, action: string | null] {
  const colon = scope.lastIndexOf(':')
  return colon === -1 ? [scope, null] : [scope.slice(0, colon), scope.slice(colon + 1)]
}

/** The scopes of a space-delimited list, each once, in their order. */
export function splitScope (scope: string): string[] {
  return [...new Set(scope.split(' ').filter(name => name !== ''))]
}

/** Refuses names that `declared` does not have. Returns them without repetitions. */
export function requireDeclared (names: readonly string[], declared: readonly Scope[], resource: string): string[] {
  for (const name of names) {
    if (!declared.some(scope => scope.name === name)) {
      throw new Failure('unknown_scope', {
        message: `The resource ${resource} does not declare the scope ${JSON.stringify(name)}; it declares: ${declared.map(scope => scope.name).join(' ') || 'none'}.`,
        details: { field: 'scopes', scope: name, resource },
      })
    }
  }
  return [...new Set(names)]
}

/** As `requireDeclared`, for API keys: a pattern passes when it covers something that is declared. */
export function requireDeclaredPatterns (patterns: readonly string[], declared: readonly Scope[], resource: string): string[] {
  const wanted = [...new Set(patterns)]
  requireDeclared(wanted.filter(pattern => expand([pattern], declared).length === 0), declared, resource)
  return wanted
}

/** As `requireDeclared`, for OAuth clients: refuses API-key-only scopes too (LB-14). */
export function requireGrantable (names: readonly string[], declared: readonly Scope[], resource: string): string[] {
  const wanted = requireDeclared(names, declared, resource)
  for (const name of wanted) {
    if (isKeyOnly(name, declared)) {
      throw new Failure('scope_api_key_only', {
        message: `The scope ${JSON.stringify(name)} of ${resource} is API-key only: no OAuth client can be granted it. Create an API key instead.`,
        details: { field: 'scopes', scope: name, resource },
      })
    }
  }
  return wanted
}

/** Of `names`, those that `declared` still has and that a token may carry: the last word on what is granted. */
export function grantableNow (names: readonly string[], declared: readonly Scope[]): string[] {
  return names.filter(name => declared.some(scope => scope.name === name && !scope.keyOnly))
}

function isKeyOnly (name: string, declared: readonly Scope[]): boolean {
  return declared.some(scope => scope.name === name && scope.keyOnly)
}
