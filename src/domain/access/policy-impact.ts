/**
 * What a change of a policy would do before it is made: who gains or loses what, and whether anybody could still undo
 * it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { addressClasses, isAllowed } from '../../base/ip-address.ts'
import { secondsAfter } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { credentialAccesses, placeOf, usableScopes } from './effective-access.ts'
import type { CredentialAccess, ResourceAccess } from './access-explanation.ts'
import type { PageQuery } from '../core/page.ts'
import type { CredentialKind, PlannedPolicy, PolicyPlan, PolicyPort } from '../policy/policy.ts'
import { compilePolicies, evaluate, type UnknownAs, type PolicySet, type Subject } from '../policy/policy-evaluation.ts'
import { ownLockOut, undoing, wouldLockOutActor } from './own-lock-out.ts'
import { ownerOf, setsByOrganization, type Sets } from './planned-policies.ts'
import { managementResourceId, type Resource, type ResourcePort } from '../resources/resource.ts'
import type { Actor } from '../core/actor.ts'
import type { Operation } from '../core/operation.ts'
import type { ApiKeyPort } from '../credentials/api-key.ts'
import type { ClientPort } from '../credentials/client.ts'
import type { ManagementTokenPort } from '../credentials/management-token.ts'
import type { PublishableKeyPort } from '../credentials/publishable-key.ts'
import type { WebhookTokenPort } from '../credentials/webhook-token.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'
import type { MemberPort } from '../members/permissions.ts'

/** What the operations of this file read and write. */
type Ports =
  & ApiKeyPort
  & ClientPort
  & ManagementTokenPort
  & MemberPort
  & OrganizationPort
  & PolicyPort
  & PublishableKeyPort
  & ResourcePort
  & WebhookTokenPort

/** What a credential gains and loses on one resource. */
export interface AccessDifference {
  resource: Resource
  gains: readonly string[]
  loses: readonly string[]
  /** Those of both that it has, before or after, only from some addresses or at some times. */
  sometimes: readonly string[]
}

export interface CredentialImpact {
  id: string
  kind: CredentialKind
  name: string
  organizationId: string | null
  createdAt: Date
  differences: readonly AccessDifference[]
}

export interface Impact {
  /** Those of the page that gain or lose something. */
  items: readonly CredentialImpact[]
  hasMore: boolean
  /** How many gain or lose something, and of these how many gain, how many lose. */
  totals: { credentials: number, gaining: number, losing: number }
  /** Whether it would be refused unless it is forced. */
  wouldLockOut: boolean
  /** Whether it would be refused because of the very session that asks, from where it comes. */
  wouldLockOutYou: boolean
}

/**
 * Tells what `plan` would change; changes nothing. Looks at every credential that could be bound, whatever the page.
 */
export async function impactOf<Wider extends Ports> (
  { store, clock, actor }: Operation<Wider>, plan: PolicyPlan<Wider>, query: PageQuery
): Promise<Impact> {
  const now = clock()
  const planned = await plan(store)
  const organizationId = (planned.after ?? planned.before)!.organizationId
  const setsOf = setsByOrganization(store, planned)
  const items: CredentialImpact[] = []
  const totals = { credentials: 0, gaining: 0, losing: 0 }
  const behind = passedBy(query)
  for await (const credential of credentialAccesses(store, organizationId ?? undefined, now, null)) {
    const impact = impactOn(credential, await setsOf(credential.organizationId), now)
    if (impact.differences.length === 0) continue
    totals.credentials++
    if (impact.differences.some(({ gains }) => gains.length > 0)) totals.gaining++
    if (impact.differences.some(({ loses }) => loses.length > 0)) totals.losing++
    if (behind(credential) && items.length <= query.limit) items.push(impact)
  }
  const wouldLockOutYou = await wouldLockOutActor(store, actor, planned, now)
  return {
    items: items.slice(0, query.limit),
    hasMore: items.length > query.limit,
    totals,
    wouldLockOut: wouldLockOutYou || await wouldLockOut(store, planned, now),
    wouldLockOutYou
  }
}

/** Whether a credential stands behind the one that the page before ended with. */
function passedBy ({ after }: PageQuery): (credential: CredentialAccess) => boolean {
  return credential => {
    if (after === null) return true
    const [place, end] = [placeOf(credential.id), placeOf(after.id)]
    if (place !== end) return place > end
    const apart = after.createdAt.getTime() - credential.createdAt.getTime()
    return apart > 0 || (apart === 0 && credential.id < after.id)
  }
}

function impactOn (credential: CredentialAccess, sets: Sets, now: Date): CredentialImpact {
  const { id, kind, name, organizationId, createdAt, accesses } = credential
  const differences = accesses.map(access => differenceOf(credential, access, sets, now)).filter(({ gains, loses }) =>
    gains.length + loses.length > 0
  )
  return { id, kind, name, organizationId, createdAt, differences }
}

/** Over all addresses and all times from now on: what it may have at most and what it always has. */
function differenceOf (
  credential: CredentialAccess, access: ResourceAccess, { before, after }: Sets, now: Date
): AccessDifference {
  const scopes = usableScopes(access)
  const left = (sets: readonly PolicySet[], doubt: UnknownAs) =>
    new Set(evaluate(sets, subjectOf(credential, access), scopes, { address: null, now, anyTime: true }, doubt).scopes)
  const [most, least] = [{ before: left(before, 'passes'), after: left(after, 'passes') }, {
    before: left(before, 'refuses'), after: left(after, 'refuses')
  }]
  const degree = (scope: string, when: 'before' | 'after') =>
    Number(most[when].has(scope)) + Number(least[when].has(scope))
  const gains = scopes.filter(scope => degree(scope, 'after') > degree(scope, 'before'))
  const loses = scopes.filter(scope => degree(scope, 'after') < degree(scope, 'before'))
  return {
    resource: access.resource,
    gains,
    loses,
    sometimes: [...gains, ...loses].filter(scope => degree(scope, 'before') === 1 || degree(scope, 'after') === 1)
  }
}

function subjectOf ({ kind, organizationId, groups }: CredentialAccess, { resource }: ResourceAccess): Subject {
  return { kind, organizationId, groups, resourceId: resource.id }
}

/**
 * Refuses a change after which no credential of the organization could change its policies any more, or not the session
 * of the person that makes it. A policy of the deployment can always be undone with the admin token, which no policy
 * binds. Returns whether `force` was what let it pass.
 * @throws Failure `would_lock_out`.
 */
export async function requireStillAdministered (
  repositories: Ports, planned: PlannedPolicy, actor: Actor, now: Date, force: boolean
): Promise<boolean> {
  const locksOutActor = await wouldLockOutActor(repositories, actor, planned, now)
  const locksOutAll = await wouldLockOut(repositories, planned, now)
  if (!locksOutAll && !locksOutActor) return false
  if (force) return true
  if (!locksOutAll) throw ownLockOut(actor)
  throw new Failure('would_lock_out', {
    message: `After this no credential of ${
      ownerOf(planned)
    } could change its policies any more, from any address, at any time of the coming week. Narrow the policy, or send "force": true if that is meant; the admin token can undo it.`,
    details: { force: true, organization: ownerOf(planned) }
  })
}

/**
 * Changes the members that policies bind, or that may change them. An administrator of the organization can change its
 * policies afterwards (see `requireStillAdministered`). @throws Failure `would_lock_out`.
 */
export async function keepingPoliciesChangeable<T> (
  repositories: Ports, organizationId: string, now: Date, change: () => Promise<T>
): Promise<T> {
  const before = await canAnybodyUndo(repositories, organizationId, now, true)
  const changed = await change()
  if (!before || await canAnybodyUndo(repositories, organizationId, now, false)) return changed
  throw new Failure('would_lock_out', {
    message:
      `After this no credential of ${organizationId} could change its policies any more, from any address, at any ` +
        'time of the coming week. The deployment\'s admin token can do it all the same.',
    details: { organization: organizationId }
  })
}

async function canAnybodyUndo (
  repositories: Ports, organizationId: string, now: Date, ifUnknown: boolean
): Promise<boolean> {
  const sets = await Promise.all(
    [null, organizationId].map(async owner => compilePolicies(await repositories.policies.of(owner)))
  )
  return await canUndo(await administratorsOf(repositories, organizationId, now), sets, now, ifUnknown)
}

async function wouldLockOut (repositories: Ports, planned: PlannedPolicy, now: Date): Promise<boolean> {
  const organizationId = ownerOf(planned)
  if (organizationId === null) return false
  const { before, after } = await setsByOrganization(repositories, planned)(organizationId)
  const administrators = await administratorsOf(repositories, organizationId, now)
  return !await canUndo(administrators, after, now, false) && await canUndo(administrators, before, now, true)
}

/** The credentials that would be able to undo a policy, were there none. */
async function administratorsOf (
  repositories: Ports, organizationId: string, now: Date
): Promise<{ credential: CredentialAccess, access: ResourceAccess }[]> {
  const found: { credential: CredentialAccess, access: ResourceAccess }[] = []
  for await (const credential of credentialAccesses(repositories, organizationId, now, null)) {
    if (credential.kind === 'session' || credential.kind === 'webhook_token') continue
    const access = credential.accesses.find(({ resource }) => resource.id === managementResourceId)
    if (access !== undefined && usableScopes(access).includes(undoing)) found.push({ credential, access })
  }
  return found
}

/** Seconds between the instants that are tried. */
const step = 900

/** How often a policy is looked at for one answer: some tenths of a second, in turns of some hundredths. */
const mostLooks = 200_000
const looksInTurn = 10_000

/**
 * Whether there is one of the credentials, an address that it may come from, and a time in the coming week, at which
 * nothing keeps it from undoing. `ifUnknown`, where there are more combinations than can be tried: organizations make
 * policies, and all wait meanwhile.
 */
async function canUndo (
  credentials: readonly { credential: CredentialAccess, access: ResourceAccess }[], sets: readonly PolicySet[],
  now: Date, ifUnknown: boolean
): Promise<boolean> {
  const ranges = sets.flatMap(({ policies }) =>
    policies.flatMap(({ conditions }) => conditions?.addresses === undefined ? [] : [conditions.addresses])
  )
  const entries = ranges.reduce((sum, { length }) => sum + length, 1)
  const each = sets.reduce((sum, { denies, allows }) => sum + denies.length + allows.length, 1)
  const known = new Map<string, string[]>()
  const instants = await instantClasses(sets, now)
  for (let looks = 0, turns = 0, i = 0; i < credentials.length; i++) {
    const { credential, access } = credentials[i]!
    const { allowlist } = credential
    const subject = subjectOf(credential, access)
    const name = allowlist.join(' ')
    if (!known.has(name)) looks += entries + allowlist.length
    const addresses = known.get(name) ??
      addressClasses([...ranges, allowlist]).filter(address => isAllowed(address, allowlist))
    known.set(name, addresses)
    for (let pair = 0; pair < addresses.length * instants.length; pair++) {
      if ((looks += each) > mostLooks) return ifUnknown
      const [address, at] = [addresses[Math.floor(pair / instants.length)]!, instants[pair % instants.length]!]
      if (evaluate(sets, subject, [undoing], { address, now: at }).scopes.length > 0) return true
      if (looks > (turns + 1) * looksInTurn) {
        turns = Math.floor(looks / looksInTurn)
        await nextTurn()
      }
    }
  }
  return false
}

/** One instant of the coming week out of all at which the same of the policies hold, as far as the time says. */
async function instantClasses (sets: readonly PolicySet[], now: Date): Promise<Date[]> {
  const timed = sets.flatMap(({ denies, allows }) => [...denies, ...allows]).filter(({ isTimed }) => isTimed)
  const classes = new Map<string, Date>()
  for (let i = 0; i < (timed.length === 0 ? 1 : 7 * 86_400 / step); i++) {
    const at = secondsAfter(now, i * step)
    const holding = timed.map(policy => Number(policy.holds({ address: null, now: at }) !== false)).join('')
    if (!classes.has(holding)) classes.set(holding, at)
    if (i % 50 === 49) await nextTurn()
  }
  return [...classes.values()]
}
