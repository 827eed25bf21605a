/** Which policies bind a credential, looked up together, and what they leave of its scopes. */
import type { Awaitable } from '../../base/awaitable.ts'
import type { CredentialKind } from '../policy/policy.ts'
import { evaluate, isEmpty, type Circumstances, type Evaluation, type PolicySet } from '../policy/policy-evaluation.ts'
import type { CredentialFacts } from './facts.ts'
import type { Principal } from './principal.ts'
import type { Registry } from './registry.ts'

/**
 * The sets that bind a credential of the organization `own` at the data of `place`: the deployment's, its
 * organization's, the place's. Sets without policies in force are left out: mostly there are none.
 */
export function policiesFor (
  registry: Pick<Registry, 'policies'>, own: string | null, place: string | null = own
): Awaitable<readonly PolicySet[]> {
  const owners = new Set([null, own, place ?? own])
  const sets = Array.from(owners, owner => registry.policies(owner))
  return sets.some(set => set instanceof Promise) ? awaited(sets) : inForce(sets as PolicySet[])
}

async function awaited (sets: readonly Awaitable<PolicySet>[]): Promise<readonly PolicySet[]> {
  return inForce(await Promise.all(sets))
}

const none: readonly PolicySet[] = []

function inForce (sets: readonly PolicySet[]): readonly PolicySet[] {
  const found = sets.filter(set => !isEmpty(set))
  return found.length === 0 ? none : found
}

type Bound = Exclude<CredentialFacts['kind'], 'admin_token' | 'not_found'>

/** What the policies leave of the scopes of a principal. */
export function evaluateFor (
  { kind }: { kind: Bound }, sets: readonly PolicySet[],
  { organizationId, groups, resourceId, scopes }: Principal, circumstances: Circumstances
): Evaluation {
  const as = (boundAs: CredentialKind, left: readonly string[]): Evaluation =>
    evaluate(sets, { kind: boundAs, organizationId, groups, resourceId }, left, circumstances)
  if (kind === 'workload_token') return as('access_token', scopes)
  if (kind !== 'key_token') return as(kind, scopes)
  // What a key was exchanged for passes only where the key would, too.
  const asKey = as('api_key', scopes)
  if (asKey.refusedBy !== null) return asKey
  const asToken = as('access_token', asKey.scopes)
  return { ...asToken, withheld: new Map([...asKey.withheld, ...asToken.withheld]) }
}
