/** One member: what they may do, how they sign in, and their role. */
import { html } from 'ghtml'
import { eventWords } from '../audit/words.ts'
import type { ApiRefusal, Me } from '../api.ts'
import { alertOf, problemAt, refusedChange, stateField, type Problem } from '../draft.ts'
import { count, dayOf, facts, selectField, textField } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { historyOf } from '../history.ts'
import type { Listing } from '../list.ts'
import { operatorsId } from '../organizations/list.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { mayChange, mayLink, membersPath, membersWay, rolesFor, stateOf, type Member } from './member.ts'
import { waysIn } from './ways-in.ts'

interface Group { id: string, name: string }

/** The path of the member that a request names, on the API. */
export function apiPathOf ({ parameter }: Pick<Visit, 'parameter'>): string {
  return `/members/${encodeURIComponent(parameter('id'))}`
}

export async function memberScreen (visit: Visit): Promise<Screen> {
  const { api, me } = visit
  const { record: member, etag } = await api.read<Member>(apiPathOf(visit))
  const mayWrite = mayChange(me, member)
  const [groups, ways, history] = await Promise.all([
    me.permissions.includes('groups:read')
      ? api.get<Listing<Group>>('/groups', { member: member.id, limit: 200, total: 'true' })
      : null,
    waysIn(visit, member, mayWrite), historyOf(visit, member.id, eventWords)
  ])
  return {
    title: member.name,
    path: membersWay,
    place: membersPath,
    ...(mayWrite ? { action: actionsOf(member, mayLink(me, member)) } : {}),
    content: html`!${factsOf(member, groups)}
!${mayWrite ? changeForm(me, member.id, draftOfMember(member, me), etag) : ''}
!${ways}
!${history}`
  }
}

function actionsOf ({ id }: Member, mayMakeLink: boolean): string {
  return html`<div class="actions">!${mayMakeLink
? html`<a class="button primary" href="${membersPath}/${id}/link">Make a sign-in link</a>`
: ''}
<a class="button danger" href="${membersPath}/${id}/remove">Remove</a></div>`
}

function factsOf (member: Member, groups: Listing<Group> | null): string {
  const { id, email, role, scopes, createdAt, removedAt } = member
  return facts([
    ['Role', html`${role}!${stateOf(member)}`],
    ['E-mail', html`${email ?? 'none'}`],
    ...(scopes === null
      ? []
      : [['Own scopes', html`!${scopes.map(scope => html`<code>${scope}</code> `)}`] as const]),
    ...(groups === null
      ? []
      : [['Groups', groups.data.length === 0
          ? 'none'
          : html`!${groups.data.map(({ id, name }) => html`<a href="${dashboardPath}/groups/${id}"><bdi>
${name}</bdi></a> `)}!${groups.pagination.hasMore
  ? html`<small>the newest ${groups.data.length} of ${count(groups.pagination.total ?? 0)}</small>`
  : ''}`
        ] as const]),
    ['Since', dayOf(createdAt)],
    ...(removedAt === null ? [] : [['Removed', dayOf(removedAt)] as const]),
    ['Id', html`<code class="bare">${id}</code>`]
  ])
}

/** What the form has of a member. `operator` null: it is not offered. */
interface Draft { name: string, role: string, scopes: string, operator: boolean | null }

function draftOfMember ({ name, role, scopes, operator, organization }: Member, { deployment }: Me): Draft {
  const maySet = deployment && organization === operatorsId
  return { name, role, scopes: (scopes ?? []).join(' '), operator: maySet ? operator : null }
}

function draftOf ({ field }: Submission): Draft {
  return {
    name: field('name').trim(),
    role: field('role'),
    scopes: field('scopes').trim(),
    operator: field('operator') === '' ? null : field('operator') === 'yes'
  }
}

const operatorChoices: readonly (readonly [string, string])[] = [
  ['no', 'No: for the organization of operators alone'], ['yes', 'Yes: for the whole deployment']
]

function changeForm (
  me: Me, id: string, { name, role, scopes, operator }: Draft, etag: string, problem: Problem | null = null
): string {
  const roles = rolesFor(me)
  return html`<form class="panel" method="post" action="${membersPath}/${id}">
!${stateField(etag)}!${alertOf(problem, ['name', 'scopes'])}
!${textField({ name: 'name', label: 'Name', value: name, required: true, problem: problemAt(problem, 'name') })}
!${selectField({
  name: 'role', label: 'Role', options: roles, chosen: role, hint: 'Their keys and applications follow at once.'
})}
!${textField({
  name: 'scopes',
  label: 'Own scopes (optional)',
  value: scopes,
  hint: 'What they may do instead of the above: names and patterns, such as invoices:read *:read.',
  problem: problemAt(problem, 'scopes')
})}
!${operator === null
? ''
: selectField({
  name: 'operator',
  label: 'Operator',
  options: operatorChoices,
  chosen: operator ? 'yes' : 'no',
  hint: 'Operators see and change every organization, and its limits.'
})}
<p class="actions"><button type="submit">Save</button></p></form>`
}

export async function change (submission: Submission): Promise<Outcome> {
  const { api, field, me, parameter } = submission
  const before = draftOfMember(await api.get<Member>(apiPathOf(submission)), me)
  await api.change('PATCH', apiPathOf(submission), {
    ifMatch: field('etag'), body: bodyOf(draftOf(submission), before)
  })
  return { to: `${membersPath}/${encodeURIComponent(parameter('id'))}` }
}

/** What is given beyond name and role, only if it is another one: the API asks more of the person for it. */
function bodyOf ({ name, role, scopes, operator }: Draft, before: Draft) {
  return {
    name,
    role,
    ...(scopes === before.scopes ? {} : { scopes: scopes === '' ? null : scopes.split(/[\s,]+/).filter(Boolean) }),
    ...(operator === null || operator === before.operator ? {} : { operator })
  }
}

export async function mendedChange (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  const { api, field, me } = submission
  const member = await api.get<Member>(apiPathOf(submission))
  const { id, name } = member
  const page = `${membersPath}/${id}`
  const around = { path: [...membersWay, { name, href: page }], place: membersPath }
  const [now, sent] = [draftOfMember(member, me), draftOf(submission)]
  return await refusedChange(refusal, {
    around,
    page,
    values: [
      { name: 'Name', now: now.name, sent: sent.name },
      { name: 'Role', now: now.role, sent: sent.role },
      { name: 'Own scopes', now: now.scopes, sent: sent.scopes }
    ],
    again: problem =>
      ({ title: 'Change member', ...around, content: changeForm(me, id, sent, field('etag'), problem) })
  })
}
