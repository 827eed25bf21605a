/** An API key that is disabled for a while, and enabled again. */
import { html } from 'ghtml'
import { textField } from '../elements.ts'
import type { Outcome, Submission } from '../visit.ts'
import type { ApiKey } from './api-key.ts'
import { keysPath } from './list.ts'

export function disablingForm ({ id }: ApiKey): string {
  return html`<form class="panel" method="post" action="${keysPath}/${id}/disable">
<p>A disabled key is refused from the next request on, on every server, until it is enabled.</p>
!${textField({ name: 'reason', label: 'Reason (optional)', hint: 'For the audit log.' })}
<p class="actions"><button type="submit">Disable key</button></p></form>`
}

export async function disable (submission: Submission): Promise<Outcome> {
  const reason = submission.field('reason')
  return await changed(submission, 'disable', reason === '' ? {} : { reason })
}

export async function enable (submission: Submission): Promise<Outcome> {
  return await changed(submission, 'enable')
}

async function changed ({ api, parameter }: Submission, way: 'disable' | 'enable', body?: object): Promise<Outcome> {
  const id = encodeURIComponent(parameter('id'))
  await api.change('POST', `/api-keys/${id}/${way}`, body === undefined ? {} : { body })
  return { to: `${keysPath}/${id}` }
}
