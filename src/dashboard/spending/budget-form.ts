/** The form of a budget: of the deployment, or of an organization. */
import { html } from 'ghtml'
import type { ApiRefusal } from '../api.ts'
import { textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { formAt, screenAt, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'
import type { BudgetState } from './budgets.ts'
import { spendingPath } from './paths.ts'

export function budgetFormScreens (app: Dashboard): void {
  screenAt(app, '/spending/budget', async visit => await formScreen(visit, null))
  formAt(app, '/spending/budget', save, async (sent, refusal) => await formScreen(sent, refusal.message))
}

function apiPathOf (organization: string): string {
  return organization === '' ? '/budgets/global' : `/budgets/organizations/${encodeURIComponent(organization)}`
}

async function formScreen (visit: Visit | Submission, problem: ApiRefusal['message'] | null): Promise<Screen> {
  const isSent = 'field' in visit
  const organization = isSent ? visit.field('organization') : visit.query('organization')
  const { day, month } = await visit.api.get<BudgetState>(apiPathOf(organization))
  const value = (name: 'day' | 'month', limit: number | null) => isSent ? visit.field(name) : dollarsOf(limit)
  return {
    title: organization === '' ? 'Budget of the deployment' : 'Budget of an organization',
    path: [{ name: 'AI spending', href: spendingPath }],
    place: spendingPath,
    lead: 'In dollars, with at most six decimals. An empty field limits nothing. Open calls are settled all the same.',
    content: html`<form class="panel" method="post" action="${spendingPath}/budget">
!${problem === null ? '' : html`<p class="alert" role="alert">${problem}</p>`}
<input type="hidden" name="organization" value="${organization}">
!${textField({ name: 'day', label: 'For a day', value: value('day', day.limit), placeholder: '25.00' })}
!${textField({ name: 'month', label: 'For a month', value: value('month', month.limit), placeholder: '500.00' })}
<p class="actions"><button type="submit" class="primary">Save budget</button>
<a class="button" href="${spendingPath}">Cancel</a></p></form>`
  }
}

async function save (submission: Submission): Promise<Outcome> {
  const { api, field } = submission
  const [day, month] = [microDollars(field('day')), microDollars(field('month'))]
  if (day === undefined || month === undefined) {
    const problem = 'Write dollars with at most six decimals, such as 25.50.'
    return { screen: await formScreen(submission, problem), status: 422 }
  }
  await api.change('PUT', apiPathOf(field('organization')), { body: { day, month } })
  const query = field('organization') === '' ? '' : `?organization=${encodeURIComponent(field('organization'))}`
  return { to: spendingPath + query }
}

const amountForm = /^(\d{1,10})(?:\.(\d{1,6}))?$/

/** Null: no limit. Undefined: it is no amount. Not by a product of floats, which would not be whole. */
function microDollars (text: string): number | null | undefined {
  if (text.trim() === '') return null
  const [, whole, rest = ''] = amountForm.exec(text.trim()) ?? []
  const amount = whole === undefined ? NaN : Number(whole + rest.padEnd(6, '0'))
  return Number.isSafeInteger(amount) ? amount : undefined
}

function dollarsOf (limit: number | null): string {
  if (limit === null) return ''
  const text = String(limit).padStart(7, '0')
  return `${text.slice(0, -6)}.${text.slice(-6).replace(/0{1,4}$/, '')}`
}
