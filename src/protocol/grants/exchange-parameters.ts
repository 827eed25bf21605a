/** The parameters and answers of token exchange (RFC 8693 §2), of API keys and of access tokens alike. */
import { askedScopes, longestExchange, type Asked, type ExchangeProblem } from '../../domain/access/exchange.ts'
import { isScopeToken } from '../../domain/resources/scope.ts'
import { longestScope } from '../shared/limits.ts'
import { OAuthError } from '../shared/oauth-error.ts'

/** The `grant_type` (RFC 8693 §2.1). */
export const exchangeGrant = 'urn:ietf:params:oauth:grant-type:token-exchange'

/** Types of tokens (RFC 8693 §3), and Latchkey's own for API keys, which the RFC has none for. */
export const accessTokenType = 'urn:ietf:params:oauth:token-type:access_token'
export const apiKeyType = 'urn:latchkey:params:oauth:token-type:api-key'

const types = `is ${apiKeyType} for an API key, or ${accessTokenType}`

/** The parameters that are read beside `resource` and `audience`. `expires_in` is ours: the RFC has none for it. */
export const exchangeParameters = [
  'subject_token', 'subject_token_type', 'requested_token_type', 'actor_token', 'actor_token_type', 'scope',
  'expires_in'
] as const

export type ExchangeParameter = typeof exchangeParameters[number]

/** Undefined: it was not sent. */
export type ReadParameter = (name: ExchangeParameter) => string | undefined

/**
 * The type of the subject token. @throws OAuthError `invalid_request` for parameters that no exchange takes or that
 * are missing.
 */
export function subjectTypeOf (read: ReadParameter): typeof accessTokenType | typeof apiKeyType {
  const type = read('subject_token_type')
  const requested = read('requested_token_type') ?? accessTokenType
  if (type === undefined || read('subject_token') === undefined) {
    const missing = type === undefined ? 'subject_token_type' : 'subject_token'
    throw invalid(`${missing} is missing; an exchange takes subject_token and subject_token_type, which ${types}.`)
  }
  if (type !== accessTokenType && type !== apiKeyType) throw invalid(`subject_token_type ${types}.`)
  if (read('actor_token') !== undefined || read('actor_token_type') !== undefined) {
    throw invalid('Delegation is not supported: leave actor_token and actor_token_type out.')
  }
  if (requested !== accessTokenType) {
    throw invalid(`requested_token_type is ${accessTokenType}, or left out: nothing else is issued.`)
  }
  return type
}

/** @throws OAuthError `invalid_scope` for a malformed scope, `invalid_request` for a malformed lifetime. */
export function readAsked (read: ReadParameter): Pick<Asked, 'scopes' | 'lifetime'> {
  const scope = read('scope')
  const lifetime = read('expires_in')
  const scopes = askedScopes(scope)
  if ((scope?.length ?? 0) > longestScope || scopes?.some(name => !isScopeToken(name)) === true) {
    throw new OAuthError(400, 'invalid_scope', 'scope is no list of scopes, delimited by spaces.')
  }
  if (lifetime !== undefined && !/^[1-9]\d{0,8}$/.test(lifetime)) {
    throw invalid('expires_in is a whole number of seconds, at least 1.')
  }
  return { scopes, lifetime: lifetime === undefined ? null : Number(lifetime) }
}

/** The error of RFC 8693 §2.2.2 for more than there is. `what`: what was to be exchanged. */
export function errorOf (problem: ExchangeProblem, what: string): OAuthError {
  switch (problem.problem) {
    case 'scope': return new OAuthError(
      400, 'invalid_scope',
      `The ${what} does not have these scopes, or not for tokens: ${problem.beyond.join(' ')}. Ask for others, or ` +
        'leave scope out.'
    )
    case 'policy':
      return new OAuthError(400, 'invalid_scope', 'An access policy denies this exchange from this address now.')
    case 'lifetime': return problem.longest < 1
      ? invalid(`The ${what} ends within a second.`)
      : invalid(
        `expires_in is at most ${problem.longest} here: a token ends with the ${what}, and lives ${longestExchange} ` +
        'seconds at most.'
      )
  }
}

/** The body of the answer (RFC 8693 §2.2.1). Without a scope the member is omitted: RFC 6749 §3.3 has no empty one. */
export function exchangeAnswer (token: string, scopes: readonly string[], lifetime: number): object {
  return {
    access_token: token,
    issued_token_type: accessTokenType,
    token_type: 'Bearer',
    expires_in: lifetime,
    ...(scopes.length === 0 ? {} : { scope: scopes.join(' ') })
  }
}

export function invalid (description: string): OAuthError {
  return new OAuthError(400, 'invalid_request', description)
}
