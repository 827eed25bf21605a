/**
 * Conditions of rules on the claims of an assertion: one claim, by its path, is a text, or begins with one up to a
 * named separator.
 */
import { Failure } from '../../base/errors.ts'
import { isPlainText } from '../../base/plain-text.ts'

/** What `*` stands for never holds one of these. */
export const claimSeparators = [':', '/'] as const
export type ClaimSeparator = typeof claimSeparators[number]

export interface ClaimCondition {
  /**
   * A JSON Pointer (RFC 6901), as claims have dots in their names: `/sub`, `/kubernetes.io/namespace`. `~1` stands for
   * a slash within a name, `~0` for a tilde.
   */
  claim: string
  /**
   * The text of the claim, or its beginning up to a separator and `*`: `system:serviceaccount:prod:*`. `*` stands for
   * one or more characters, of which none is a separator.
   */
  value: string
  /** Absent: `value` is the whole text, and an asterisk is an asterisk. Present: it ends with one of these and `*`. */
  separators?: readonly ClaimSeparator[]
}

/** The most characters of a path, and of a value. */
export const longestClaim = 512
/** The most conditions of one rule. */
export const mostConditions = 20

/** Whether every condition holds of these claims. */
export function holdsAll (conditions: readonly ClaimCondition[], claims: Readonly<Record<string, unknown>>): boolean {
  return conditions.length > 0 && conditions.every(condition => problemOfClaim(condition, claims) === null)
}

/** What speaks against a claim, as a sentence for operators; null: the condition holds. */
export function problemOfClaim (
  { claim, value, separators }: ClaimCondition, claims: Readonly<Record<string, unknown>>
): string | null {
  const found = textAt(claims, claim)
  if (found === null) return `the assertion has no single value at ${claim}`
  if (separators === undefined) {
    const literal = value.endsWith('*') ? ' (its * stands for itself: a beginning needs separators)' : ''
    return found === value ? null : `${claim} is ${shown(found)}, not ${shown(value)}${literal}`
  }
  const beginning = value.slice(0, -1)
  const rest = found.slice(beginning.length)
  if (!found.startsWith(beginning) || rest === '') return `${claim} is ${shown(found)}, which is not ${shown(value)}`
  const crossed = claimSeparators.find(each => separators.includes(each) && rest.includes(each))
  return crossed === undefined ? null : `${claim} is ${shown(found)}: what * stands for must not hold ${shown(crossed)}`
}

/** The value at a path, as text. Null: there is none, or it is neither a text nor a whole number nor a truth value. */
export function textAt (claims: Readonly<Record<string, unknown>>, pointer: string): string | null {
  let value: unknown = claims
  for (const name of namesIn(pointer)) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !Object.hasOwn(value, name)) return null
    value = (value as Record<string, unknown>)[name]
  }
  if (typeof value === 'string') return value
  return typeof value === 'boolean' || Number.isSafeInteger(value) ? String(value) : null
}

/** RFC 6901 §4: `~1` first, so that `~01` is `~1`. */
function namesIn (pointer: string): string[] {
  return pointer.slice(1).split('/').map(name => name.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/**
 * The conditions of a rule. `anchors`: the paths of the claims that the issuer does not let its tenants choose.
 * @throws Failure `invalid_request` for one that cannot be read or says nothing, and when none is about an anchor.
 */
export function requireConditions (
  conditions: readonly ClaimCondition[], anchors: readonly string[]
): readonly ClaimCondition[] {
  conditions.forEach(requireCondition)
  const paths = conditions.map(({ claim }) => claim)
  const twice = paths.find((path, index) => paths.indexOf(path) !== index)
  if (twice !== undefined) throw invalid(`The claim ${shown(twice)} has two conditions; one claim has one value.`)
  if (!paths.some(path => anchors.includes(path))) {
    throw invalid(
      'At least one condition has to be on a claim that the issuer does not let its tenants choose, and gives to no ' +
        `other later: ${anchors.join(', ')}.`
    )
  }
  return conditions.map(({ claim, value, separators }) => separators === undefined
    ? { claim, value }
    : { claim, value, separators: claimSeparators.filter(each => separators.includes(each)) })
}

function requireCondition ({ claim, value, separators }: ClaimCondition): void {
  requirePath(claim)
  if (value === '' || value.length > longestClaim || !isPlainText(value)) {
    throw invalid(`The value of ${shown(claim)} has to be 1 to ${longestClaim} characters, none of them a control.`)
  }
  if (separators === undefined) {
    if (value === '*') throw invalid(`The value * of ${shown(claim)} would be met by every assertion.`)
    return
  }
  const last = value.at(-2)
  const isPrefix = separators.length > 0 && value.length > 2 && value.indexOf('*') === value.length - 1 &&
    separators.some(each => each === last)
  if (isPrefix) return
  throw invalid(
    `The value ${shown(value)} of ${shown(claim)} has to be a text that ends with one of its separators ` +
      `(${separators.join(' ')}) and one *: what * stands for does not cross a separator.`
  )
}

/** @throws Failure `invalid_request` for a text that is no JSON Pointer to a claim. */
export function requirePath (path: string): string {
  const isPointer = path.length > 1 && path.length <= longestClaim && path.startsWith('/') && isPlainText(path) &&
    !/~(?![01])/.test(path)
  if (isPointer) return path
  throw invalid(
    `${shown(path)} is no path to a claim: write a JSON Pointer, as /sub or /kubernetes.io/namespace (~1 for a slash ` +
      'within a name).'
  )
}

/** A text that others chose, in a sentence. */
export function shown (text: string): string {
  return JSON.stringify(text.length > 128 ? `${text.slice(0, 128)}…` : text)
}

function invalid (message: string): Failure {
  return new Failure('invalid_request', { message, details: { field: 'claims' } })
}
