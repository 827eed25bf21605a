/** Scopes, patterns of scopes, and references by which grants store them. */
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'

/** A permission on a resource, such as `invoices:read` (RFC 6749 §3.3). */
export interface Scope {
  name: string
  /** An API-key-only scope can never be granted to an OAuth client. */
  keyOnly: boolean
  description: string | null
  /**
   * Stored in credentials, members and groups instead of the name; absent: the name. Set if the name was, or may have
   * been, granted before this scope was declared: an earlier grant of the name does not include this scope. Internal.
   */
  reference?: string
}

/** The text that is stored where a scope is granted. */
export function referenceOf ({ name, reference }: Scope): string {
  return reference ?? name
}

/** A new reference, which nothing holds yet. The space keeps it apart from names (RFC 6749 §3.3). */
export function newReference (name: string): string {
  return `${name} ${newId('scp')}`
}

/** The name to show for a stored reference or pattern. */
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
 * Whether a text is a scope or a pattern of scopes: `invoices:*` (every action on a type), `*:read` (an action on every
 * type) or `*`. An asterisk elsewhere is an ordinary character.
 */
export function isScopePattern (text: string): boolean {
  return isScopeToken(text)
}

/** Whether a text is a pattern of several scopes: no scope may have such a name. */
export function readsAsPattern (text: string): boolean {
  const [type, action] = halves(text)
  return text === '*' || (action !== null && (type === '*' || action === '*'))
}

/** Whether a pattern, or a name as its own pattern, covers a name. */
export function covers (pattern: string, name: string): boolean {
  return pattern === name || coversOthers(pattern, name)
}

/** Whether one of `patterns` covers a name, as `covers` says; in constant time. */
export function coverage (patterns: readonly string[]): (name: string) => boolean {
  const all = new Set(patterns)
  return name => {
    if (all.has('*') || all.has(name)) return true
    const [type, action] = halves(name)
    return action !== null && (all.has(`*:${action}`) || all.has(`${type}:*`))
  }
}

/**
 * The first of these patterns and references that covers a scope. Only its own reference covers an API-key-only scope.
 */
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
 * Of `wanted`, the patterns and references that cover something outside of `held`, on any resource. An API-key-only
 * scope, one of the references in `keyOnly`, is covered by its own reference alone.
 */
export function patternsBeyond (
  held: readonly string[], wanted: readonly string[], keyOnly: ReadonlySet<string>
): string[] {
  return wanted.filter(pattern =>
    !held.includes(pattern) && (keyOnly.has(pattern) || !held.some(other => coversPattern(other, pattern)))
  )
}

/** `*:*` covers nothing as a pattern, so it must not cover the asterisk of another pattern. */
function coversPattern (pattern: string, wanted: string): boolean {
  return pattern !== '*:*' && coversOthers(pattern, nameOf(wanted))
}

/**
 * The names of the declared scopes that patterns and references cover. An API-key-only scope is covered by its own
 * reference alone, so that it is always granted deliberately.
 */
export function expand (patterns: readonly string[], declared: readonly Scope[]): string[] {
  return declared.filter(scope => coveringPattern(patterns, scope) !== undefined).map(({ name }) => name)
}

/**
 * The scopes that a credential shows for its stored patterns and references: the patterns, and the names of the scopes
 * that are still declared.
 */
export function shownScopes (kept: readonly string[], declared: readonly Scope[]): string[] {
  return namesOf(kept.filter(text => readsAsPattern(text) || declared.some(scope => referenceOf(scope) === text)))
}

/** Whether a scope allows reading alone: its action is `read`. */
export function isReadOnly (scope: string): boolean {
  return halves(scope)[1] === 'read'
}

/** `type:action`; action null: there is no colon. */
function halves (scope: string): [type: string, action: string | null] {
  const colon = scope.lastIndexOf(':')
  return colon === -1 ? [scope, null] : [scope.slice(0, colon), scope.slice(colon + 1)]
}

/** The scopes of a space-delimited list, without repetitions, in order. */
export function splitScope (scope: string): string[] {
  return [...new Set(scope.split(' ').filter(name => name !== ''))]
}

/** Requires names that `declared` has. Returns their scopes, without repetitions. */
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
 * The patterns and references that an API key stores.
 * @throws Failure `unknown_scope` for a name that `declared` lacks, and for a pattern that covers none of it.
 */
export function requireDeclaredPatterns (
  patterns: readonly string[], declared: readonly Scope[], resource: string
): string[] {
  return [...new Set(patterns)].map(pattern =>
    readsAsPattern(pattern) && expand([pattern], declared).length > 0
      ? pattern
      : referenceOf(requireDeclared([pattern], declared, resource)[0]!))
}

/**
 * The references that an OAuth client stores.
 * @throws Failure `unknown_scope`, `scope_api_key_only` (LB-14).
 */
export function requireGrantable (names: readonly string[], declared: readonly Scope[], resource: string): string[] {
  const wanted = requireDeclared(names, declared, resource)
  for (const { name, keyOnly } of wanted) {
    if (keyOnly) {
      throw new Failure('scope_api_key_only', {
        message: `The scope ${
          JSON.stringify(name)
        } of ${resource} is API-key only and cannot be granted to an OAuth client. Create an API key instead.`,
        details: { field: 'scopes', scope: name, resource }
      })
    }
  }
  return wanted.map(referenceOf)
}

/**
 * The names of the scopes that a token may carry now: of the stored references, those that are still declared. Applied
 * last, at issuance.
 */
export function grantableNow (references: readonly string[], declared: readonly Scope[]): string[] {
  return references.flatMap(
    reference => declared.find(scope => referenceOf(scope) === reference && !scope.keyOnly)?.name ?? []
  )
}

/** Of names that a credential has, those that a token may carry now. */
export function withoutKeyOnly (names: readonly string[], declared: readonly Scope[]): readonly string[] {
  const keyOnly = declared.filter(scope => scope.keyOnly)
  return keyOnly.length === 0 ? names : names.filter(name => !keyOnly.some(scope => scope.name === name))
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
