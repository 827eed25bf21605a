/**
 * What to do first in a new organization, step by step. Each is done when the API has what it makes; with the first
 * real call all of them are, and on the next day the list is gone.
 */
import { html } from 'ghtml'
import { identityApi, managementApi } from '../apis/built-in.ts'
import { badge } from '../elements.ts'
import { dashboardPath } from '../frame.ts'
import type { Visit } from '../visit.ts'
import type { UsedKeys } from './keys.ts'

interface Page<T> { data: readonly T[] }
interface Resource { id: string, scopes: readonly unknown[] }

interface Step { name: string, hint: string, done: boolean, href: string | null, button: string }

/** APIs that every deployment has. */
const builtIn: ReadonlySet<string> = new Set([managementApi, identityApi])

/** As markup; '': all is done, or the person may not see how far it is. `known`: the keys that were used. */
export async function firstSteps (visit: Visit, known: UsedKeys | null): Promise<string> {
  // With so many keys no step is the first.
  if (known === null || known.isOfNewest) return ''
  const used = known.keys
  const { api, me: { permissions }, now } = visit
  const today = now.toISOString().slice(0, 10)
  if (used.some(({ key, days }) => key.lastUsedAt! < today || days.some(({ day }) => day < today))) return ''
  const tokens = await api.get<Page<{ minute: string }>>('/usage/tokens', { limit: 1, until: `${today}T00:00:00Z` })
  if (tokens.data.length > 0) return ''
  const has = async <T>(path: string, scope: string, limit: number, counts: (row: T) => boolean) =>
    permissions.includes(scope) && (await api.get<Page<T>>(path, { limit })).data.some(counts)
  const [api_, key, client, token] = await Promise.all([
    has<Resource>('/resources', 'resources:read', 20, ({ id, scopes }) => !builtIn.has(id) && scopes.length > 0),
    has('/api-keys', 'api-keys:read', 1, () => true),
    has('/clients', 'clients:read', 1, () => true),
    has('/usage/tokens', 'usage:read', 1, () => true)
  ])
  return listOf(stepsOf(visit, { api: api_, credential: key || client, call: used.length > 0 || token }))
}

function stepsOf (
  { me: { permissions } }: Visit, done: { api: boolean, credential: boolean, call: boolean }
): readonly Step[] {
  const offered = (scope: string, href: string): string | null => permissions.includes(scope) ? href : null
  return [
    {
      name: 'Say which API is protected',
      hint: 'An API or an MCP server, with the scopes that callers may have.',
      done: done.api,
      href: offered('resources:write', `${dashboardPath}/apis/new`),
      button: 'Declare an API'
    },
    {
      name: 'Create a key for a program',
      hint: 'Or a client, for a program that asks for tokens.',
      done: done.credential,
      href: offered('api-keys:write', `${dashboardPath}/api-keys/new`),
      button: 'Create API key'
    },
    {
      name: 'Make the first real call',
      hint: 'Send the key as the API says: the call shows here at once.',
      done: done.call,
      href: null,
      button: ''
    }
  ]
}

function listOf (steps: readonly Step[]): string {
  const left = steps.filter(({ done }) => !done).length
  return html`<section class="panel"><h2>First steps</h2>
<p class="muted" role="status">${left === 0
? 'All is done: the first real call has arrived. From tomorrow on this list is gone.'
: `${left} of ${steps.length} to do.`}</p>
<ol class="steps">!${steps.map(({ name, hint, done, href, button }) => html`<li!${done ? ' class="done"' : ''}>
<span><strong>${name}</strong> !${badge(done ? 'ok' : 'plain', done ? 'Done' : 'To do')}<br><small>${hint}</small></span>
!${done || href === null ? '' : html`<a class="button" href="${href}">${button}</a>`}</li>
`)}</ol></section>`
}
