/** Reads what the server hands out: the facts of a credential as the judge takes them, and the guarded resource. */
import type { KeyFacts, TokenFacts } from '../../domain/access/facts.ts'
import type { Authorization } from '../../domain/authorizations/authorization.ts'
import type { Member } from '../../domain/members/permissions.ts'
import type { Principal, Refusal } from '../../domain/access/principal.ts'
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { compilePolicies, type PolicySet } from '../../domain/policy/policy-evaluation.ts'
import type { Told, Totals } from '../../domain/metering/told-counts.ts'
import type { Policy } from '../../domain/policy/policy.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import type { TokenScopes } from '../../domain/resources/token-scopes.ts'
import type { Consumer } from '../../domain/tenancy/limits.ts'
import { statuses } from '../refusal/public-refusal.ts'
import type { ReadyAnswer } from '../refusal/ready-answer.ts'
import type { Entry } from './memory.ts'

type Json = Record<string, any>

/** A resource as its server describes it to a guard. */
export type ServedResource = Resource & TokenScopes

/** The resource of the answer that opens a session. */
export function readResource (
  { id, identifier, organization, style, tokenScopes = [], initialScopes = [] }: Json
): ServedResource {
  const resource = { id, identifier, organizationId: organization, style, revokedAt: null } as Resource
  return { ...resource, tokenScopes, initialScopes }
}

/** An entry as the server sends it. @throws TypeError for one that is none. */
export function readEntry ({ facts, follows, asksEachTime }: Json, resource: Resource): Entry {
  if (!Array.isArray(follows)) throw new TypeError('an entry that follows from nothing')
  return {
    facts: readFacts(facts as Json, resource), follows: follows as string[], asksEachTime: asksEachTime !== false
  }
}

/**
 * The answer to a poll. `told` null: nothing new was counted. @throws TypeError for anything else: the guard gets no
 * trust by it.
 */
export function readNews ({ position, changes, trustFor, counted, elsewhere }: Json): {
  position: number, changes: readonly string[], trustFor: number, told: Told | null
} {
  if (!Number.isSafeInteger(position) || !Array.isArray(changes) || typeof trustFor !== 'number' || !(trustFor >= 0)) {
    throw new TypeError('The authorization server answered a poll with something else than news.')
  }
  const told = elsewhere === undefined ? null : { counted: readCount(counted), elsewhere: readTotals(elsewhere) }
  return { position, changes, trustFor, told }
}

/** Calls counted elsewhere, by holder; none unless given. @throws TypeError for what is no number of calls. */
export function readTotals (totals: unknown = {}): Totals {
  if (typeof totals !== 'object' || totals === null) throw new TypeError('counts that are none')
  Object.values(totals).forEach(readCount)
  return totals as Totals
}

function readCount (value: unknown): number {
  if (!Number.isSafeInteger(value) || value as number < 0) throw new TypeError('a count that is none')
  return value as number
}

/** @throws TypeError for a reason that this guard does not know: it has no answer to it. */
export function readRefusal (refusal: Json): Refusal {
  if (!Object.hasOwn(statuses, String(refusal?.reason))) throw new TypeError('a refusal for an unknown reason')
  return refusal as Refusal
}

/** An answer as the server has it ready. @throws TypeError for one that cannot be sent. */
export function readAnswer (answer: Json): ReadyAnswer {
  const { status, headers, body } = answer ?? {}
  if (!Number.isInteger(status) || status < 400 || status > 599 || typeof body !== 'string') {
    throw new TypeError('an answer without status and body')
  }
  return { status, headers: readHeaders(headers), body }
}

/** @throws TypeError for headers that cannot be sent. */
export function readHeaders (headers: Json = {}): Readonly<Record<string, string>> {
  for (const [name, value] of Object.entries(headers)) {
    validateHeaderName(name)
    validateHeaderValue(name, String(value))
  }
  return headers
}

function readFacts (facts: Json, resource: Resource): KeyFacts | TokenFacts {
  const { organization } = facts
  const shared = { resource, organization, principal: readPrincipal(facts.principal), policies: readPolicies(facts) }
  if (facts.kind === 'api_key') {
    const key = {
      ...facts.key,
      expiresAt: readDate(facts.key.expiresAt),
      resourceId: resource.id,
      revokedAt: null,
      disabledAt: null,
      // The server has it in `expiresAt`.
      vouchedBy: null
    }
    return { kind: 'api_key', key, member: null, voucher: null, ...shared }
  }
  if (facts.kind !== 'access_token') throw new TypeError('facts of another kind')
  const { claims, client } = facts
  return {
    kind: 'access_token',
    claims,
    client: { ...client, revokedAt: null, disabledAt: null },
    ...readAuthorized(facts),
    isRevoked: false,
    presentedFor: resource,
    ...shared
  }
}

/** The server hands out entries of authorizations that have not ended, and says so when one ends. */
export function readAuthorized (
  { claims, organization, authorization: consumer }: Json
): Pick<TokenFacts, 'authorization' | 'consumer' | 'member'> {
  if (claims.gnt === undefined) return { authorization: null, consumer: null, member: null }
  if (typeof consumer?.id !== 'string') throw new TypeError('a token of an authorization that is not told')
  const authorization = { id: claims.gnt, memberId: claims.sub, clientId: claims.client_id, endedAt: null }
  const member = { id: claims.sub, organizationId: organization?.id, removedAt: null }
  return {
    authorization: authorization as Authorization, consumer: consumer as Consumer, member: member as Member
  }
}

function readPrincipal (principal: Json): Principal {
  return { ...principal, expiresAt: readDate(principal.expiresAt) } as Principal
}

/** The server tells no ids of policies, and evaluation names the one that refuses. */
export function readPolicies ({ policies }: Json): readonly PolicySet[] {
  const given = policies as Pick<Policy, 'effect' | 'conditions'>[][]
  return given.map(set => compilePolicies(set.map(policy => ({ ...policy, id: 'withheld', enabled: true }))))
}

function readDate (text: string | null): Date | null {
  return text === null ? null : new Date(text)
}
