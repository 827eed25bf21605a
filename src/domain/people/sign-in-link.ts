/** Sign-in links: each signs one member in, once, for ten minutes. */
import { secondsAfter } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { isSignInLinkText, newSignInLinkText } from '../../secrets/credential-text.ts'
import { digestOf } from '../../secrets/digest.ts'
import { newId } from '../../secrets/random.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Actor } from '../core/actor.ts'
import { requireVisible, type Operation } from '../core/operation.ts'
import { requireMayLetIn, requireRestrictionsWithin } from '../members/delegation.ts'
import { actorOfMember, isAllowed, memberBehind } from '../members/member-actor.ts'
import { requireMemberHeld, requireOperatorHeld } from '../members/member-delegation.ts'
import type { Member, MemberPort } from '../members/permissions.ts'
import { roles } from '../members/roles.ts'
import { managementResourceId, type ResourcePort } from '../resources/resource.ts'
import { requireActiveOrganization, type OrganizationPort } from '../tenancy/organization.ts'
import type { PersonSession } from './person-session.ts'
import { requireWayIn, type TrustedProviderPort } from './provider-trust.ts'

export interface SignInLink {
  /** `sil_…` */
  id: string
  /** Of the text in the link's fragment; the text itself is never stored. */
  digest: string
  memberId: string
  /** The credential or member that made it. */
  createdBy: string
  /** The member whose credential made it: it is void once they could not make it any more. Null: none. */
  creatorId: string | null
  /** The API key or access token that made it, with which it and its session end; null: none did. */
  vouchedBy: string | null
  createdAt: Date
  expiresAt: Date
  /** The end of the session that made it; null: no session did. The session that it begins lasts no longer. */
  sessionEndsAt: PersonSession['expiresAt'] | null
  usedAt: Date | null
}

export interface SignInLinkRepository {
  insert (link: SignInLink): Promise<void>
  byDigest (digest: string): Promise<SignInLink | null>
  /** Marks an unused link that is good at `now` as used, in one statement; false: it was used or has expired. */
  use (digest: string, now: Date): Promise<boolean>
  /** How many links of a member were made since. */
  countSince (memberId: string, since: Date): Promise<number>
  /** How many links a key or token has vouched for since. */
  countVouchedSince (vouchedBy: string, since: Date): Promise<number>
  /** Ends the unused links of these keys, as if they had expired at `at`; returns how many. */
  endVouchedBy (keyIds: readonly string[], at: Date): Promise<number>
  /** Deletes at most `limit` links whose `expiresAt` lies before `before`; returns how many. */
  prune (before: Date, limit: number): Promise<number>
}

export interface SignInLinkPort { signInLinks: SignInLinkRepository }

/** Seconds for which a link is good. */
export const linkLifetime = 600

/** Links that may be made for one member within an hour. */
export const linksPerHour = 20

/** What makes a link, beside the actor: the key or token that vouches for it, or the session whose end it inherits. */
export interface LinkMaker { vouchedBy: string | null, sessionEndsAt: Date | null }

type CreationPorts =
  & AuditPort & MemberPort & OrganizationPort & ResourcePort & SignInLinkPort & TrustedProviderPort

/**
 * Makes a link; `text` is its secret, shown now and never again. The session that it begins is
 * the member's own, so the actor must hold all that the member may do.
 * @throws Failure `not_found`, `organization_not_active`, `credential_revoked` for a removed member,
 * `insufficient_permissions`, `too_many_requests`, `provider_required`.
 */
export async function createSignInLink (
  { store, clock, actor }: Operation<CreationPorts>, memberId: string, maker: LinkMaker
): Promise<{ link: SignInLink, text: string }> {
  const text = newSignInLinkText()
  return await store.transaction(async tx => {
    const now = clock()
    const member = requireVisible(actor, await tx.members.get(memberId), 'member', memberId)
    if (member.removedAt !== null) {
      throw new Failure('credential_revoked', { message: `The member ${memberId} was removed; create them anew.` })
    }
    const organization = await requireActiveOrganization(tx, actor, member.organizationId)
    requireMayLetIn(actor, 'sign-in links')
    await requireMayLink(tx, actor, member, maker)
    await requireWayIn(tx, organization, null)
    return { link: await insertLink(tx, actor, member, { ...maker, digest: digestOf(text), now }), text }
  })
}

/** Keeps a link that its maker may make. @throws Failure `too_many_requests`. */
export async function insertLink (
  tx: AuditPort & SignInLinkPort, actor: Actor, member: Member,
  { now, ...made }: LinkMaker & { digest: string, now: Date }
): Promise<SignInLink> {
  if (await tx.signInLinks.countSince(member.id, secondsAfter(now, -3_600)) >= linksPerHour) {
    throw new Failure('too_many_requests', {
      message: `${linksPerHour} links were made for the member ${member.id} within an hour; use one of them, or wait.`
    })
  }
  const link: SignInLink = {
    id: newId('sil'),
    memberId: member.id,
    createdBy: actor.id,
    creatorId: memberBehind(actor),
    ...made,
    createdAt: now,
    expiresAt: secondsAfter(now, linkLifetime),
    usedAt: null,
  }
  await tx.signInLinks.insert(link)
  await tx.audit.append(auditEvent(actor, now, 'sign_in_link.created', about(link, member)))
  return link
}

/**
 * A credential of the deployment makes links for everybody. Within an organization owners and admins do, and their
 * credentials, for members of no higher role. A session makes none for an operator: it would make a sign-in of ten
 * minutes a lasting one. Whoever makes a link has all that the member may do, and no restriction that it would shake
 * off.
 */
async function requireMayLink (
  tx: MemberPort & ResourcePort, actor: Actor, member: Member, { sessionEndsAt }: Pick<LinkMaker, 'sessionEndsAt'>
): Promise<void> {
  if (actor.organizationId !== null) await requireAdministrator(tx, actor, member)
  if (member.operator) {
    if (sessionEndsAt !== null) {
      refuse(`The member ${member.id} is an operator: only a credential of the deployment makes a link for them.`)
    }
    await requireOperatorHeld(tx, actor)
  }
  await requireMemberHeld(tx, actor, member)
  requireRestrictionsWithin(actor, { id: managementResourceId }, { allowlist: [], expiresAt: null })
}

/** Whether the member who made a link could still make it. A credential of no member answers for itself. */
export async function isStillHeld (
  tx: MemberPort & ResourcePort, { creatorId, sessionEndsAt }: SignInLink, member: Member
): Promise<boolean> {
  if (creatorId === null) return true
  const creator = await actorOfMember(tx, creatorId, member.organizationId)
  return creator !== null && await isAllowed(() => requireMayLink(tx, creator, member, { sessionEndsAt }))
}

async function requireAdministrator (tx: MemberPort, { creator }: Actor, member: Member): Promise<void> {
  const own = creator === null ? null : await tx.members.get(creator.id)
  if (own === null || !['owner', 'admin'].includes(own.role)) {
    refuse('Owners and admins of the organization make sign-in links, and credentials of the deployment do.')
  }
  // The roles stand in the order of what they may do.
  if (roles.indexOf(member.role) < roles.indexOf(own.role)) {
    refuse(`The member ${member.id} is ${member.role} and you are ${own.role}: another ${member.role} makes that link.`)
  }
}

function refuse (reason: string): never {
  throw new Failure('insufficient_permissions', {
    message: `${reason} On the computer of the server: latchkey member sign-in-link MEMBER`
  })
}

/** What an audit row tells of a link. */
function about ({ id, memberId, vouchedBy, expiresAt }: SignInLink, { organizationId }: Member) {
  return { organizationId, subject: id, detail: { member: memberId, vouchedBy, expiresAt } }
}

/** The link itself: its secret stands in the fragment, which browsers send to no server. */
export function signInLinkUrl (issuer: string, text: string): string {
  return `${issuer}/api/v1/auth/link#${text}`
}

/** The text of a link that a person pasted: its secret alone, or the whole address. Null: it is neither. */
export function readLinkText (given: string): string | null {
  const text = given.slice(given.lastIndexOf('#') + 1).trim()
  return isSignInLinkText(text) ? text : null
}
