/** Names of members beside their ids. */
import type { Visit } from './visit.ts'

interface Member { id: string, name: string }

/** Of as many as one page of the API has; empty for those that may not read members. */
export async function memberNames (
  { api, me }: Pick<Visit, 'api' | 'me'>, ids: readonly (string | null)[]
): Promise<Map<string, string>> {
  if (!me.permissions.includes('members:read') || ids.every(id => id === null)) return new Map()
  const { data } = await api.get<{ data: Member[] }>('/members', { limit: 200 })
  return new Map(data.map(({ id, name }) => [id, name]))
}
