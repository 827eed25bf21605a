/**
 * Compiled policies, and their evaluation at every request (docs/policies.md). The deployment's policies and each
 * organization's are evaluated separately, and each set has to let a request pass. Within a set deny wins; once an
 * allow is about a credential, everything outside the allows is denied.
 */
import { isWithin } from '../../base/ip-address.ts'
import type { CredentialKind, Policy, PolicyConditions } from './policy.ts'
import { coverage } from '../resources/scope.ts'
import { compileWindow, type CompiledWindow } from './time-window.ts'

/** The subject of a policy: a credential, and the resource of its request. */
export interface Subject {
  kind: CredentialKind
  /** Null: no organization. */
  organizationId: string | null
  /** Null: unknown. */
  groups: readonly string[] | null
  /** Null: unknown. */
  resourceId: string | null
}

/** The circumstances of a request, on which a policy may depend. */
export interface Circumstances {
  /** Null, or not an address: unknown. */
  address: string | null
  now: Date
  /** The evaluation is for any time from `now` on, so a particular time is unknown. */
  anyTime?: boolean
}

/** The treatment of a condition on something unknown: refuse more, or refuse less. */
export type UnknownAs = 'refuses' | 'passes'

/** The result of an evaluation. The ids are those of the policies that took something away. */
export interface Evaluation {
  /** The policy that refuses the whole request; null: none. */
  refusedBy: string | null
  /** The remaining scopes. */
  scopes: readonly string[]
  withheld: ReadonlyMap<string, string>
}

/**
 * Whether a condition is met; null: unknown, which `UnknownAs` decides. Unknown by itself never counts as "not met".
 */
type Met = boolean | null

interface CompiledPolicy {
  id: string
  isAbout (subject: Subject): Met
  /** Whether it is about a scope. Null: about all scopes. */
  covers: ((scope: string) => boolean) | null
  /** Whether it depends on the time. */
  isTimed: boolean
  holds (circumstances: Circumstances): Met
}

/** What evaluation reads of a policy. */
export type EvaluatedPolicy = Pick<Policy, 'id' | 'effect' | 'enabled' | 'conditions'>

/** The policies of one owner; disabled ones are not evaluated. */
export interface PolicySet {
  /** All of them, as stored. */
  policies: readonly EvaluatedPolicy[]
  denies: readonly CompiledPolicy[]
  allows: readonly CompiledPolicy[]
}

export const noPolicies: PolicySet = { policies: [], denies: [], allows: [] }

/** Compiles the policies of one owner. An unreadable one denies everything that it could be about. */
export function compilePolicies (policies: readonly EvaluatedPolicy[]): PolicySet {
  const enabled = policies.filter(policy => policy.enabled).map(policy => ({ policy, compiled: compile(policy) }))
  return {
    policies,
    denies: enabled.filter(({ policy, compiled }) => compiled === null || policy.effect !== 'allow').map((
      { policy, compiled }
    ) => compiled ?? denyingAll(policy)),
    allows: enabled.flatMap(({ policy, compiled }) => compiled === null || policy.effect !== 'allow' ? [] : compiled)
  }
}

/** Whether the set has nothing to evaluate for any request. */
export function isEmpty ({ denies, allows }: PolicySet): boolean {
  return denies.length === 0 && allows.length === 0
}

/**
 * The policies of a set that may be about a subject, with the conditions that remain to be evaluated for it. They give
 * every request of the subject the same result, and tell of no other subject.
 */
export function boundTo ({ policies }: PolicySet, subject: Subject): Pick<Policy, 'effect' | 'conditions'>[] {
  return policies.filter(({ enabled }) => enabled).flatMap(({ effect, conditions }) => {
    if (conditions === null) return { effect, conditions }
    const { groups, resources, organizations: _, kinds: __, ...others } = conditions
    const isAbout = subjectTest(conditions)(subject)
    if (isAbout === false) return []
    // What is unknown of the subject stays unknown.
    const unknown = isAbout === null ? { ...(groups && { groups }), ...(resources && { resources }) } : {}
    return { effect, conditions: { ...others, ...unknown } }
  })
}

/** Evaluates the policies of `sets` on this request, which asks for `scopes`. */
export function evaluate (
  sets: readonly PolicySet[], subject: Subject, scopes: readonly string[], circumstances: Circumstances,
  unknownAs: UnknownAs = 'refuses'
): Evaluation {
  const withheld = new Map<string, string>()
  for (const set of sets) {
    const refusedBy = applyDenies(set, subject, scopes, circumstances, unknownAs, withheld) ??
      applyAllows(set, subject, scopes, circumstances, unknownAs, withheld)
    if (refusedBy !== null) return { refusedBy, scopes: [], withheld }
  }
  return {
    refusedBy: null, scopes: withheld.size === 0 ? scopes : scopes.filter(scope => !withheld.has(scope)), withheld
  }
}

/** The id of a deny that refuses the whole request; null: none does. Denied scopes are added to `withheld`. */
function applyDenies (
  { denies }: PolicySet, subject: Subject, scopes: readonly string[], circumstances: Circumstances,
  unknownAs: UnknownAs, withheld: Map<string, string>
): string | null {
  const ifUnknown = unknownAs === 'refuses'
  for (const policy of denies) {
    if (!(policy.isAbout(subject) ?? ifUnknown) || !(policy.holds(circumstances) ?? ifUnknown)) continue
    if (policy.covers === null) return policy.id
    for (const scope of scopes) if (!withheld.has(scope) && coversScope(policy, scope)) withheld.set(scope, policy.id)
  }
  return null
}

/**
 * As `applyDenies`. An allow binds every credential that it may be about, and permits only where it certainly applies.
 */
function applyAllows (
  { allows }: PolicySet, subject: Subject, scopes: readonly string[], circumstances: Circumstances,
  unknownAs: UnknownAs, withheld: Map<string, string>
): string | null {
  const ifUnknown = unknownAs === 'refuses'
  const first = allows.find(policy => policy.isAbout(subject) ?? ifUnknown)
  if (first === undefined) return null
  const open = allows.filter(policy =>
    (policy.isAbout(subject) ?? !ifUnknown) && (policy.holds(circumstances) ?? !ifUnknown)
  )
  if (open.length === 0) return first.id
  // Names a policy that is about the request: where no allow permits a scope, each of them is the reason.
  for (const scope of scopes) {
    if (!withheld.has(scope) && !open.some(policy => coversScope(policy, scope))) withheld.set(scope, first.id)
  }
  return null
}

/** A pattern covers API-key-only scopes here too: a policy grants nothing, it only restricts. */
function coversScope ({ covers }: CompiledPolicy, scope: string): boolean {
  return covers === null || covers(scope)
}

/** Null: it is unreadable. */
function compile ({ id, effect, conditions }: EvaluatedPolicy): CompiledPolicy | null {
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

/** Three-valued and: one condition that is not met decides. */
function both (one: Met, other: Met): Met {
  if (one === false || other === false) return false
  return one === null || other === null ? null : true
}

function subjectTest ({ organizations, groups, kinds, resources }: PolicyConditions): CompiledPolicy['isAbout'] {
  return subject => {
    if (kinds !== undefined && !kinds.includes(subject.kind)) return false
    // A credential without organization is known to be in none of these.
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

function hasOne (ids: readonly string[] | undefined, held: readonly string[] | null): Met {
  if (ids === undefined) return true
  return held === null ? null : ids.some(id => held.includes(id))
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

function denyingAll ({ id }: EvaluatedPolicy): CompiledPolicy {
  return { id, covers: null, isAbout: () => true, isTimed: false, holds: () => true }
}
