/** The form of a policy, with what it would change where that was asked for. */
import { html } from 'ghtml'
import { alertOf, problemAt, type Problem } from '../draft.ts'
import { choices, textField } from '../elements.ts'
import { impactOf, type Impact } from './impact.ts'
import { namedConditions, namedField, type Nameable } from './named.ts'
import { days, kinds, lines, type Draft } from './policy.ts'

export interface PolicyForm {
  draft: Draft
  /** The path that it is sent to, and of its dry run. */
  action: string
  tryAction: string
  /** What the button does: `Create policy`. */
  button: string
  /** Hidden fields, as markup. */
  hidden: string
  cancel: string
  problem: Problem | null
  impact: Impact | null
  deployment: boolean
  nameable: Nameable
}

const effects = [
  { value: 'deny', label: 'Deny', hint: 'Where it holds, its scopes are taken away; without scopes, all is refused.' },
  { value: 'allow', label: 'Allow', hint: 'What it is about passes only where one of the allows holds.' }
]

const hints = {
  scopes: ['Scopes', 'Names and patterns: invoices:write, *:write. Empty: the request as a whole.'],
  addresses: ['Addresses', 'Addresses and ranges of the caller: 203.0.113.0/24. Empty: everywhere.'],
} as const

export function policyForm (form: PolicyForm): string {
  const { draft, action, tryAction, button, hidden, cancel, problem, impact } = form
  return html`<form method="post" action="${action}">!${hidden}
<div class="panel">!${alertOf(problem, ['name', 'description', ...lines.map(name => `conditions.${name}`)])}
!${textField({
  name: 'name', label: 'Name', value: draft.name, required: true, problem: problemAt(problem, 'name')
})}
!${textField({
  name: 'description',
  label: 'Description (optional)',
  value: draft.description,
  problem: problemAt(problem, 'description')
})}
!${choices('Effect', 'effect', effects, draft.effect)}
!${choices('State', 'enabled', [
  { value: 'yes', label: 'On' }, { value: 'no', label: 'Off', hint: 'Kept for later; it changes nothing.' }
], draft.enabled ? 'yes' : 'no')}
!${conditionFields(form)}</div>
!${impact === null
? ''
: html`!${impact.wouldLockOutYou ? ownWarning : bindsPeople(draft) ? peopleWarning : ''}
!${impactOf(impact, cursor => html`<p><button type="submit"
 formaction="${tryAction}?after=${encodeURIComponent(cursor)}#impact">More credentials</button></p>`)}`}
!${impact?.wouldLockOut === true || problem?.takesForce === true ? forceField : ''}
<p class="actions"><button type="submit" formaction="${tryAction}#impact">See who loses what</button>
<button type="submit" class="primary">${button}</button> <a class="button" href="${cancel}">Cancel</a></p></form>`
}

function conditionFields ({ draft, problem, deployment, nameable }: PolicyForm): string {
  const problemOf = (name: string) => problem?.field.startsWith(`conditions.${name}`) === true ? problem.message : null
  return html`<h2>It holds if</h2>
!${boxes('Kind of credential', 'kinds', kinds, draft.kinds, 'None chosen: all, members who are signed in here too.')}
!${namedConditions.filter(name => deployment || name !== 'organizations').map(name =>
  namedField(name, nameable, draft.lines[name], problemOf(name)))}
!${(['scopes', 'addresses'] as const).map(name => textField({
  name, label: hints[name][0], hint: hints[name][1], value: draft.lines[name], problem: problemOf(name)
}))}
<details!${hasTimes(draft) || problem?.field.startsWith('conditions.times') === true ? ' open' : ''}>
<summary>At certain times</summary>
!${boxes('Days', 'days', days, draft.days)}
<div class="fields">!${textField({ name: 'hoursFrom', label: 'Hours from', value: draft.hoursFrom, placeholder: '09:00' })}
!${textField({ name: 'hoursUntil', label: 'to', value: draft.hoursUntil, placeholder: '17:00' })}
!${textField({ name: 'zone', label: 'Time zone', value: draft.zone, placeholder: 'UTC' })}</div>
<div class="fields">!${textField({
  name: 'from', label: 'From', value: draft.from, placeholder: '2027-01-31T00:00:00Z'
})}
!${textField({ name: 'until', label: 'Until', value: draft.until, placeholder: '2027-02-28T00:00:00Z' })}</div></details>`
}

/** Whether the sign-ins of people, and so this page, may depend on it by address or by time. */
function bindsPeople (draft: Draft): boolean {
  const { enabled, kinds: about, lines: { addresses } } = draft
  return enabled && (about.length === 0 || about.includes('person')) && (addresses !== '' || hasTimes(draft))
}

const peopleWarning = html`<p class="alert" role="alert">It binds members who are signed in, too, and so you: from an
address or at a time that it refuses, this dashboard is refused, and the policy cannot be changed there. To leave people
out, choose the kinds of credentials that it is about.</p>`

const ownWarning = html`<p class="alert" role="alert">It would refuse you, from the address where you are now: after it
you could not come back to this dashboard from here, and not take it back. To leave people out, choose the kinds of
credentials that it is about; to leave this place out, add its address.</p>`

/** Beside a change that locks out: it is made only if that is meant. */
export const forceField = html`<fieldset class="field"><legend>It locks out</legend>
<label class="choice"><input type="checkbox" name="force" value="yes"> <span>Do it all the same<small>Then only another
administrator, or the admin token of the deployment, can take it back. It stands in the audit log.</small></span></label>
</fieldset>`

function hasTimes ({ days: on, from, until, hoursFrom, hoursUntil, zone }: Draft): boolean {
  return on.length > 0 || from + until + hoursFrom + hoursUntil + zone !== ''
}

function boxes (
  legend: string, name: string, options: readonly (readonly [string, string])[], chosen: readonly string[],
  hint = 'None chosen: all.'
): string {
  return html`<fieldset class="field"><legend>${legend}</legend>
<p class="hint">${hint}</p>
!${options.map(([value, label]) => html`<label class="choice"><input type="checkbox" name="${name}" value="${value}"!${
  chosen.includes(value) ? ' checked' : ''}> <span>${label}</span></label>
`)}</fieldset>`
}
