/** The form of a rule: what was typed into it, its fields with a row for each claim, and what the API takes of them. */
import { html } from 'ghtml'
import type { ReadingApi } from '../api.ts'
import { offeredTo, resourceField, type OfferedApis } from '../apis/grants.ts'
import { alertOf, problemAt, type Problem } from '../draft.ts'
import { textField } from '../elements.ts'
import type { Options } from '../list.ts'
import type { Submission } from '../visit.ts'
import type { Condition, Issuer, Rule } from './issuer.ts'

/** What can be changed later. */
export interface RuleDraft { name: string, claims: readonly Condition[], resource: string, scopes: string }

/** Empty rows behind those that are filled, and in a new rule: saving brings more. */
const emptyRows = 2

/** How a claim is compared: '', or the separators of a beginning. */
const comparisons: Options = [
  ['', 'Is exactly'], [':/', 'Begins so, * ends at : and /'], [':', 'Begins so, * ends at :'],
  ['/', 'Begins so, * ends at /']
]

export function ruleSent ({ field, fields }: Submission): RuleDraft {
  const [values, ways] = [fields('value'), fields('comparison')]
  const claims = fields('claim').map((claim, index) =>
    conditionOf(claim.trim(), (values[index] ?? '').trim(), ways[index] ?? ''))
  return {
    name: field('name').trim(),
    // The path of a claim may be suggested: a row counts by its value.
    claims: claims.filter(({ value }) => value !== ''),
    resource: field('resource').trim(),
    scopes: field('scopes').trim(),
  }
}

function conditionOf (claim: string, value: string, separators: string): Condition {
  return separators === '' ? { claim, value } : { claim, value, separators: [...separators] }
}

export function draftOfRule ({ name, claims, resource, scopes }: Rule): RuleDraft {
  return { name, claims, resource, scopes: scopes.join(' ') }
}

export function bodyOfRule ({ name, claims, resource, scopes }: RuleDraft): object {
  return { name, claims, resource, scopes: scopes.split(/\s+/).filter(scope => scope !== '') }
}

/** A condition in words. */
export function conditionText ({ claim, value, separators }: Condition): string {
  return `${claim} = ${value}${separators === undefined ? '' : ` (* ends at ${separators.join(' and ')})`}`
}

/** The APIs to choose, with one that has ended and is the rule's all the same. */
export async function apisFor (api: ReadingApi, { resource }: RuleDraft): Promise<OfferedApis> {
  const offered = await offeredTo(api, [resource])
  if (resource === '' || offered.resources.some(({ identifier }) => identifier === resource)) return offered
  const ended = { id: resource, identifier: resource, name: resource, style: '', scopes: [], revokedAt: null }
  return { ...offered, resources: [ended, ...offered.resources] }
}

/** `more`: fields of a new rule, as markup. */
export function ruleFields (
  { anchors }: Issuer, draft: RuleDraft, { apis, problem, more }: {
    apis: OfferedApis, problem: Problem | null, more: string
  }
): string {
  const { name, claims, resource, scopes } = draft
  return html`!${alertOf(problem, ['name', 'claims', 'scopes'])}
!${textField({ name: 'name', label: 'Name', value: name, required: true, problem: problemAt(problem, 'name') })}
!${claimRows(claims, anchors, problemAt(problem, 'claims'))}
!${more}
!${resourceField(apis, resource)}
!${textField({
  name: 'scopes', label: 'Scopes', value: scopes, hint: 'Separated by spaces.', problem: problemAt(problem, 'scopes')
})}`
}

function claimRows (claims: readonly Condition[], anchors: readonly string[], problem: string | null): string {
  const rows: Condition[] = [...claims, ...Array.from({ length: emptyRows }, () => ({ claim: '', value: '' }))]
  const suggested = claims.length === 0 ? anchors[0] ?? '/sub' : ''
  return html`<fieldset class="field wide"!${problem === null ? '' : ' aria-describedby="claims-problem"'}>
<legend>Claims, all of which hold</legend>
<p class="hint">A JSON Pointer, as /sub or /kubernetes.io/namespace, and its text: the whole of it, or its beginning up
to : or / and *, as system:serviceaccount:prod:*. A row without a value counts for nothing.</p>
!${problem === null ? '' : html`<p class="problem" id="claims-problem">${problem}</p>`}
<datalist id="anchors">!${anchors.map(anchor => html`<option value="${anchor}"></option>`)}</datalist>
!${rows.map((row, index) => claimRow(index === 0 && row.claim === '' ? { ...row, claim: suggested } : row, index, {
  isWrong: problem !== null && index === 0
}))}</fieldset>`
}

function claimRow (
  { claim, value, separators = [] }: Condition, index: number, { isWrong }: { isWrong: boolean }
): string {
  const number = index + 1
  const chosen = separators.join('')
  const wrong = isWrong ? ' aria-invalid="true" autofocus' : ''
  return html`<div class="fields">
<div class="field"><label for="claim-${index}">Claim ${number}</label>
<input type="text" id="claim-${index}" name="claim" value="${claim}" list="anchors" autocomplete="off"></div>
<div class="field"><label for="comparison-${index}">How claim ${number} is compared</label>
<select id="comparison-${index}" name="comparison">!${comparisons.map(([way, text]) =>
  html`<option value="${way}"!${way === chosen ? ' selected' : ''}>${text}</option>`)}</select></div>
<div class="field"><label for="value-${index}">Value ${number}</label>
<input type="text" id="value-${index}" name="value" value="${value}" autocomplete="off"!${wrong}></div></div>
`
}
