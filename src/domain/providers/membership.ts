/**
 * The member that a vouched person is: by an identity that was linked before, by an invitation, or by the domain of a
 * verified e-mail. Each way holds only where the organization trusts the provider.
 */
import type { GroupPort } from '../access/group.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Actor } from '../core/actor.ts'
import { newId } from '../../secrets/random.ts'
import { normalEmail } from '../members/email.ts'
import { aboutMember } from '../members/member.ts'
import { actorOfMember, isAllowed } from '../members/member-actor.ts'
import { requireMemberHeld, requireRoleHeld } from '../members/member-delegation.ts'
import type { Member, MemberPort } from '../members/permissions.ts'
import { identityOf, type IdentityPort } from '../people/identity.ts'
import type { TrustedProviderPort } from '../people/provider-trust.ts'
import type { PolicyPort } from '../policy/policy.ts'
import type { ResourcePort } from '../resources/resource.ts'
import { reasonAgainstOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import { domainOf, type EmailDomainPort } from './email-domain.ts'
import { requireGroupsHeld } from './groups-held.ts'
import { memberWithEmail, type Invitation, type InvitationPort } from './invitation.ts'
import type { VouchedPerson } from './vouched-person.ts'

export type MembershipPorts =
  & AuditPort & EmailDomainPort & GroupPort & IdentityPort & InvitationPort & MemberPort & OrganizationPort
  & PolicyPort & ResourcePort & TrustedProviderPort

/** Why a vouched person gets in nowhere: for the audit log. */
export type SignInProblem =
  | 'unknown_person' | 'email_not_verified' | 'email_linked_already' | 'member_removed' | 'organization_not_active'
  | 'provider_not_trusted' | 'inviter_lost_permission' | 'email_changed'

export class RefusedPerson extends Error {
  readonly problem: SignInProblem
  readonly organizationId: string | null

  constructor (problem: SignInProblem, organizationId: string | null = null) {
    super(problem)
    this.problem = problem
    this.organizationId = organizationId
  }
}

/** The transaction of a sign-in, and the organization that it is for; null: any. `linkedAt` absent: now. */
export interface Admitting {
  tx: MembershipPorts
  actor: Actor
  now: Date
  organizationId: string | null
  linkedAt?: Date
}

/** Invitations that one sign-in accepts: an organization that partners provisioned costs them nothing. */
const mostAtOnce = 20

/** The members that a person is: the one that signs in, and with it all of them. */
export interface Memberships { signsIn: Member, all: readonly Member[] }

/**
 * Takes a person into every organization that has invited the verified e-mail, and into the one of its domain where
 * that lets people join. The oldest member that the person was before signs in; of a new person, the member of the
 * organization that the deployment gave the domain of the e-mail, so that no other one comes before it by inviting
 * them; else the one of the oldest invitation.
 * @throws RefusedPerson.
 */
export async function membershipsOf (admitting: Admitting, person: VouchedPerson): Promise<Memberships> {
  const before = await linkedMembers(admitting, person)
  const taken = await takenIn(admitting, person, before.present)
  const all = [...before.members, ...taken.members]
  const signsIn = all.find(each => concerns(admitting, each.organizationId))
  if (signsIn !== undefined) return { signsIn, all }
  throw taken.refused ?? before.refused ?? new RefusedPerson(problemOfStranger(person))
}

function problemOfStranger ({ email, hasUnverifiedEmail }: VouchedPerson): SignInProblem {
  return email === null && hasUnverifiedEmail ? 'email_not_verified' : 'unknown_person'
}

/** What a way leads to: a member, the reason why it does not, or null: it has nothing to say. */
type Outcome = Member | RefusedPerson | null

/** Members, and the first reason why there is none of the organization that the sign-in is for. */
interface Outcomes { members: Member[], refused: RefusedPerson | null }

function add (outcomes: Outcomes, outcome: Outcome): void {
  if (outcome instanceof RefusedPerson) outcomes.refused ??= outcome
  else if (outcome !== null) outcomes.members.push(outcome)
}

/**
 * The members that the identity may sign in as, the oldest link first. `present`: the organizations in which it stands
 * for a member, signing in or not.
 */
async function linkedMembers (
  admitting: Admitting, person: VouchedPerson
): Promise<Outcomes & { present: Set<string> }> {
  const { tx } = admitting
  const found = { members: [], refused: null, present: new Set<string>() }
  const identity = await tx.identities.bySubject(person.issuer, person.subject)
  for (const link of identity === null ? [] : await tx.identities.members(identity.id)) {
    const problem = await problemOf(tx, link.organizationId, person.provider)
    const member = await tx.members.get(link.memberId)
    const isThere = member !== null && member.removedAt === null
    if (isThere) found.present.add(link.organizationId)
    if (isThere && problem === null) add(found, member)
    else if (concerns(admitting, link.organizationId)) {
      add(found, new RefusedPerson(problem ?? 'member_removed', link.organizationId))
    }
  }
  return found
}

/**
 * The members that a person becomes by the verified e-mail: `present` ones stay who they are. The organization that the
 * deployment gave the domain of the e-mail comes first, by invitation or by its domain, and then the oldest invitation.
 */
async function takenIn (admitting: Admitting, person: VouchedPerson, present: Set<string>): Promise<Outcomes> {
  const { tx, now } = admitting
  const { email } = person
  const taken: Outcomes = { members: [], refused: null }
  if (email === null) return taken
  const take = async ({ organizationId }: { organizationId: string }, way: (next: Admitting) => Promise<Outcome>) => {
    const isFull = taken.members.length === mostAtOnce
    if (isFull || present.has(organizationId) || !concerns(admitting, organizationId)) return
    // A millisecond keeps the order of those that one sign-in links.
    const outcome = await way({ ...admitting, linkedAt: new Date(now.getTime() + taken.members.length) })
    add(taken, outcome)
    if (taken.members.at(-1) === outcome) present.add(organizationId)
  }
  const domain = domainOf(email)
  const given = domain === null ? null : await tx.emailDomains.byDomain(domain)
  const open = await tx.invitations.openFor(normalEmail(email), now)
  const isOfDomain = ({ organizationId }: Invitation) => organizationId === given?.organizationId
  const accepting = (invitation: Invitation) => take(invitation, next => invitedMember(next, person, invitation))
  for (const invitation of open.filter(isOfDomain)) await accepting(invitation)
  if (given !== null) {
    await take(given, next => joinedMember(next, person, { email, organizationId: given.organizationId }))
  }
  for (const invitation of open.filter(each => !isOfDomain(each))) await accepting(invitation)
  return taken
}

function concerns ({ organizationId }: Admitting, of: string): boolean {
  return organizationId === null || of === organizationId
}

async function invitedMember (
  admitting: Admitting, person: VouchedPerson, invitation: Invitation
): Promise<Outcome> {
  const problem = await problemOf(admitting.tx, invitation.organizationId, person.provider) ??
    await problemOfInvitation(admitting.tx, invitation)
  return problem === null
    ? await accept(admitting, person, invitation)
    : new RefusedPerson(problem, invitation.organizationId)
}

/**
 * By the rule for domains: nobody invited the person, so an e-mail that a member has already lets nobody in, and
 * neither does it let in again whom the organization has removed.
 */
async function joinedMember (
  admitting: Admitting, person: VouchedPerson, { email, organizationId }: { email: string, organizationId: string }
): Promise<Outcome> {
  const { tx } = admitting
  const problem = await problemOf(tx, organizationId, person.provider)
  if (problem !== null) return new RefusedPerson(problem, organizationId)
  const trusted = await tx.trustedProviders.ofPair(organizationId, person.provider)
  if (trusted!.joinsAs === null) return null
  if (await wasMember(tx, organizationId, person, email)) return new RefusedPerson('member_removed', organizationId)
  if (await memberWithEmail(tx, organizationId, email) !== null) {
    return new RefusedPerson('email_linked_already', organizationId)
  }
  const member = { id: newId('mem'), organizationId }
  await insertMember(admitting, person, { ...member, email, role: trusted!.joinsAs })
  await link(admitting, person, member)
  return await tx.members.get(member.id)
}

/** Whether the identity, or the e-mail, is that of a member who was removed: one who is there comes another way. */
async function wasMember (
  tx: IdentityPort & MemberPort, organizationId: string, person: VouchedPerson, formerEmail: string
): Promise<boolean> {
  const identity = await tx.identities.bySubject(person.issuer, person.subject)
  const links = identity === null ? [] : await tx.identities.members(identity.id)
  if (links.some(link => link.organizationId === organizationId)) return true
  const { items } = await tx.members.page({ limit: 1, after: null }, { organizationId, formerEmail })
  return items.length > 0
}

/** Whether a member with this e-mail was removed after the invitation was made: it does not bring them back. */
async function wasRemovedSince (
  tx: MemberPort, { organizationId, email, createdAt }: Invitation
): Promise<boolean> {
  const { items } = await tx.members.page({ limit: 20, after: null }, { organizationId, formerEmail: email })
  return items.some(({ removedAt }) => removedAt !== null && removedAt >= createdAt)
}

/** Whether an organization is one that a provider may let people into now. */
async function problemOf (
  tx: OrganizationPort & TrustedProviderPort, organizationId: string, provider: string
): Promise<SignInProblem | null> {
  if (await tx.trustedProviders.ofPair(organizationId, provider) === null) return 'provider_not_trusted'
  const organization = await tx.organizations.get(organizationId)
  return reasonAgainstOrganization(organization) === null ? null : 'organization_not_active'
}

/** An e-mail links once; and what a member could not give any more, its invitation does not give either. */
async function problemOfInvitation (tx: MembershipPorts, invitation: Invitation): Promise<SignInProblem | null> {
  const { organizationId, memberId, email, creatorId } = invitation
  const member = memberId === null ? null : await tx.members.get(memberId)
  if (memberId !== null && (member === null || member.removedAt !== null)) return 'member_removed'
  // Who has the address that the member had does not speak for the member any more.
  if (member !== null && normalEmail(member.email ?? '') !== invitation.normalEmail) return 'email_changed'
  if (memberId === null && await wasRemovedSince(tx, invitation)) return 'member_removed'
  const other = await memberWithEmail(tx, organizationId, email)
  if (other !== null && other.id !== memberId) return 'email_linked_already'
  if (memberId !== null && (await tx.identities.ofMember(memberId)).some(({ provider }) => provider !== 'passkey')) {
    return 'email_linked_already'
  }
  return creatorId === null || await isStillHeld(tx, creatorId, invitation, member) ? null : 'inviter_lost_permission'
}

/** `member`: whom the invitation links, as they are now: they may have become more than the inviter is. */
async function isStillHeld (
  tx: MembershipPorts, creatorId: string, { organizationId, role, groups }: Invitation, member: Member | null
): Promise<boolean> {
  const actor = await actorOfMember(tx, creatorId, organizationId)
  return actor !== null && await isAllowed(async () => {
    if (member !== null) await requireMemberHeld(tx, actor, member)
    else await requireRoleHeld(tx, actor, { organizationId, role })
    await requireGroupsHeld(tx, actor, organizationId, await presentGroups(tx, groups))
  })
}

/** Those that were not deleted meanwhile. */
async function presentGroups (tx: GroupPort, ids: readonly string[]): Promise<string[]> {
  const present: string[] = []
  for (const id of ids) if (await tx.groups.get(id) !== null) present.push(id)
  return present
}

async function accept (admitting: Admitting, person: VouchedPerson, invitation: Invitation): Promise<Outcome> {
  const { tx, actor, now } = admitting
  const { id, organizationId, email, role, groups } = invitation
  const memberId = invitation.memberId ?? newId('mem')
  if (!await tx.invitations.accept(id, memberId, now)) return null
  if (invitation.memberId === null) {
    await insertMember(admitting, person, { id: memberId, organizationId, email, role })
    for (const group of await presentGroups(tx, groups)) await tx.groups.addMember(group, memberId)
  }
  await tx.audit.append(auditEvent(actor, now, 'invitation.accepted', {
    organizationId, subject: id, detail: { member: memberId, email, provider: person.provider, groups }
  }))
  await link(admitting, person, { id: memberId, organizationId })
  return await tx.members.get(memberId)
}

async function insertMember (
  { tx, actor, now }: Admitting, { name }: VouchedPerson, given: Pick<Member, 'id' | 'organizationId' | 'role'> & {
    email: string
  }
): Promise<void> {
  const member: Member = {
    ...given,
    name: name ?? given.email,
    scopes: null,
    operator: false,
    groups: [],
    createdAt: now,
    removedAt: null,
    revision: 1
  }
  await tx.members.insert(member)
  await tx.audit.append(auditEvent(actor, now, 'member.created', aboutMember(member)))
}

/** Links the identity to a member, in the place of one that was removed. */
export async function link (
  { tx, actor, now, linkedAt = now }: Pick<Admitting, 'tx' | 'actor' | 'now' | 'linkedAt'>,
  { issuer, subject, provider }: VouchedPerson,
  { id, organizationId }: Pick<Member, 'id' | 'organizationId'>
): Promise<void> {
  const identity = await identityOf(tx, issuer, subject, now)
  await tx.identities.unlink(identity.id, organizationId)
  await tx.identities.link({ identityId: identity.id, organizationId, memberId: id, createdAt: linkedAt })
  await tx.audit.append(auditEvent(actor, now, 'identity.linked', {
    organizationId, subject: id, detail: { identity: identity.id, provider }
  }))
}
