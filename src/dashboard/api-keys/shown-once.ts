/** The answer to a form that made a key. */
import type { Screen } from '../frame.ts'
import { shownOnce } from '../shown-once.ts'
import type { ApiKey } from './api-key.ts'
import { keysPath } from './list.ts'

export function keyShownOnce ({ id, name, key }: ApiKey & { key: string }, attempt: string): Screen {
  return shownOnce({
    noun: 'key',
    path: [{ name: 'API keys', href: keysPath }],
    place: keysPath,
    values: [{ label: name, text: key }],
    attempt,
    next: `${keysPath}/${id}`,
  })
}
