/** The operator that a deployment waits for: until one can sign in alone, each start says how the first one does. */
import type { MemberPort, Member } from '../members/permissions.ts'
import { operatorsId } from '../tenancy/organization.ts'
import type { IdentityPort } from '../people/identity.ts'

/** Operators that are looked at; in a deployment with more, one can sign in. */
const most = 20

/** The oldest operator, if none has a passkey or an account at a provider; null: one has, or there is none. */
export async function waitingOperator (store: IdentityPort & MemberPort): Promise<Member | null> {
  const filter = { organizationId: operatorsId, operator: true, removed: false }
  const { items, hasMore } = await store.members.page({ limit: most, after: null }, filter)
  if (hasMore) return null
  for (const { id } of items) if ((await store.identities.ofMember(id)).length > 0) return null
  return items.at(-1) ?? null
}
