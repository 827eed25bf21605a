/** What is disabled for a while, with a reason, and enabled again. */
import { html } from 'ghtml'
import { reasonOf } from './confirmation.ts'
import { textField } from './elements.ts'
import type { Outcome, Submission } from './visit.ts'

/** `path`: the page of what is disabled. `noun`: `key`. `effect`: what stops meanwhile, in a sentence. */
export function disablingForm (path: string, noun: string, effect: string): string {
  return html`<form class="panel" method="post" action="${path}/disable">
<p>${effect}</p>
!${textField({ name: 'reason', label: 'Reason (optional)', hint: 'For the audit log.' })}
<p class="actions"><button type="submit">Disable ${noun}</button></p></form>`
}

export function enablingForm (path: string, noun: string): string {
  return html`<form method="post" action="${path}/enable">
<button type="submit" class="primary">Enable ${noun}</button></form>`
}

/** Disables what is at `apiPath` of the API. */
export async function disable (submission: Submission, apiPath: string, path: string): Promise<Outcome> {
  await submission.api.change('POST', `${apiPath}/disable`, { body: reasonOf(submission) })
  return { to: path }
}

export async function enable ({ api }: Submission, apiPath: string, path: string): Promise<Outcome> {
  await api.change('POST', `${apiPath}/enable`)
  return { to: path }
}
