/**
 * Policies made ready to be asked at every request, and the one rule by which they are weighed (docs/policies.md): the
 * deployment's and each organization's policies are weighed apart, and each of them has to let a request pass. Among
 * those of one owner deny wins; and once an allow is about a credential, what no allow lets through is denied.
 */
import { isWithin } from '../../base/ip-address.ts'
import type { CredentialKind, Policy, PolicyConditions } from './policy.ts'
import { coverage } from '../resources/scope.ts'
import { compileWindow, type CompiledWindow } from './time-window.ts'

/** Whose request it is, and for what: what a policy is about. */
export interface Subject {
  kind: CredentialKind
  /** Null: it belongs to no organization. */
  organizationId: string | null
  /** Null: that cannot be told. */
  groups: readonly string[] | null
  /** Null: that cannot be told. */
  resourceId: string | null
}

/** From where and when it comes: under which circumstances a policy holds. */
export interface Circumstances {
  /** What is no address stands for one that cannot be told, as null does. */
  address: string | null
  now: Date
  /** Any time from `now` on is asked about, and so none in particular is known. */
  anyTime?: boolean
}

/**
 * What is made of a condition on something that cannot be told: that which refuses more, or that which refuses less.
 */
export type UnknownAs = 'refuses' | 'passes'

/** What policies leave of a request. The ids are those of the policies that took something away. */
export interface Evaluation {
  /** Refuses the request, whatever it asks for; null: nothing does. */
  refusedBy: string | null
  /** The scopes that are left. */
  scopes: readonly string[]
  withheld: ReadonlyMap<string, string>
}

/**
 * Whether a condition is met; null: that cannot be told. It never counts as "not met" by itself: `Doubt` says what it
 * counts as.
 */
type Met = boolean | null

interface CompiledPolicy {
  id: string
  isAbout (subject: Subject): Met
  /** Whether it is about a scope. Null: it is not limited to some scopes. */
  covers: ((scope: string) => boolean) | null
  /** Whether it depends on the time when it holds. */
  isTimed: boolean
  holds (circumstances: Circumstances): Met
}

/** The policies of one owner, a disabled one never among what is weighed. */
export interface PolicySet {
  /** All of them, as they are stored. */
  policies: readonly Policy[]
  denies: readonly CompiledPolicy[]
  allows: readonly CompiledPolicy[]
}

export const noPolicies: PolicySet = { policies: [], denies: [], allows: [] }

/** Compiles the policies of one owner. One that cannot be read denies everything that it could be about. */
export function compilePolicies (policies: readonly Policy[]): PolicySet {
  const enabled = policies.filter(policy => policy.enabled).map(policy => ({ policy, compiled: compile(policy) }))
  return {
    policies,
    denies: enabled.filter(each => each.compiled === null || each.policy.effect !== 'allow').map((
      { policy, compiled }
    ) => compiled ?? denyingAll(policy)),
    allows: enabled.flatMap(({ policy, compiled }) => compiled === null || policy.effect !== 'allow' ? [] : compiled)
  }
}

/** Whether there is nothing to weigh, whatever the request. */
export function isEmpty ({ denies, allows }: PolicySet): boolean {
  return denies.length === 0 && allows.length === 0
}

/** What the policies of `sets` leave of `scopes` for this request. */
export function evaluate (
  sets: readonly PolicySet[], subject: Subject, scopes: readonly string[], circumstances: Circumstances,
  doubt: UnknownAs = 'refuses'
): Evaluation {
  const withheld = new Map<string, string>()
  for (const set of sets) {
    const refusedBy = weighDenies(set, subject, scopes, circumstances, doubt, withheld) ??
      weighAllows(set, subject, scopes, circumstances, doubt, withheld)
    if (refusedBy !== null) return { refusedBy, scopes: [], withheld }
  }
  return {
    refusedBy: null, scopes: withheld.size === 0 ? scopes : scopes.filter(scope => !withheld.has(scope)), withheld
  }
}

/** The id of the policy that refuses everything. What is refused of the scopes is added to `withheld`. */
function weighDenies (
  { denies }: PolicySet, subject: Subject, scopes: readonly string[], circumstances: Circumstances, doubt: UnknownAs,
  withheld: Map<string, string>
): string | null {
  const ifUnknown = doubt === 'refuses'
  for (const policy of denies) {
    if (!(policy.isAbout(subject) ?? ifUnknown) || !(policy.holds(circumstances) ?? ifUnknown)) continue
    if (policy.covers === null) return policy.id
    for (const scope of scopes) if (!withheld.has(scope) && coversScope(policy, scope)) withheld.set(scope, policy.id)
  }
  return null
}

/** As `weighDenies`. An allow binds what it may be about, and opens to nothing but what it is about and holds for. */
function weighAllows (
  { allows }: PolicySet, subject: Subject, scopes: readonly string[], circumstances: Circumstances, doubt: UnknownAs,
  withheld: Map<string, string>
): string | null {
  const ifUnknown = doubt === 'refuses'
  const first = allows.find(policy => policy.isAbout(subject) ?? ifUnknown)
  if (first === undefined) return null
  const open = allows.filter(policy =>
    (policy.isAbout(subject) ?? !ifUnknown) && (policy.holds(circumstances) ?? !ifUnknown)
  )
  if (open.length === 0) return first.id
  // Named is one that is about the request: where nothing lets a scope through, each of them is the reason.
  for (const scope of scopes) {
    if (!withheld.has(scope) && !open.some(policy => coversScope(policy, scope))) withheld.set(scope, first.id)
  }
  return null
}

/** A pattern covers API-key-only scopes too: a policy gives nobody anything, it only leaves or takes. */
function coversScope ({ covers }: CompiledPolicy, scope: string): boolean {
  return covers === null || covers(scope)
}

/** Null: it cannot be read. */
function compile ({ id, effect, conditions }: Policy): CompiledPolicy | null {
  if (conditions === null || (effect !== 'allow' && effect !== 'deny')) return null
  let window: CompiledWindow | null
  try {
    window = conditions.times === undefined ? null : compileWindow(conditions.times)
  } catch {
    return null
  }
  return {
    id,
    covers: conditions.scopes === undefined ? null : coverage(conditions.scopes),
    isAbout: subjectTest(conditions),
    isTimed: window !== null,
    holds: circumstances => both(holdsAt(conditions.addresses, circumstances), holdsThen(window, circumstances)),
  }
}

/** One that is not met settles it, whatever cannot be told. */
function both (one: Met, other: Met): Met {
  if (one === false || other === false) return false
  return one === null || other === null ? null : true
}

function subjectTest ({ organizations, groups, kinds, resources }: PolicyConditions): CompiledPolicy['isAbout'] {
  return subject => {
    if (kinds !== undefined && !kinds.includes(subject.kind)) return false
    // One that belongs to no organization is known to belong to none of these.
    if (
      organizations !== undefined &&
      !(subject.organizationId !== null && organizations.includes(subject.organizationId))
    ) return false
    return both(isAmong(resources, subject.resourceId), hasOne(groups, subject.groups))
  }
}

function isAmong (ids: readonly string[] | undefined, id: string | null): Met {
  if (ids === undefined) return true
  return id === null ? null : ids.includes(id)
}

function hasOne (ids: readonly string[] | undefined, of: readonly string[] | null): Met {
  if (ids === undefined) return true
  return of === null ? null : ids.some(id => of.includes(id))
}

function holdsAt (addresses: readonly string[] | undefined, { address }: Circumstances): Met {
  return addresses === undefined ? true : isWithin(address, addresses)
}

function holdsThen (window: CompiledWindow | null, { now, anyTime }: Circumstances): Met {
  if (window === null) return true
  if (Number.isNaN(now.getTime())) return null
  if (anyTime === true) return window.isOver(now) ? false : null
  return window.contains(now)
}

function denyingAll ({ id }: Policy): CompiledPolicy {
  return { id, covers: null, isAbout: () => true, isTimed: false, holds: () => true }
}
