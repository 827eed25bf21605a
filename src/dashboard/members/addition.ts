/** Adding a member. */
import { html } from 'ghtml'
import type { ApiRefusal } from '../api.ts'
import { choiceField, choosable, chosenId, organizations } from '../choice.ts'
import { alertOf, problemAt, problemIn, type Problem } from '../draft.ts'
import { selectField, textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { attemptField } from '../shown-once.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { membersPath, membersWay, rolesFor, type Member } from './member.ts'

interface Draft { name: string, email: string, role: string, organization: string, attempt?: string }

export async function additionScreen (visit: Visit): Promise<Screen> {
  const organization = visit.query('organization') || visit.me.member.organization
  return await form(visit, { name: '', email: '', role: 'member', organization }, null)
}

export async function mended (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  return await form(submission, draftOf(submission), problemIn(refusal))
}

export async function add (submission: Submission): Promise<Outcome> {
  const { name, email, role, organization, attempt } = draftOf(submission)
  const { id } = await submission.api.change<Member>('POST', '/members', {
    idempotencyKey: attempt,
    body: {
      name,
      role,
      organization: await chosenId(submission.api, organizations, organization),
      ...(email === '' ? {} : { email })
    }
  })
  return { to: `${membersPath}/${id}` }
}

function draftOf ({ field, me }: Submission): Required<Draft> {
  return {
    name: field('name').trim(),
    email: field('email').trim(),
    role: field('role'),
    organization: field('organization').trim() || me.member.organization,
    attempt: field('attempt')
  }
}

async function form (
  { api, me }: Pick<Visit, 'api' | 'me'>, { name, email, role, organization, attempt }: Draft, problem: Problem | null
): Promise<Screen> {
  const choice = me.deployment ? await choosable(api, organizations) : null
  return {
    title: 'Add a member',
    path: membersWay,
    place: membersPath,
    lead: 'They are a member at once. On their page you make the link with which they sign in for the first time.',
    content: html`<form class="panel" method="post" action="${membersPath}">
!${alertOf(problem, ['name', 'email'])}
!${attemptField(attempt)}
!${choice === null
? ''
: choiceField(organizations, choice, { name: 'organization', label: 'Organization', chosen: organization })}
!${textField({ name: 'name', label: 'Name', value: name, required: true, problem: problemAt(problem, 'name') })}
!${textField({
  name: 'email',
  label: 'E-mail (optional)',
  value: email,
  hint: 'To tell people apart; by itself it lets nobody in.',
  problem: problemAt(problem, 'email')
})}
!${selectField({ name: 'role', label: 'Role', options: rolesFor(me), chosen: role })}
<p class="actions"><button type="submit" class="primary">Add member</button>
<a class="button" href="${membersPath}">Cancel</a></p></form>`
  }
}
