/** The end of authorizations and consents, by whom they concern or by the protocol. */
import { Failure } from '../../base/errors.ts'
import { load, type AuditSubject, type RecordKind } from '../audit/change.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Actor } from '../core/actor.ts'
import { requireVisible, type Operation } from '../core/operation.ts'
import {
  aboutAuthorization, endInside, mostNamed, type Authorization, type AuthorizationEnd, type AuthorizationPort,
  type AuthorizationSet
} from './authorization.ts'
import { limitsOf } from '../tenancy/limits.ts'
import type { AuthorizationStepPort } from './authorization-step.ts'
import { aboutConsent, type Consent, type ConsentPort } from './consent.ts'

/** @throws Failure `not_found`, also for one of another organization, or of another member where `memberId` says it. */
export async function getAuthorization (
  { store, actor }: Operation<AuthorizationPort>, id: string, memberId: string | null = null
): Promise<Authorization> {
  const authorization = requireVisible(actor, await store.authorizations.get(id), 'authorization', id)
  requireOf(memberId, authorization, 'authorization')
  return authorization
}

/** @throws Failure as `getAuthorization`, also for one of another member where `memberId` is given. */
export async function getConsent (
  { store, actor }: Operation<ConsentPort>, id: string, memberId: string | null = null
): Promise<Consent> {
  const consent = requireVisible(actor, await store.consents.get(id), 'consent', id)
  requireOf(memberId, consent, 'consent')
  return consent
}

type Ports = AuditPort & AuthorizationPort & AuthorizationStepPort & ConsentPort

/** Ends the authorization of a token or a code that was revoked, or used twice. Idempotent; unknown ones are none. */
export async function endByProtocol (
  { store, clock, actor }: Operation<Ports>, id: string, reason: AuthorizationEnd
): Promise<void> {
  await store.transaction(async tx => {
    const authorization = await tx.authorizations.get(id)
    if (authorization !== null) await endWithSteps(tx, actor, authorization, clock(), reason)
  })
}

async function endWithSteps (
  tx: Ports, actor: Actor, authorization: Authorization, now: Date, reason: AuthorizationEnd
): Promise<void> {
  await endInside(tx, actor, authorization, now, reason)
  await tx.authorizationSteps.removeOf(authorization.id)
}

/**
 * Ends an authorization. Idempotent.
 * @throws Failure `not_found`, also for one of another organization, or of another member where `memberId` is given.
 */
export async function endAuthorization (
  operation: Operation<Ports>, id: string, memberId: string | null = null
): Promise<Authorization> {
  const { store, clock, actor } = operation
  return await store.transaction(async tx => {
    const found = await load(operation, tx, authorizations, id)
    requireOf(memberId, found, 'authorization')
    await endWithSteps(tx, actor, found, clock(), 'ended')
    return (await tx.authorizations.get(id))!
  })
}

/**
 * Ends a consent: its authorizations end, and the client has to ask again.
 * @throws Failure as `endAuthorization`.
 */
export async function endConsent (
  operation: Operation<Ports>, id: string, memberId: string | null = null
): Promise<void> {
  const { store, clock, actor } = operation
  await store.transaction(async tx => {
    const consent = await load(operation, tx, consents, id)
    requireOf(memberId, consent, 'consent')
    await endConsentInside(tx, actor, consent, clock(), 'consent-ended')
  })
}

/**
 * Ends a set of authorizations inside of a transaction. One row of the audit log tells the end of all, since each takes
 * its turn at the head of the chain: it is about what they have in common, or about the one that there is. Returns how
 * many ended.
 */
export async function endAllInside (
  tx: AuditPort & AuthorizationPort & AuthorizationStepPort, actor: Actor, set: AuthorizationSet, common: AuditSubject,
  now: Date, reason: AuthorizationEnd
): Promise<number> {
  const { count, named } = await tx.authorizations.endAll(set, now, reason)
  await tx.authorizationSteps.removeOfEnded(set)
  if (count === 0) return 0
  const about = count === 1
    ? aboutAuthorization(named[0]!, { reason })
    : { ...common, detail: { ...common.detail, reason, count, authorizations: named.map(({ id }) => id) } }
  await tx.audit.append(auditEvent(actor, now, 'authorization.ended', about))
  return count
}

/** How many ended of each. */
export interface EndedOfClients { authorizations: number, consents: number }

/**
 * Ends all that members have allowed a client: those of the actor's organization, or of `organizationId`; null: of
 * every organization. Idempotent; an unknown client has none.
 */
export async function endClient (
  { store, clock, actor }: Operation<Ports>, clientId: string, organizationId: string | null
): Promise<EndedOfClients> {
  const owner = actor.organizationId ?? organizationId
  return await store.transaction(tx => endOfClients(tx, actor, owner, [clientId], clock(), 'ended'))
}

/**
 * Ends what members of an organization, or of all for null, have allowed clients. One row of the audit log for all
 * authorizations, and one for all consents.
 */
export async function endOfClients (
  tx: Ports, actor: Actor, organizationId: string | null, clientIds: readonly string[], now: Date,
  reason: AuthorizationEnd
): Promise<EndedOfClients> {
  const clients = clientIds.length === 1 ? { client: clientIds[0] } : { clients: clientIds.slice(0, mostNamed) }
  const common = { organizationId, subject: organizationId ?? clientIds[0]!, detail: clients }
  const organization = organizationId === null ? {} : { organizationId }
  const authorizations = await endAllInside(tx, actor, { clientIds, ...organization }, common, now, reason)
  const { count, named } = await tx.consents.removeAll({ clientIds, ...organization })
  if (count > 0) {
    const about = count === 1
      ? aboutConsent(named[0]!)
      : { ...common, detail: { ...clients, count, consents: named.map(({ id }) => id) } }
    await tx.audit.append(auditEvent(actor, now, 'consent.ended', about))
  }
  return { authorizations, consents: count }
}

/** Ends one inside of a transaction, with its authorizations. */
export async function endConsentInside (
  tx: Ports, actor: Actor, consent: Consent, now: Date, reason: AuthorizationEnd
): Promise<void> {
  const { memberId, clientId, resourceId } = consent
  await endAllInside(tx, actor, { memberId, clientIds: [clientId], resourceId }, aboutConsent(consent), now, reason)
  await tx.consents.remove(consent.id)
  await tx.audit.append(auditEvent(actor, now, 'consent.ended', aboutConsent(consent)))
}

function requireOf (memberId: string | null, record: { id: string, memberId: string }, name: string): void {
  if (memberId === null || record.memberId === memberId) return
  throw new Failure('not_found', { message: `There is no ${name} ${JSON.stringify(record.id)}.` })
}

/** How authorizations are found; of what they say, their limits alone are changed. */
export const authorizations: RecordKind<Authorization, AuditPort & AuthorizationPort> = {
  name: 'authorization',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.authorizations.get(id),
  update: (tx, after) => tx.authorizations.limit(after),
  about: (authorization, more) => aboutAuthorization(authorization, {
    ...limitsOf(authorization, authorization), ...more
  }),
}

const consents: RecordKind<Consent, Ports> = {
  name: 'consent',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.consents.get(id),
  update: (tx, after) => tx.consents.update(after),
  about: aboutConsent,
}
