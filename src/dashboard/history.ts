/** What happened to one thing, from the audit log. */
import { html } from 'ghtml'
import { actors } from './audit/words.ts'
import { ago } from './elements.ts'
import type { Visit } from './visit.ts'

interface Event { id: string, createdAt: string, type: string, actor: string, actorName?: string | null }

/**
 * The last events about a subject, as markup; '': the person may not read them. `words`: event names for people.
 * `type`: the prefix of the types that are shown, such as `api_key.`; absent: all are.
 */
export async function historyOf (
  { api, me: { permissions }, now }: Pick<Visit, 'api' | 'me' | 'now'>,
  subject: string,
  words: Readonly<Record<string, string>>,
  type?: string
): Promise<string> {
  if (!permissions.includes('audit:read')) return ''
  const { data } = await api.get<{ data: readonly Event[] }>('/audit', { subject, type, names: 'true', limit: 20 })
  return html`<section class="panel"><h2>History</h2>
!${data.length === 0 ? html`<p class="muted">Nothing has been recorded.</p>` : ''}
<ul class="records">!${data.map(({ type, actor, actorName, createdAt }) => html`<li>
<p><strong>${words[type] ?? type}</strong> <code class="bare">${type}</code></p>
<p class="muted">!${ago(createdAt, now)}, by ${actorName ?? actors[actor] ?? actor}</p></li>
`)}</ul></section>`
}
