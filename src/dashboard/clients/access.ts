/** What a client may do, scope by scope, and why. */
import { html } from 'ghtml'
import { badge, codes } from '../elements.ts'
import type { Visit } from '../visit.ts'
import type { Client } from './client.ts'

interface Reason { effect: 'grants' | 'takes_away' | 'depends', by: string, id?: string, name?: string }
interface Line { scope: string, usable: boolean, reasons: readonly Reason[] }
interface Access { resource: string, lines: readonly Line[] }

/** Without the right to read why, the scopes that it was granted. */
export async function accessPanel ({ api, me }: Visit, client: Client): Promise<string> {
  const { organization, clientId, grants } = client
  if (grants.length === 0) {
    return html`<section class="panel"><h2>What it may do</h2><p>Nothing by itself: it has no scopes.</p></section>`
  }
  if (organization === null || !me.permissions.includes('effective-access:read')) {
    return html`<section class="panel"><h2>What it may do</h2>
!${grants.map(({ resource, scopes }) => html`<h3>${resource}</h3><p>!${codes(scopes, 'Nothing')}</p>
`)}</section>`
  }
  const { data } = await api.get<{ data: readonly { access: readonly Access[] }[] }>(
    `/organizations/${organization}/effective-access`, { credential: clientId }
  )
  return html`<section class="panel"><h2>What it may do</h2>
!${data.flatMap(({ access }) => access).map(({ resource, lines }) => html`<h3>${resource}</h3>
<ul class="scopes">!${lines.map(line => html`<li><code>${line.scope}</code> !${lineOf(line)}</li>
`)}</ul>
`)}</section>`
}

function lineOf ({ usable, reasons }: Line): string {
  const state = usable ? badge('ok', 'Allowed') : badge('bad', 'Refused')
  const told = reasons.filter(({ effect }) => effect !== 'grants')
  if (told.length === 0) return state
  return html`!${state} <small>${told.map(reason => because(reason)).join('; ')}</small>`
}

const causes: Readonly<Record<string, string>> = {
  policy: 'a policy',
  creator: 'the member that made it may not do this',
  plan: 'the plan of the organization lacks a feature',
  suspension: 'the organization is suspended',
  deletion: 'the organization was deleted',
  key_only: 'API keys alone may do this',
  undeclared: 'the API no longer has this scope',
  revoked: 'the client was revoked',
  disabled: 'the client is disabled',
  expired: 'it has expired',
  resource_revoked: 'the API was revoked',
}

function because ({ effect, by, id, name }: Reason): string {
  const cause = [causes[by] ?? by, name ?? id].filter(Boolean).join(' ')
  return effect === 'depends' ? `depends on the address: ${cause}` : cause
}
