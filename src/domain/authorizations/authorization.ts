/** Authorizations: what a member has allowed one installation of a client at one resource, until it ends. */
import type { Total } from '../core/list.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Actor } from '../core/actor.ts'
import type { Revised } from '../core/operation.ts'
import type { Page, PageQuery, Position } from '../core/page.ts'
import { namesOf } from '../resources/scope.ts'
import type { Consumer, Limits } from '../tenancy/limits.ts'

/** Why an authorization ended before its time. */
export const authorizationEnds = [
  'ended', 'consent-ended', 'token-revoked', 'code-reused', 'refresh-token-reused', 'client-not-admitted',
  'client-disabled', 'client-revoked', 'superseded'
] as const
export type AuthorizationEnd = typeof authorizationEnds[number]

/**
 * Every installation of a client has its own, although all of them may share one `client_id`: ending one leaves the
 * others. An access token names its authorization, and is refused once that has ended. Its limits are those of all
 * tokens of its chain together.
 */
export interface Authorization extends Limits, Revised {
  /** `aut_…` */
  id: string
  /** The member's. */
  organizationId: string
  memberId: string
  /** The `client_id`. */
  clientId: string
  resourceId: string
  /** The first one of those that continue it, which share its limits and what is counted against them; its own id. */
  chainId: string
  /** References of scopes of the resource. */
  scopes: readonly string[]
  /** Scopes of OpenID Connect. */
  identityScopes: readonly string[]
  /** Whether it was allowed for longer than one access token: else it brings no refresh token. */
  refreshable: boolean
  createdAt: Date
  /** When its code was redeemed; null: it was not. */
  redeemedAt: Date | null
  /** Coarse; null: never. */
  lastUsedAt: Date | null
  /** Its end, however much it is used. */
  expiresAt: Date
  endedAt: Date | null
  endedReason: AuthorizationEnd | null
}

/** Filter of a list; a member that is left out does not narrow it. */
export interface AuthorizationFilter {
  organizationId?: string
  memberId?: string
  clientId?: string
  resourceId?: string
  /** Whether it has ended, or has expired at `at`. */
  over?: { is: boolean, at: Date }
  /** Whether it was ended; one that has expired was not, unless it was ended before. */
  ended?: boolean
  /** Whether its code was redeemed. */
  redeemed?: boolean
}

/** Some authorizations; a member that is left out does not narrow it. */
export interface AuthorizationSet {
  organizationId?: string
  memberId?: string
  resourceId?: string
  /** At most `mostInSet`. */
  clientIds: readonly string[]
  /** Those that were created before this one. */
  before?: Position
}

/** Clients that one set names, at most. */
export const mostInSet = 500

/** Records that an audit row and a change name, at most. */
export const mostNamed = 100

/** How many there were, and the newest of them: at most `mostNamed`. */
export interface EndedSet<Record> { count: number, named: readonly Record[] }

export interface AuthorizationRepository {
  insert (authorization: Authorization): Promise<void>
  get (id: string): Promise<Authorization | null>
  /** Replaces the limits of its chain alone; returns it with its next revision. */
  limit (authorization: Authorization): Promise<Authorization>
  /** Ends it; false: it had ended already, or there is none. */
  end (id: string, at: Date, reason: AuthorizationEnd): Promise<boolean>
  /** Ends those of a set that have not ended, in statements whose number does not depend on theirs. */
  endAll (set: AuthorizationSet, at: Date, reason: AuthorizationEnd): Promise<EndedSet<Authorization>>
  /** Notes that its code was redeemed; false: it has ended, or was redeemed before. */
  redeem (id: string, at: Date): Promise<boolean>
  /** The last that began of one member, client and resource, whether it has ended or not; null: there is none. */
  newest (consent: Pick<Authorization, 'memberId' | 'clientId' | 'resourceId'>): Promise<Authorization | null>
  /** The n-th newest of one member, client and resource of those that have not ended; null: there are fewer. */
  nth (consent: Pick<Authorization, 'memberId' | 'clientId' | 'resourceId'>, n: number): Promise<Position | null>
  /** Sets `lastUsedAt` of many at once; not part of any change. */
  touch (usage: ReadonlyMap<string, Date>): Promise<void>
  /** Deletes at most `limit` that expired before `expired`, or were created before `waiting` and never redeemed. */
  prune (before: { expired: Date, waiting: Date }, limit: number): Promise<number>
  page (query: PageQuery, filter: AuthorizationFilter): Promise<Page<Authorization>>
  /** How many rows all pages have. */
  count (filter: AuthorizationFilter): Promise<Total>
}

/** An authorization as its calls are counted. Access tokens are live: the live account of the organization pays. */
export function consumerOf (
  { id, chainId, organizationId, callsPerMonth, creditsPerMonth, callsPerMinute }: Authorization
): Consumer {
  return { id, chainId, organizationId, environment: 'live', callsPerMonth, creditsPerMonth, callsPerMinute }
}

export interface AuthorizationPort { authorizations: AuthorizationRepository }

/** The subject of an audit row about an authorization. */
export function aboutAuthorization (
  { id, organizationId, memberId, clientId, resourceId, scopes, identityScopes }: Authorization,
  more: Record<string, unknown> = {}
) {
  return {
    organizationId,
    subject: id,
    detail: {
      member: memberId, client: clientId, resource: resourceId, scopes: [...namesOf(scopes), ...identityScopes], ...more
    }
  }
}

/** Ends one inside of a transaction: every token that names it is refused from the next request on. Idempotent. */
export async function endInside (
  tx: AuditPort & AuthorizationPort, actor: Actor, authorization: Authorization, now: Date, reason: AuthorizationEnd
): Promise<void> {
  if (!await tx.authorizations.end(authorization.id, now, reason)) return
  await tx.audit.append(
    auditEvent(actor, now, 'authorization.ended', aboutAuthorization(authorization, { reason }))
  )
}
