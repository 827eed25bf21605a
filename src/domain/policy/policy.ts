/** Access policies (OC-05): they restrict what credentials may do. policy-evaluation.ts has the rule. */
import { readAllowlist } from '../../base/ip-address.ts'
import { Failure } from '../../base/errors.ts'
import { isScopePattern } from '../resources/scope.ts'
import type { Listed, ListQuery, Sought } from '../core/list.ts'
import { requireVisible, type Revised, type Operation } from '../core/operation.ts'
import { problemOfWindow, type TimeWindow } from './time-window.ts'

export const effects = ['allow', 'deny'] as const
export type Effect = typeof effects[number]

/** The kinds of credentials that policies bind. No policy binds the admin token. */
export const credentialKinds = [
  'api_key', 'access_token', 'management_token', 'session', 'webhook_token', 'person'
] as const
export type CredentialKind = typeof credentialKinds[number]

/** Every present condition must hold, by any entry of its list; an absent one always holds. No list is empty. */
export interface PolicyConditions {
  /** Ids; only in policies of the deployment. */
  organizations?: readonly string[]
  /** Ids of groups: of the member that an API key, or an access token of the management API, is bound to. */
  groups?: readonly string[]
  kinds?: readonly CredentialKind[]
  /** Ids. */
  resources?: readonly string[]
  /** Patterns of scopes. */
  scopes?: readonly string[]
  /** Addresses and ranges. */
  addresses?: readonly string[]
  times?: TimeWindow
}

export interface Policy extends Revised {
  /** `pol_…` */
  id: string
  /** Null: the deployment's; it binds the credentials of every organization. */
  organizationId: string | null
  name: string
  description: string | null
  effect: Effect
  enabled: boolean
  /** Null: the stored conditions are unreadable; the policy then denies everything. */
  conditions: PolicyConditions | null
  /** The id of the credential that made it. */
  createdBy: string
  createdAt: Date
  updatedAt: Date
}

export interface PolicyRepository {
  insert (policy: Policy): Promise<void>
  get (id: string): Promise<Policy | null>
  /** Replaces everything but id, organizationId, createdBy and createdAt; returns it with its next revision. */
  update (policy: Policy): Promise<Policy>
  remove (policy: Policy): Promise<void>
  /** Every policy of an owner, oldest first; null: the deployment's. */
  of(organizationId: string | null): Promise<Policy[]>
  page(
    query: ListQuery, filter: Sought & { organizationId?: string | null, effect?: Effect, enabled?: boolean }
  ): Promise<Listed<Policy>>
}

export interface PolicyPort { policies: PolicyRepository }

/** Policies of one owner, at most: each is evaluated whenever a credential is used. */
export const mostPolicies = 200

/** The policy before and after a change; null: it does not exist then. */
export interface PlannedPolicy { before: Policy | null, after: Policy | null }

/**
 * Computes a change without making it.
 * @throws Failure for an invalid one.
 */
export type PolicyPlan<Ports> = (repositories: Ports) => Promise<PlannedPolicy>

/**
 * @throws Failure `not_found`, also for a policy of another organization, and of the deployment for an actor confined
 * to an organization.
 */
export async function getPolicy ({ store, actor }: Operation<PolicyPort>, id: string): Promise<Policy> {
  return requireVisible(actor, await store.policies.get(id), 'policy', id)
}

export function unique<T> (values: readonly T[]): T[] {
  return [...new Set(values)]
}

export function invalid (field: string, message: string): Failure {
  return new Failure('invalid_request', { message, details: { field } })
}

const listed = ['organizations', 'groups', 'kinds', 'resources', 'scopes', 'addresses']

/**
 * The stored conditions. Null: they hold something unknown here, for example from a newer version, so their meaning is
 * unknown.
 */
export function readConditions (stored: unknown): PolicyConditions | null {
  if (typeof stored !== 'object' || stored === null || Array.isArray(stored)) return null
  for (const [name, value] of Object.entries(stored)) {
    if (name === 'times' ? !isWindow(value) : !listed.includes(name) || !isListOfTexts(value)) return null
  }
  const { kinds, scopes, addresses } = stored as PolicyConditions
  const readable = (kinds ?? []).every(kind => credentialKinds.includes(kind)) &&
    (scopes ?? []).every(isScopePattern) && isAllowlist(addresses ?? [])
  return readable ? stored as PolicyConditions : null
}

function isListOfTexts (value: unknown): boolean {
  return Array.isArray(value) && value.length > 0 && value.every(text => typeof text === 'string')
}

function isAllowlist (addresses: readonly string[]): boolean {
  try {
    return readAllowlist(addresses).length === addresses.length
  } catch {
    return false
  }
}

function isWindow (value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { from, until, days, hours, zone, ...unknown } = value as Record<string, unknown>
  const texts = [from, until, zone].every(text => text === undefined || typeof text === 'string')
  const wellFormed = texts && (days === undefined || isListOfTexts(days)) && (hours === undefined || isHours(hours)) &&
    Object.keys(unknown).length === 0
  return wellFormed && problemOfWindow(value as TimeWindow) === null
}

function isHours (value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).sort().join() === 'from,until' &&
    Object.values(value).every(text => typeof text === 'string')
}

export function auditDetail ({ before, after }: PlannedPolicy, more: Record<string, unknown>) {
  const { id, organizationId, name, description, effect, enabled, conditions } = (after ?? before)!
  return { organizationId, subject: id, detail: { name, description, effect, enabled, conditions, ...more } }
}
