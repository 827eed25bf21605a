import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'

/** What a caller may do on a resource, `invoices:read` say (RFC 6749 §3.3). */
export interface Scope {
  name: string
  /** An API-key-only scope can never be granted to an OAuth client. */
  keyOnly: boolean
  description: string | null
  /**
   * What credentials, members and groups keep of it instead of its name; absent: its name. Set where the name was or
   * may have been given before this scope was declared: who had that has not this one. Never told outside.
   */
  reference?: string
}

/** What is kept of a scope by whatever is given it. */
export function referenceOf ({ name, reference }: Scope): string {
  return reference ?? name
}

/** A reference that nothing has been given yet. No scope has a space in its name (RFC 6749 §3.3). */
export function newReference (name: string): string {
  return `${name} ${newId('scp')}`
}

/** What people read where a reference or a pattern is kept. */
export function nameOf (kept: string): string {
  return kept.split(' ', 1)[0]!
}

/** As `nameOf`, each name once. */
export function namesOf (kept: readonly string[]): string[] {
  return [...new Set(kept.map(nameOf))]
}

const scopeToken = /^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/

/** Whether a text is a scope-token of RFC 6749 §3.3, of at most 128 characters. */
export function isScopeToken (text: string): boolean {
  return scopeToken.test(text)
}

/**
 * Whether a text is a scope or a pattern of scopes: `invoices:*` (everything on one type), `*:read` (one action on
 * every type) or `*`. An asterisk anywhere else is an ordinary character.
 */
export function isScopePattern (text: string): boolean {
  return isScopeToken(text)
}

/** Whether a text stands for several scopes when it is read as a pattern: no scope is named so. */
export function readsAsPattern (text: string): boolean {
  const [type, action] = halves(text)
  return text === '*' || (action !== null && (type === '*' || action === '*'))
}

/** Whether a pattern, or a name as its own pattern, covers a name. */
export function covers (pattern: string, name: string): boolean {
  return pattern === name || coversOthers(pattern, name)
}

/** Whether one of `patterns` covers a name, as `covers` has it, however many there are. */
export function coverage (patterns: readonly string[]): (name: string) => boolean {
  const all = new Set(patterns)
  return name => {
    if (all.has('*') || all.has(name)) return true
    const [type, action] = halves(name)
    return action !== null && (all.has(`*:${action}`) || all.has(`${type}:*`))
  }
}

/** Of `patterns` and references, the first that stands for a scope. An API-key-only scope takes its own reference. */
export function coveringPattern (patterns: readonly string[], scope: Scope): string | undefined {
  const reference = referenceOf(scope)
  const isOwn = (pattern: string) => pattern === reference && !readsAsPattern(pattern)
  return patterns.find(pattern => isOwn(pattern) || (!scope.keyOnly && coversOthers(pattern, scope.name)))
}

function coversOthers (pattern: string, scope: string): boolean {
  if (pattern === '*') return true
  const [type, action] = halves(scope)
  const [patternType, patternAction] = halves(pattern)
  if (action === null || patternAction === null) return false
  return (patternType === '*' && patternAction === action) || (patternAction === '*' && patternType === type)
}

/**
 * Of `wanted`, the patterns and references that stand for something that whoever holds `held` has not, on whatever
 * resource. An API-key-only scope, one of the references in `keyOnly`, is had by its own reference alone.
 */
export function patternsBeyond (
  held: readonly string[], wanted: readonly string[], keyOnly: ReadonlySet<string>
): string[] {
  return wanted.filter(pattern =>
    !held.includes(pattern) && (keyOnly.has(pattern) || !held.some(each => coversPattern(each, pattern)))
  )
}

/** As a pattern `*:*` covers nothing, so it must not cover the asterisk of another. */
function coversPattern (pattern: string, wanted: string): boolean {
  return pattern !== '*:*' && coversOthers(pattern, nameOf(wanted))
}

/**
 * The names of the declared scopes that `patterns` and references cover. An API-key-only scope is never covered by a
 * pattern, only by its own reference: nobody comes by one who was not given it deliberately.
 */
export function expand (patterns: readonly string[], declared: readonly Scope[]): string[] {
  return declared.filter(scope => coveringPattern(patterns, scope) !== undefined).map(({ name }) => name)
}

/**
 * What a credential shows that keeps these on a resource that declares those: its patterns, and the names of the scopes
 * that it still has.
 */
export function shownScopes (kept: readonly string[], declared: readonly Scope[]): string[] {
  return namesOf(kept.filter(each => readsAsPattern(each) || declared.some(scope => referenceOf(scope) === each)))
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

/** Refuses names that `declared` does not have. Returns their scopes, each once. */
function requireDeclared (names: readonly string[], declared: readonly Scope[], resource: string): Scope[] {
  return [...new Set(names)].map(name => {
    const found = readsAsPattern(name) ? undefined : declared.find(scope => scope.name === name)
    if (found === undefined) {
      throw new Failure('unknown_scope', {
        message: `The resource ${resource} does not declare the scope ${JSON.stringify(name)}; it declares: ${
          declared.map(scope => scope.name).join(' ') || 'none'
        }.`,
        details: { field: 'scopes', scope: name, resource }
      })
    }
    return found
  })
}

/**
 * What an API key keeps of names and patterns. @throws Failure `unknown_scope` for a name that `declared` does not
 * have, and for a pattern that covers nothing of it.
 */
export function requireDeclaredPatterns (
  patterns: readonly string[], declared: readonly Scope[], resource: string
): string[] {
  return [...new Set(patterns)].map(pattern =>
    readsAsPattern(pattern) && expand([pattern], declared).length > 0
      ? pattern
      : referenceOf(requireDeclared([pattern], declared, resource)[0]!))
}

/** What an OAuth client keeps of names. @throws Failure `unknown_scope`, `scope_api_key_only` (LB-14). */
export function requireGrantable (names: readonly string[], declared: readonly Scope[], resource: string): string[] {
  const wanted = requireDeclared(names, declared, resource)
  for (const { name, keyOnly } of wanted) {
    if (keyOnly) {
      throw new Failure('scope_api_key_only', {
        message: `The scope ${
          JSON.stringify(name)
        } of ${resource} is API-key only: no OAuth client can be granted it. Create an API key instead.`,
        details: { field: 'scopes', scope: name, resource }
      })
    }
  }
  return wanted.map(referenceOf)
}

/**
 * The names of those scopes, of which these references are kept, that `declared` still has and that a token may carry:
 * the last word on what is granted.
 */
export function grantableNow (references: readonly string[], declared: readonly Scope[]): string[] {
  return references.flatMap(
    reference => declared.find(scope => referenceOf(scope) === reference && !scope.keyOnly)?.name ?? []
  )
}

/** @throws Failure `invalid_request` naming the first text that is neither a scope nor a pattern of scopes. */
export function requireScopePatterns (patterns: readonly string[], field = 'scopes'): readonly string[] {
  const wrong = patterns.find(pattern => !isScopePattern(pattern))
  if (wrong === undefined) return patterns
  throw new Failure('invalid_request', {
    message: `${JSON.stringify(wrong.slice(0, 64))} is neither a scope nor a pattern of scopes: invoices:read, ` +
      'invoices:*, *:read or *.',
    details: { field }
  })
}
