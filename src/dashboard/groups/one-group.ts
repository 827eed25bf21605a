/** One group: its scopes and its members. */
import { html } from 'ghtml'
import type { ApiRefusal } from '../api.ts'
import { eventWords } from '../audit/words.ts'
import { refusedChange, stateField, type Problem } from '../draft.ts'
import { choiceField, choosable, chosenId, type Choosable, type Choosing } from '../choice.ts'
import { dayOf, facts } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { historyOf } from '../history.ts'
import { listingOf, listOf, type Listing } from '../list.ts'
import { membersPath } from '../members/member.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { bodyOf, draftOf, fieldsOf, type Draft } from './creation.ts'
import { groupsPath, groupsWay, scopesOf, type Group } from './list.ts'

interface GroupMember { id: string, name: string, role: string, createdAt: string }

export function apiPathOf ({ parameter }: Pick<Visit, 'parameter'>): string {
  return `/groups/${encodeURIComponent(parameter('id'))}`
}

export async function groupScreen (visit: Visit): Promise<Screen> {
  const { api, me, query } = visit
  const { record: group, etag } = await api.read<Group>(apiPathOf(visit))
  const mayWrite = me.permissions.includes('groups:write')
  const [members, addable, history] = await Promise.all([
    listingOf<GroupMember>(api, `${apiPathOf(visit)}/members`, {}, query('after')),
    mayWrite && me.permissions.includes('members:read') ? choosable(api, addableTo(group)) : null,
    historyOf(visit, group.id, eventWords)
  ])
  return {
    title: group.name,
    path: groupsWay,
    place: membersPath,
    ...(mayWrite
      ? { action: html`<a class="button danger" href="${groupsPath}/${group.id}/delete">Delete group</a>` }
      : {}),
    content: html`!${facts([
      ['Scopes', scopesOf(group.scopes)], ['Description', html`${group.description ?? 'none'}`],
      ['Created', dayOf(group.createdAt)], ['Id', html`<code class="bare">${group.id}</code>`]
    ])}
!${mayWrite ? changeForm(group, draftOfGroup(group), etag) : ''}
<h2>Members</h2>
!${addable === null ? '' : additionForm(group, addable, members)}
!${membersTable(group, members, query('after'), mayWrite)}
!${history}`
  }
}

function draftOfGroup ({ name, description, scopes }: Group): Draft {
  return { name, description: description ?? '', scopes: scopes.join(' ') }
}

function changeForm ({ id }: Pick<Group, 'id'>, draft: Draft, etag: string, problem: Problem | null = null): string {
  return html`<form class="panel" method="post" action="${groupsPath}/${id}">!${stateField(etag)}
!${fieldsOf(draft, problem)}
<p class="actions"><button type="submit">Save</button></p></form>`
}

/** Members that may be added: those of its organization. */
function addableTo ({ organization }: Pick<Group, 'organization'>): Choosing {
  return { path: '/members', noun: 'member', prefix: 'mem_', query: { organization, status: 'active' } }
}

function additionForm (group: Group, addable: Choosable, present: Listing<GroupMember>): string {
  const inside = new Set(present.data.map(member => member.id))
  const others = addable.all.filter(member => !inside.has(member.id))
  if (others.length === 0 && addable.isWhole) return ''
  return html`<form class="panel beside" method="post" action="${groupsPath}/${group.id}/members">
!${choiceField(addableTo(group), { ...addable, all: others }, { name: 'member', label: 'Member', chosen: '' })}
<button type="submit">Add to group</button></form>`
}

function membersTable (group: Group, members: Listing<GroupMember>, after: string, mayWrite: boolean): string {
  return listOf({
    caption: 'Members of the group',
    nouns: ['member', 'members'],
    path: `${groupsPath}/${group.id}`,
    filter: {},
    after,
    columns: [
      { name: 'Name', cell: ({ id, name }) => html`<a href="${membersPath}/${id}"><bdi>${name}</bdi></a>` },
      { name: 'Role', cell: ({ role }) => html`${role}` }
    ],
    ...(mayWrite
      ? {
          actions: ({ id, name }: GroupMember) => html`<form method="post"
 action="${groupsPath}/${group.id}/members/${id}/remove"><button type="submit" class="plain">Take out<span
 class="unseen"> ${name}</span></button></form>`
        }
      : {}),
    empty: 'Nobody is in this group yet, so that its scopes are given to nobody.'
  }, members)
}

export async function change (submission: Submission): Promise<Outcome> {
  const { api, field, parameter } = submission
  await api.change('PATCH', apiPathOf(submission), { ifMatch: field('etag'), body: bodyOf(draftOf(submission)) })
  return { to: `${groupsPath}/${encodeURIComponent(parameter('id'))}` }
}

export async function mendedChange (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  const group = await submission.api.get<Group>(apiPathOf(submission))
  const [now, sent] = [draftOfGroup(group), draftOf(submission)]
  const page = `${groupsPath}/${group.id}`
  const around = { path: [...groupsWay, { name: group.name, href: page }], place: membersPath }
  return await refusedChange(refusal, {
    around,
    page,
    values: [
      { name: 'Name', now: now.name, sent: sent.name },
      { name: 'Description', now: now.description, sent: sent.description },
      { name: 'Scopes', now: now.scopes, sent: sent.scopes }
    ],
    again: problem => ({
      title: 'Change group', ...around, content: changeForm(group, sent, submission.field('etag'), problem)
    })
  })
}

export async function addMember (submission: Submission): Promise<Outcome> {
  const { api } = submission
  const group = await api.get<Group>(apiPathOf(submission))
  const member = await chosenId(api, addableTo(group), submission.field('member').trim())
  return await changeMember(submission, 'PUT', member)
}

export async function removeMember (submission: Submission): Promise<Outcome> {
  return await changeMember(submission, 'DELETE', submission.parameter('member'))
}

async function changeMember (submission: Submission, method: 'PUT' | 'DELETE', member: string): Promise<Outcome> {
  await submission.api.change(method, `${apiPathOf(submission)}/members/${encodeURIComponent(member)}`)
  return { to: `${groupsPath}/${encodeURIComponent(submission.parameter('id'))}` }
}
