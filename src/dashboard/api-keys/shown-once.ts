/** The answer to a form that made a key. */
import { may } from '../api.ts'
import { resourcesOf } from '../apis/grants.ts'
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
  const use = useOf(made, may(me, 'resources:read') ? await resourcesOf(api) : [])
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
