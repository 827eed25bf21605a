/** The servers of the deployment and their database, for operators. */
import { html } from 'ghtml'
import { ago, badge, count } from '../elements.ts'
import type { Visit } from '../visit.ts'

interface Health {
  status: 'ready' | 'not_ready'
  version: string
  startedAt: string
  checks: Readonly<Record<string, { ok: boolean, problem: string | null, milliseconds: number }>>
}
interface Replica { id: string, leftAt: string | null, live: boolean, behind: number }

/** As markup; '': the person is no operator. */
export async function serversOf ({ api, me: { deployment, permissions }, now }: Visit): Promise<string> {
  if (!deployment || !permissions.includes('server:read') || !permissions.includes('replicas:read')) return ''
  const [{ status, version, startedAt, checks }, { data: replicas }] = await Promise.all([
    api.get<Health>('/health'), api.get<{ data: Replica[] }>('/replicas', { limit: 200 })
  ])
  const working = replicas.filter(({ leftAt }) => leftAt === null)
  const behind = working.filter(replica => !replica.live || replica.behind > 0)
  return html`<section class="panel"><h2>Servers and database</h2>
<dl><dt>This server</dt><dd>!${status === 'ready' ? badge('ok', 'Ready') : badge('bad', 'Not ready')}
<code class="bare">${version}</code>, started !${ago(startedAt, now)}</dd>
<dt>Servers</dt><dd>${count(working.length)}!${behind.length === 0
? ', all up to date'
: html` !${badge('warn', `${count(behind.length)} behind`)}`}</dd>
!${Object.entries(checks).map(([name, { ok, problem, milliseconds }]) => html`<dt>${name.replaceAll('_', ' ')}</dt>
<dd>!${ok ? badge('ok', 'Passes') : badge('bad', 'Fails')} ${problem ?? `in ${count(milliseconds)} ms`}</dd>
`)}</dl></section>`
}
