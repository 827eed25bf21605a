/** A provider signs people out (OpenID Connect Back-Channel Logout): the sessions that it vouched for end. */
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { systemActor } from '../core/actor.ts'
import type { Transactional } from '../core/operation.ts'
import type { UsedAssertionPort } from '../core/used-assertions.ts'
import { digestOf } from '../../secrets/digest.ts'
import type { MemberPort } from '../members/permissions.ts'
import type { PersonRequest, PersonSessionPort } from '../people/person-session.ts'

type Ports = AuditPort & MemberPort & PersonSessionPort & UsedAssertionPort

/** Whose sessions end: those of one session of the provider, else all of a subject. */
export interface ProviderLogout {
  /** The id of the provider. */
  provider: string
  issuer: string
  subject: string | null
  providerSession: string | null
  /** Of the logout token, once for each provider. */
  jti: string
  /** From then on the token is refused for its age. */
  expiresAt: Date
}

/** Ends the sessions; returns how many. Null: the token was used before. */
export async function endByProvider (
  store: Transactional<Ports>, { provider, issuer, subject, providerSession, jti, expiresAt }: ProviderLogout,
  from: PersonRequest, now: Date
): Promise<number | null> {
  return await store.transaction(async tx => {
    if (!await tx.usedAssertions.remember(digestOf(`logout token\n${issuer}\n${jti}`), expiresAt)) return null
    const sessions = await tx.personSessions.ofProvider({
      // With a session, a subject beside it only has to fit.
      provider: issuer, subject, providerSession
    })
    for (const { id, memberId } of sessions) {
      if (!await tx.personSessions.end(id, now, 'provider-sign-out')) continue
      const member = await tx.members.get(memberId)
      await tx.audit.append(auditEvent({ ...systemActor, ...from }, now, 'person_session.ended', {
        organizationId: member!.organizationId,
        subject: id,
        detail: { member: memberId, reason: 'provider-sign-out', provider }
      }))
    }
    return sessions.length
  })
}
