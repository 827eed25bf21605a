/** Sessions of people: a signed-in member in one browser, until it ends, is idle for too long, or is too old. */
import { secondsAfter } from '../../base/clock.ts'
import { digestOf } from '../../secrets/digest.ts'
import { newPersonSessionText } from '../../secrets/credential-text.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Actor } from '../core/actor.ts'
import type { Member } from '../members/permissions.ts'
import type { SessionLifetimes } from './session-lifetime.ts'
import type { MemberSessionPort, SessionEnd } from '../members/member-sessions.ts'

export interface PersonSession {
  /** `pse_…` */
  id: string
  /** Of the text in the cookie; the text itself is never stored. */
  digest: string
  memberId: string
  /** Null: signed in by a link. It proves the member alone, and so no other member of the same person. */
  identityId: string | null
  /** How they proved it: values of `amr` (RFC 8176). */
  amr: readonly string[]
  /** The id of the provider that vouched for them; null: none did. */
  provider: string | null
  /** The session at the provider (`sid`), with which this one ends; null: it named none. */
  providerSession: string | null
  /** The API key or access token that vouched for them, with which the session ends; null: none did. */
  vouchedBy: string | null
  /** When they proved it; where a provider does not say, the moment of the sign-in. */
  authenticatedAt: Date
  /** False: a provider vouched without `auth_time`, so they may have proved it long before. */
  authTimeKnown: boolean
  createdAt: Date
  /** Coarse: at most a minute old while it is in use. */
  lastUsedAt: Date
  /** Its end, however much it is used. */
  expiresAt: Date
  endedAt: Date | null
  endedReason: SessionEnd | null
}

export interface PersonSessionRepository {
  insert (session: PersonSession): Promise<void>
  get (id: string): Promise<PersonSession | null>
  /** The committed row, from the database each time. */
  byDigest (digest: string): Promise<PersonSession | null>
  /** Those of a member that have neither ended nor expired at `now`, newest first. */
  ofMember (memberId: string, now: Date): Promise<PersonSession[]>
  /** Ends a session; false: it had ended already. */
  end (id: string, at: Date, reason: SessionEnd): Promise<boolean>
  endOfMember (memberId: string, at: Date, reason: SessionEnd): Promise<number>
  /** Those that have not ended, of one session of a provider, or of all of an identity. */
  ofProvider (
    of: { provider: string, subject: string | null, providerSession: string | null }
  ): Promise<PersonSession[]>
  /** Ends those of an organization that a provider vouched for; null: those that no provider did. */
  endOfProvider (organizationId: string, provider: string | null, at: Date, reason: SessionEnd): Promise<number>
  /** Ends those that one of these keys vouched for; returns how many. */
  endVouchedBy (keyIds: readonly string[], at: Date, reason: SessionEnd): Promise<number>
  /** Sets `lastUsedAt` of many sessions at once; not part of any change. */
  touch (usage: ReadonlyMap<string, Date>): Promise<void>
  /** Deletes at most `limit` sessions whose `expiresAt` lies before `before`; returns how many. */
  prune (before: Date, limit: number): Promise<number>
}

export interface PersonSessionPort extends MemberSessionPort { personSessions: PersonSessionRepository }

/** The member that signs in, and the proof. */
export interface SignIn {
  member: Pick<Member, 'id' | 'organizationId'>
  identityId: string | null
  amr: readonly string[]
  provider: string | null
  /** Absent or null: the provider named none. */
  providerSession?: string | null
  vouchedBy: string | null
  /** When they proved it, also where a provider did long ago; absent: now. */
  authenticatedAt?: Date
  /** False: the provider does not say when. Absent: true. */
  authTimeKnown?: boolean
  /** It ends then at the latest; absent or null: no other session limits it. */
  endsAt?: Date | null
  /** The digest of the text that the browser had in its cookie: that session ends. Absent or null: it had none. */
  replaces?: string | null
}

/** The request by which a person signs in or out, for the audit log. */
export type PersonRequest = Pick<Actor, 'address' | 'requestId'>

/**
 * Begins a session, inside the transaction that decided who signs in. `text` is the value of the cookie: another one
 * with every sign-in, whatever the browser had (no fixation).
 */
export async function beginSession (
  tx: PersonSessionPort & AuditPort, from: PersonRequest, signIn: SignIn, { max }: Pick<SessionLifetimes, 'max'>,
  now: Date
): Promise<{ session: PersonSession, text: string }> {
  const text = newPersonSessionText()
  const { member, identityId, amr, provider, providerSession = null, vouchedBy, endsAt, replaces } = signIn
  const { authenticatedAt = now, authTimeKnown = true } = signIn
  const longest = secondsAfter(now, max)
  const session: PersonSession = {
    id: newId('pse'),
    digest: digestOf(text),
    memberId: member.id,
    identityId,
    amr,
    provider,
    providerSession,
    vouchedBy,
    authenticatedAt,
    authTimeKnown,
    createdAt: now,
    lastUsedAt: now,
    expiresAt: endsAt != null && endsAt < longest ? endsAt : longest,
    endedAt: null,
    endedReason: null,
  }
  const replaced = replaces == null ? null : await tx.personSessions.byDigest(replaces)
  if (replaced !== null) await tx.personSessions.end(replaced.id, now, 'replaced')
  await tx.personSessions.insert(session)
  await tx.audit.append(auditEvent(personActor(member, from), now, 'person_session.created', {
    organizationId: member.organizationId,
    subject: session.id,
    detail: { amr, provider, identityId, vouchedBy, expiresAt: session.expiresAt, replaces: replaced?.id ?? null }
  }))
  return { session, text }
}

/** A member who acts by signing in or out: the audit log names them, and nothing is done with their permissions. */
export function personActor (
  { id, organizationId }: Pick<Member, 'id' | 'organizationId'>, from: PersonRequest
): Actor {
  return { ...from, id, organizationId, scopes: [], creator: null, restrictions: null }
}
