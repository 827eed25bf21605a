/** The policies that bind a credential, as they are and as a planned change would leave them. */
import type { PlannedPolicy, Policy, PolicyPort } from '../policy/policy.ts'
import { compilePolicies, type PolicySet } from '../policy/policy-evaluation.ts'

/** By the organization that a credential belongs to: the deployment's, and its own. */
export interface Sets { before: readonly PolicySet[], after: readonly PolicySet[] }

/** Each organization's are read once. */
export function setsByOrganization (
  repositories: PolicyPort, planned: PlannedPolicy
): (organizationId: string | null) => Promise<Sets> {
  const made = new Map<string | null, Promise<Sets>>()
  const make = async (organizationId: string | null): Promise<Sets> => {
    const owners = organizationId === null ? [null] : [null, organizationId]
    const policies = await Promise.all(owners.map(owner => repositories.policies.of(owner)))
    return {
      before: policies.map(compilePolicies),
      after: policies.map((each, i) =>
        compilePolicies(owners[i] === ownerOf(planned) ? afterwards(each, planned) : each)
      )
    }
  }
  return organizationId => {
    const known = made.get(organizationId) ?? make(organizationId)
    made.set(organizationId, known)
    return known
  }
}

/** Null: the deployment. */
export function ownerOf ({ before, after }: PlannedPolicy): string | null {
  return (after ?? before)!.organizationId
}

function afterwards (policies: readonly Policy[], { before, after }: PlannedPolicy): Policy[] {
  const others = policies.filter(policy => policy.id !== before?.id)
  return after === null ? others : [...others, after]
}
