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

/** The facts of what policies can bind. */
type Bound = Exclude<CredentialFacts['kind'], 'admin_token' | 'not_found'>

/** As which kinds of credentials policies bind it: a token of a key passes only where the key would, too. */
export function policyKindsOf (kind: Bound): readonly [CredentialKind, ...CredentialKind[]] {
  if (kind === 'workload_token') return ['access_token']
  return kind === 'key_token' ? ['api_key', 'access_token'] : [kind]
}

/** What the policies leave of the scopes of a principal. */
export function evaluateFor (
  kind: Bound, sets: readonly PolicySet[], { organizationId, groups, resourceId, scopes }: Principal,
  circumstances: Circumstances
): Evaluation {
  const [first, ...others] = policyKindsOf(kind)
  const under = (bound: CredentialKind, held: readonly string[]): Evaluation =>
    evaluate(sets, { kind: bound, organizationId, groups, resourceId }, held, circumstances)
  return others.reduce<Evaluation>((before, bound) => {
    if (before.refusedBy !== null) return before
    const next = under(bound, before.scopes)
    return { ...next, withheld: new Map([...before.withheld, ...next.withheld]) }
  }, under(first, scopes))
}
