/** Creating an organization. */
import { html } from 'ghtml'
import type { ApiRefusal } from '../api.ts'
import { alertOf, problemAt, problemIn, type Problem } from '../draft.ts'
import { textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { attemptField } from '../shown-once.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { organizationsPath, organizationsWay, type Organization } from './list.ts'

export async function creationScreen (_visit: Visit): Promise<Screen> {
  return form('', null)
}

export async function mended ({ field }: Submission, refusal: ApiRefusal): Promise<Screen> {
  return form(field('name'), problemIn(refusal), field('attempt'))
}

export async function create ({ api, field }: Submission): Promise<Outcome> {
  const { id } = await api.change<Organization>('POST', '/organizations', {
    idempotencyKey: field('attempt'), body: { name: field('name').trim() }
  })
  return { to: `${organizationsPath}/${id}` }
}

function form (name: string, problem: Problem | null, attempt?: string): Screen {
  return {
    title: 'Create organization',
    path: organizationsWay,
    place: organizationsPath,
    content: html`<form class="panel" method="post" action="${organizationsPath}">!${attemptField(attempt)}
!${alertOf(problem, ['name'])}
!${textField({ name: 'name', label: 'Name', value: name, required: true, problem: problemAt(problem, 'name') })}
<p class="actions"><button type="submit" class="primary">Create organization</button>
<a class="button" href="${organizationsPath}">Cancel</a></p></form>`
  }
}
