/** What a member may allow a client, and the moment at which it is allowed. */
import { secondsAfter } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import { mayRefresh } from '../client-metadata/grant-types.ts'
import type { Actor } from '../core/actor.ts'
import type { Operation } from '../core/operation.ts'
import { isActive, type Client, type ClientPort } from '../credentials/client.ts'
import { keepHostedClient } from '../credentials/hosted-client.ts'
import { permissionsOf, permissionsOn, type Member } from '../members/permissions.ts'
import { authorizableScopes } from '../resources/authorizable-scopes.ts'
import type { Resource } from '../resources/resource.ts'
import { coveringPattern, referenceOf } from '../resources/scope.ts'
import { limitsOf, noLimits } from '../tenancy/limits.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import { aboutAuthorization, type Authorization, type AuthorizationPort } from './authorization.ts'
import { consentedForm, requireAdmitted } from './client-admission.ts'
import type { AuthorizationStepPort } from './authorization-step.ts'
import type { ClientApprovalPort } from './client-approval.ts'
import { aboutConsent, coversAll, type AskedScopes, type Consent, type ConsentPort } from './consent.ts'
import { endAllInside } from './end.ts'

/** Seconds for which an authorization lasts at most: a year. */
export const authorizationLifetime = 365 * 86_400

/** Authorizations of one member, client and resource that work at a time: one for each installation of the client. */
export const mostConnections = 100

/** Whether a member may use a resource: one of their organization, or of the deployment. */
export function isForMember (
  { organizationId }: Pick<Resource, 'organizationId'>, member: Pick<Member, 'organizationId'>
): boolean {
  return organizationId === null || organizationId === member.organizationId
}

/** Whether a client may act for a member: one of their organization, or of none. */
export function actsForMember (
  { organizationId }: Pick<Client, 'organizationId'>, member: Pick<Member, 'organizationId'>
): boolean {
  return organizationId === null || organizationId === member.organizationId
}

/** The references of the scopes that a member may hand on at a resource now: authorizable ones that they have. */
export function handableScopes (
  member: Member, resource: Pick<Resource, 'id' | 'scopes' | 'defaultScopes'>
): string[] {
  const held = permissionsOn(permissionsOf(member), resource)
  return authorizableScopes(resource).filter(scope => coveringPattern(held, scope) !== undefined).map(referenceOf)
}

type Ports =
  & AuditPort & AuthorizationPort & AuthorizationStepPort & ClientApprovalPort & ClientPort & ConsentPort
  & OrganizationPort

/** What a member allows. */
export interface Allowed extends AskedScopes {
  member: Pick<Member, 'id' | 'organizationId'>
  client: Client
  resourceId: string
  /** Without a page, because the person has allowed the same before. */
  isRemembered: boolean
}

/**
 * Begins an authorization, and remembers what was allowed. One more than `mostConnections` ends the oldest.
 * @throws Failure `insufficient_permissions` for a client that the organization does not admit; `credential_disabled`
 * for one that was revoked or disabled meanwhile: what is allowed now would outlast its disabling.
 */
export async function allow (
  { store, clock, actor }: Operation<Ports>, allowed: Allowed
): Promise<Authorization> {
  const now = clock()
  const { member, client, resourceId, scopes, identityScopes, isRemembered } = allowed
  const id = newId('aut')
  const begun: Authorization = {
    id,
    chainId: id,
    organizationId: member.organizationId,
    memberId: member.id,
    clientId: client.id,
    resourceId,
    scopes,
    identityScopes,
    refreshable: mayRefresh(client.metadata),
    createdAt: now,
    redeemedAt: null,
    lastUsedAt: null,
    expiresAt: secondsAfter(now, authorizationLifetime),
    endedAt: null,
    endedReason: null,
    ...noLimits,
    revision: 1,
  }
  return await store.transaction(async tx => {
    await requireStillActive(tx, client)
    await requireAdmitted(tx, member.organizationId, client)
    await keepHostedClient(tx, { clock, actor }, client)
    const authorization = continued(begun, await tx.authorizations.newest(begun), isRemembered)
    await remember(tx, authorization, consentedForm(client), now, async consent => {
      await tx.audit.append(auditEvent(actor, now, 'consent.given', aboutConsent(consent)))
    })
    await makeRoom(tx, actor, authorization)
    await tx.authorizations.insert(authorization)
    const subject = aboutAuthorization(authorization, isRemembered ? { remembered: true } : {})
    await tx.audit.append(auditEvent(actor, now, 'authorization.created', subject))
    return authorization
  })
}

async function requireStillActive (tx: ClientPort, { id, name }: Client): Promise<void> {
  const client = await tx.clients.get(id)
  if (client === null || isActive(client)) return
  throw new Failure('credential_disabled', { message: `The application ${name} is not available any more.` })
}

/**
 * Continues the chain of the one before it, with its limits and its allowance: they belong to the plan, and one that
 * begins, silently or after the other was ended, leads out of neither. Where there are no limits, a member who decides
 * begins a chain of its own, such as on another computer.
 */
function continued (begun: Authorization, before: Authorization | null, isRemembered: boolean): Authorization {
  if (before === null) return begun
  const { chainId } = before
  const limits = limitsOf(before, before)
  const isLimited = Object.values(limits).some(limit => limit !== null)
  return isLimited || isRemembered ? { ...begun, chainId, ...limits } : begun
}

/** Ends the oldest authorizations, so that there is room for another one. */
async function makeRoom (
  tx: AuditPort & AuthorizationPort & AuthorizationStepPort, actor: Actor, next: Authorization
): Promise<void> {
  const { organizationId, memberId, clientId, resourceId, createdAt } = next
  const oldestKept = await tx.authorizations.nth(next, mostConnections - 1)
  if (oldestKept === null) return
  const set = { memberId, clientIds: [clientId], resourceId, before: oldestKept }
  const detail = { member: memberId, client: clientId, resource: resourceId }
  await endAllInside(tx, actor, set, { organizationId, subject: next.id, detail }, createdAt, 'superseded')
}

/**
 * Adds to the consent what it does not say yet; a consent that says it all stays as it is. Of a client that has changed
 * it remembers what is allowed now, alone.
 */
async function remember (
  tx: ConsentPort, { organizationId, memberId, clientId, resourceId, ...allowed }: Authorization,
  clientForm: string | null, now: Date, note: (consent: Consent) => Promise<void>
): Promise<void> {
  const before = await tx.consents.about({ memberId, clientId, resourceId })
  if (before === null) {
    const { scopes, identityScopes } = allowed
    const asked = { organizationId, memberId, clientId, resourceId, scopes, identityScopes }
    const consent = { id: newId('cns'), ...asked, clientForm, createdAt: now, updatedAt: now, revision: 1 }
    await tx.consents.insert(consent)
    return await note(consent)
  }
  const isSame = before.clientForm === clientForm
  if (isSame && coversAll(before, allowed)) return
  const union = (one: readonly string[], other: readonly string[]) => [...new Set([...isSame ? one : [], ...other])]
  const scopes = union(before.scopes, allowed.scopes)
  const identityScopes = union(before.identityScopes, allowed.identityScopes)
  await note(await tx.consents.update({ ...before, scopes, identityScopes, clientForm, updatedAt: now }))
}
