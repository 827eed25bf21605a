/** The answer to a form that made a key. */
import { may } from '../api.ts'
import type { Resource } from '../apis/grants.ts'
import type { Screen } from '../frame.ts'
import { shownOnce } from '../shown-once.ts'
import type { Visit } from '../visit.ts'
import type { ApiKey } from './api-key.ts'
import { keysPath } from './list.ts'
import { useOf } from './use.ts'

export async function keyShownOnce (
  { api, me }: Pick<Visit, 'api' | 'me'>, made: ApiKey & { key: string }, attempt: string
): Promise<Screen> {
  const { id, name, key } = made
  const { data: resources } = may(me, 'resources:read')
    ? await api.get<{ data: Resource[] }>('/resources', { identifier: made.resource })
    : { data: [] }
  const use = useOf(made, resources)
  return shownOnce({
    noun: 'key',
    path: [{ name: 'API keys', href: keysPath }],
    place: keysPath,
    values: [{ label: name, text: key }],
    ...(use === undefined ? {} : { use }),
    attempt,
    next: `${keysPath}/${id}`,
  })
}
