/** Creating a group. */
import { html } from 'ghtml'
import type { ApiRefusal } from '../api.ts'
import { organizationField, organizationIn } from '../choice.ts'
import { alertOf, problemAt, problemIn, type Problem } from '../draft.ts'
import { textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { membersPath } from '../members/member.ts'
import { attemptField } from '../shown-once.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { groupsPath, groupsWay, type Group } from './list.ts'

export interface Draft { name: string, description: string, scopes: string }

/** Reads what was typed into the form of a group. */
export function draftOf ({ field }: Submission): Draft {
  return { name: field('name').trim(), description: field('description').trim(), scopes: field('scopes') }
}

/** As the API takes it. */
export function bodyOf ({ name, description, scopes }: Draft) {
  return { name, description: description === '' ? null : description, scopes: scopesIn(scopes) }
}

/** Scopes that stand in a text, with spaces or commas between them. */
function scopesIn (text: string): string[] {
  return text.split(/[\s,]+/).filter(Boolean)
}

/** The fields of a group, as markup. */
export function fieldsOf ({ name, description, scopes }: Draft, problem: Problem | null): string {
  return html`!${alertOf(problem, ['name', 'description', 'scopes'])}
!${textField({ name: 'name', label: 'Name', value: name, required: true, problem: problemAt(problem, 'name') })}
!${textField({
  name: 'description',
  label: 'Description (optional)',
  value: description,
  problem: problemAt(problem, 'description')
})}
!${textField({
  name: 'scopes',
  label: 'Scopes',
  value: scopes,
  hint: 'Names and patterns, with spaces between them: invoices:read, invoices:*, *:read.',
  problem: problemAt(problem, 'scopes')
})}`
}

export async function creationScreen (visit: Visit): Promise<Screen> {
  return await form(visit, { name: '', description: '', scopes: '' }, '', null)
}

export async function mended (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  return await form(
    submission, draftOf(submission), submission.field('organization'), problemIn(refusal), submission.field('attempt')
  )
}

export async function createGroup (submission: Submission): Promise<Outcome> {
  const { api, field } = submission
  const organization = await organizationIn(submission)
  const { id } = await api.change<Group>('POST', '/groups', {
    idempotencyKey: field('attempt'), body: { ...bodyOf(draftOf(submission)), organization }
  })
  return { to: `${groupsPath}/${id}` }
}

async function form (
  visit: Pick<Visit, 'api' | 'me'>, draft: Draft, organization: string, problem: Problem | null, attempt?: string
): Promise<Screen> {
  return {
    title: 'Create group',
    path: groupsWay,
    place: membersPath,
    content: html`<form class="panel" method="post" action="${groupsPath}">!${attemptField(attempt)}
!${await organizationField(visit, organization)}
!${fieldsOf(draft, problem)}
<p class="actions"><button type="submit" class="primary">Create group</button>
<a class="button" href="${groupsPath}">Cancel</a></p></form>`
  }
}
