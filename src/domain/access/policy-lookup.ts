/** Which policies bind a credential: looked up together, and only those kept that have something to evaluate. */
import type { Awaitable } from '../../base/awaitable.ts'
import { isEmpty, type PolicySet } from '../policy/policy-evaluation.ts'
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
