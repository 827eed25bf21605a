/** Names beside ids: of those that stand on a page, however many there are of their kind. */
import type { Visit } from './visit.ts'

/** Collections of the API whose records have names, and the scopes that read them. */
const scopes = {
  members: 'members:read', 'api-keys': 'api-keys:read', organizations: 'organizations:read', clients: 'clients:read'
} as const

interface Named { id?: string, clientId?: string, name: string }

/** Ids that one request of the API takes. */
const mostAtOnce = 100

/** By id; those are left out that the person may not read, and ids without a record. */
export async function namesOf (
  { api, me }: Pick<Visit, 'api' | 'me'>, collection: keyof typeof scopes, ids: Iterable<string | null>
): Promise<Map<string, string>> {
  const names = new Map<string, string>()
  if (!me.permissions.includes(scopes[collection])) return names
  // The id of a hosted client is its URL, which is no text for a list.
  const asked = [...new Set(ids)].filter(id => id !== null && !/\W/.test(id))
  for (let i = 0; i < asked.length; i += mostAtOnce) {
    const { data } = await api.get<{ data: Named[] }>(
      `/${collection}`, { ids: asked.slice(i, i + mostAtOnce).join(','), limit: mostAtOnce }
    )
    for (const { id, clientId, name } of data) names.set(id ?? clientId!, name)
  }
  return names
}
