/**
 * Token exchange (RFC 8693): what a credential that is good now can be exchanged for. Never a scope that it has not
 * now, never an API-key-only one, never longer than itself.
 */
import { splitScope, withoutKeyOnly } from '../resources/scope.ts'
import { principalOf, type KeyFacts, type TokenFacts } from './facts.ts'
import { evaluateFor } from './policy-lookup.ts'

/** Seconds that an exchanged token lives at most. */
export const longestExchange = 3_600

/** What a request asks for. `scopes` and `lifetime` null: all that there is. */
export interface Asked {
  scopes: readonly string[] | null
  /** In whole seconds, at least 1. */
  lifetime: number | null
  /** From where. */
  address: string
  now: Date
}

/** What there is: scopes, and seconds of life. */
export interface Exchanged { scopes: readonly string[], lifetime: number }

/** Why there is nothing: more was asked for than there is, or a policy leaves nothing of it. */
export type ExchangeProblem =
  | { problem: 'scope', beyond: readonly string[] }
  | { problem: 'policy', policy: string }
  | { problem: 'lifetime', longest: number }

/** What a credential can be exchanged for whose facts nothing speaks against. */
export function exchange (facts: KeyFacts | TokenFacts, asked: Asked): Exchanged | ExchangeProblem {
  const { scopes: held } = principalOf(facts)
  const offered = withoutKeyOnly(held, facts.resource!.scopes)
  const wanted = asked.scopes ?? offered
  const beyond = wanted.filter(scope => !offered.includes(scope))
  if (beyond.length > 0) return { problem: 'scope', beyond }
  const left = underPolicies(facts, wanted, asked)
  if ('problem' in left) return left
  const longest = longestOf(facts, asked.now)
  const lifetime = asked.lifetime ?? longest
  return longest < 1 || lifetime > longest ? { problem: 'lifetime', longest } : { ...left, lifetime }
}

/** A scope that was asked for by its name is not left out in silence. */
function underPolicies (
  facts: KeyFacts | TokenFacts, wanted: readonly string[], { scopes: named, address, now }: Asked
): Pick<Exchanged, 'scopes'> | ExchangeProblem & { problem: 'policy' } {
  const { policies } = facts
  if (policies.length === 0) return { scopes: wanted }
  const kind = facts.kind === 'api_key' ? 'key_token' : facts.kind
  const principal = { ...principalOf(facts), scopes: wanted }
  const { refusedBy, scopes, withheld } = evaluateFor(kind, policies, principal, { address, now })
  const [first] = withheld.values()
  if (refusedBy !== null) return { problem: 'policy', policy: refusedBy }
  if (first !== undefined && (named !== null || scopes.length === 0)) return { problem: 'policy', policy: first }
  return { scopes }
}

/** In whole seconds. */
function longestOf (facts: KeyFacts | TokenFacts, now: Date): number {
  const ends = facts.kind === 'api_key'
    ? [facts.key.expiresAt, facts.voucher?.expiresAt ?? null]
    : [new Date(facts.claims.exp * 1000)]
  const left = ends.flatMap(end => end === null ? [] : Math.floor((end.getTime() - now.getTime()) / 1000))
  // A token ends at a whole second, counted from the whole second that it was issued in.
  return Math.min(longestExchange, facts.resource!.tokenLifetime, ...left)
}

/** The scopes of a request, each once; null: it names none. */
export function askedScopes (scope: string | undefined): readonly string[] | null {
  const names = splitScope(scope ?? '')
  return names.length === 0 ? null : names
}
