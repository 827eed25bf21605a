/** The credits of an organization: what it has on each account, and what operators grant. */
import { html } from 'ghtml'
import { may, type ApiRefusal } from '../api.ts'
import { alertOf, problemAt, problemIn, type Problem } from '../draft.ts'
import { choices, count, facts, textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { attemptField } from '../shown-once.ts'
import { formAt, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'
import { apiPathOf, pageOf, organizationsPath, organizationsWay, type Organization } from './list.ts'

const accounts = [{ value: 'live', label: 'Live' }, { value: 'test', label: 'Test' }]

export function creditForm (app: Dashboard): void {
  formAt(app, '/organizations/:id/credits', grant, mended)
}

/** As markup; '': the person may not see them. */
export async function creditsOf ({ api, me }: Visit, { id, status }: Organization): Promise<string> {
  if (!may(me, 'credits:read')) return ''
  const balances = await api.get<{ live: number, test: number }>(`/organizations/${id}/credits`)
  const mayGrant = me.deployment && may(me, 'credits:write') && status === 'active'
  return html`<section><h2>Credits</h2>
!${facts([['Live', count(balances.live)], ['Test', count(balances.test)]])}
!${mayGrant ? form(id, { environment: 'live', amount: '', reason: '' }, null) : ''}</section>`
}

interface Draft { environment: string, amount: string, reason: string }

function draftOf ({ field }: Submission): Draft {
  return { environment: field('environment'), amount: field('amount').trim(), reason: field('reason').trim() }
}

async function grant (submission: Submission): Promise<Outcome> {
  const { environment, amount, reason } = draftOf(submission)
  await submission.api.change('POST', `${apiPathOf(submission)}/credits`, {
    idempotencyKey: submission.field('attempt'),
    // What is no number is sent as it is, and the API says so.
    body: { environment, reason, amount: /^\d{1,15}$/.test(amount) ? Number(amount) : amount }
  })
  return pageOf(submission)
}

async function mended (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  const { id, name } = await submission.api.get<Organization>(apiPathOf(submission))
  return {
    title: 'Grant credits',
    path: [...organizationsWay, { name, href: `${organizationsPath}/${id}` }],
    place: organizationsPath,
    content: form(id, draftOf(submission), problemIn(refusal))
  }
}

function form (id: string, { environment, amount, reason }: Draft, problem: Problem | null): string {
  return html`<form class="panel" method="post" action="${organizationsPath}/${id}/credits">!${attemptField()}
!${alertOf(problem, ['amount', 'reason'])}
!${choices('Account', 'environment', accounts, environment)}
!${textField({
  name: 'amount', label: 'Credits to grant', value: amount, required: true, problem: problemAt(problem, 'amount')
})}
!${textField({
  name: 'reason',
  label: 'Reason',
  value: reason,
  required: true,
  hint: 'For the audit log: an invoice, an order.',
  problem: problemAt(problem, 'reason')
})}
<p class="actions"><button type="submit">Grant credits</button></p></form>`
}
