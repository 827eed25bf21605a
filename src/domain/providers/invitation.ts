/** Invitations: a person with this verified e-mail becomes a member, or signs in as one that is there, once. */
import { secondsAfter } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { newId } from '../../secrets/random.ts'
import type { GroupPort } from '../access/group.ts'
import { change, type RecordKind } from '../audit/change.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Actor } from '../core/actor.ts'
import { requireFuture, requireVisible, type Operation, type Revised } from '../core/operation.ts'
import type { Listed, ListQuery, Sought } from '../core/list.ts'
import { requireMayLetIn, requireRestrictionsWithin } from '../members/delegation.ts'
import { normalEmail, requireEmail } from '../members/email.ts'
import { memberBehind } from '../members/member-actor.ts'
import { requireMemberHeld, requireRaiseHeld, requireRoleHeld } from '../members/member-delegation.ts'
import type { Member, MemberPort } from '../members/permissions.ts'
import { noPermissions, rolePermissions, type Role } from '../members/roles.ts'
import type { IdentityPort } from '../people/identity.ts'
import type { PolicyPort } from '../policy/policy.ts'
import { managementResourceId, type ResourcePort } from '../resources/resource.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import { requireGroupsHeld } from './groups-held.ts'

export interface Invitation extends Revised {
  /** `inv_…` */
  id: string
  organizationId: string
  email: string
  /** As `email` is compared. */
  normalEmail: string
  role: Role
  /** Ids. */
  groups: readonly string[]
  /** The member that it links, or, once it was accepted, made. Null: it will make one. */
  memberId: string | null
  createdBy: string
  /** The member whose credential made it, and without whom it is void; null: none. */
  creatorId: string | null
  createdAt: Date
  expiresAt: Date
  acceptedAt: Date | null
  revokedAt: Date | null
}

/** The first that applies of accepted, revoked, expired; else open. */
export const invitationStatuses = ['open', 'accepted', 'expired', 'revoked'] as const
export type InvitationStatus = typeof invitationStatuses[number]

/** `search`: in the e-mail. */
export interface InvitationFilter extends Sought {
  organizationId?: string
  normalEmail?: string
  status?: { is: InvitationStatus, at: Date }
}

export interface InvitationRepository {
  insert (invitation: Invitation): Promise<void>
  get (id: string): Promise<Invitation | null>
  /** Replaces everything but id, organizationId and createdAt; returns it with its next revision. */
  update (invitation: Invitation): Promise<Invitation>
  /** The open ones of an address, oldest first. */
  openFor (normalEmail: string, now: Date): Promise<Invitation[]>
  /** Accepts an open one, in one statement; false: it was not open any more. */
  accept (id: string, memberId: string, now: Date): Promise<boolean>
  page (query: ListQuery, filter: InvitationFilter): Promise<Listed<Invitation>>
  /** Deletes at most `limit` that were accepted, revoked or over before `before`; returns how many. */
  prune (before: Date, limit: number): Promise<number>
}

/** Seconds for which an invitation that was accepted, revoked or has expired is kept, to be looked up. */
export const keptInvitations = 30 * 86_400

export interface InvitationPort { invitations: InvitationRepository }

type Ports =
  & AuditPort & GroupPort & IdentityPort & InvitationPort & MemberPort & OrganizationPort & PolicyPort & ResourcePort

export interface InvitationInput {
  organizationId: string
  /** Of a new member. */
  email?: string
  role?: Role
  groups?: readonly string[]
  /** In place of the three: the member that it links. */
  memberId?: string
  /** Absent: in seven days. */
  expiresAt?: Date
}

/** Seconds. */
const lifetime = 7 * 86_400
const longestLifetime = 90 * 86_400

/**
 * Invites a person. It sends no e-mail: the inviter does.
 * @throws Failure `not_found`, `organization_not_active`, `invalid_request`, `invalid_expiry`, `conflict` for an e-mail
 * or a member that needs no invitation, `insufficient_permissions`.
 */
export async function createInvitation (
  { store, clock, actor }: Operation<Ports>, input: InvitationInput
): Promise<Invitation> {
  const now = clock()
  const expiresAt = requireFuture(input.expiresAt ?? secondsAfter(now, lifetime), now)!
  if (expiresAt > secondsAfter(now, longestLifetime)) {
    throw new Failure('invalid_expiry', {
      message: `An invitation lasts ${longestLifetime / 86_400} days at most.`, details: { field: 'expiresAt' }
    })
  }
  return await store.transaction(async tx => {
    await requireActiveOrganization(tx, actor, input.organizationId)
    requireMayLetIn(actor, 'invitations')
    // The session that it begins has none of the actor's restrictions.
    requireRestrictionsWithin(actor, { id: managementResourceId }, { allowlist: [], expiresAt: null })
    const about = input.memberId === undefined
      ? await newcomer(tx, actor, input)
      : await presentMember(tx, actor, input.organizationId, input.memberId)
    const invitation: Invitation = {
      id: newId('inv'),
      organizationId: input.organizationId,
      ...about,
      normalEmail: normalEmail(about.email),
      createdBy: actor.id,
      creatorId: memberBehind(actor),
      createdAt: now,
      expiresAt,
      acceptedAt: null,
      revokedAt: null,
      revision: 1,
    }
    await tx.invitations.insert(invitation)
    await tx.audit.append(auditEvent(actor, now, 'invitation.created', auditSubject(invitation)))
    return invitation
  })
}

/** @throws Failure `not_found`, also for one of another organization. */
export async function getInvitation ({ store, actor }: Operation<InvitationPort>, id: string): Promise<Invitation> {
  return requireVisible(actor, await store.invitations.get(id), 'invitation', id)
}

/** Ends an open invitation. Idempotent. @throws Failure `not_found`, `conflict` for one that was accepted. */
export async function revokeInvitation (
  operation: Operation<AuditPort & InvitationPort>, id: string
): Promise<Invitation> {
  return await change(operation, invitations, id, 'invitation.revoked', async (before, now) => {
    if (before.acceptedAt !== null) {
      throw new Failure('conflict', {
        message: `The invitation ${id} was accepted; remove the member ${before.memberId} instead.`
      })
    }
    return before.revokedAt === null ? { ...before, revokedAt: now } : before
  })
}

export function statusOf ({ acceptedAt, revokedAt, expiresAt }: Invitation, now: Date): InvitationStatus {
  if (acceptedAt !== null) return 'accepted'
  if (revokedAt !== null) return 'revoked'
  return expiresAt <= now ? 'expired' : 'open'
}

/** The member of an organization with an e-mail; null: there is none. */
export async function memberWithEmail (
  tx: MemberPort, organizationId: string, email: string
): Promise<Member | null> {
  const { items } = await tx.members.page({ limit: 1, after: null }, { organizationId, email, removed: false })
  return items[0] ?? null
}

async function newcomer (tx: Ports, actor: Actor, { organizationId, email, role, groups = [] }: InvitationInput) {
  if (email === undefined || role === undefined) {
    throw new Failure('invalid_request', {
      message: 'Name the e-mail and the role of a new member, or the member that the invitation links.',
      details: { field: email === undefined ? 'email' : 'role' }
    })
  }
  requireEmail(email)
  await requireRoleHeld(tx, actor, { organizationId, role })
  await requireRaiseHeld(tx, actor, organizationId, noPermissions, rolePermissions[role])
  await requireGroupsHeld(tx, actor, organizationId, groups)
  const member = await memberWithEmail(tx, organizationId, email)
  if (member !== null) {
    throw new Failure('conflict', {
      message: `The member ${member.id} has this e-mail already; invite that member by its id.`,
      details: { member: member.id }
    })
  }
  return { email, role, groups: [...new Set(groups)], memberId: null }
}

/** A member that is there and signs in with no provider yet. Whoever invites may do all that the member may. */
async function presentMember (tx: Ports, actor: Actor, organizationId: string, id: string) {
  const member = await tx.members.get(id)
  if (member?.organizationId !== organizationId || member.removedAt !== null) {
    throw new Failure('not_found', {
      message: `There is no member ${JSON.stringify(id.slice(0, 64))} in ${organizationId}.`
    })
  }
  await requireMemberHeld(tx, actor, member)
  if (member.email === null) {
    throw new Failure('invalid_request', {
      message: `The member ${id} has no e-mail, by which the invitation would know them; set it first.`,
      details: { field: 'member' }
    })
  }
  if ((await tx.identities.ofMember(id)).some(({ provider }) => provider !== 'passkey')) {
    throw new Failure('conflict', {
      message: `The member ${id} signs in with a provider already; another one is added from a signed-in session.`
    })
  }
  return { email: member.email, role: member.role, groups: [], memberId: id }
}

/** How they are found, kept and audited. */
const invitations: RecordKind<Invitation, InvitationPort> = {
  name: 'invitation',
  organizationOf: ({ organizationId }) => organizationId,
  get: (tx, id) => tx.invitations.get(id),
  update: (tx, after) => tx.invitations.update(after),
  about: auditSubject,
}

function auditSubject ({ id, organizationId, email, role, groups, memberId, expiresAt }: Invitation) {
  return { organizationId, subject: id, detail: { email, role, groups, member: memberId, expiresAt } }
}
