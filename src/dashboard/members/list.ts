/** The list of members. */
import { html } from 'ghtml'
import { dayOf } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { filterForm, listingOf, listOf, namedSorts, orderOf, type Options } from '../list.ts'
import { namesOf } from '../choice.ts'
import type { Visit } from '../visit.ts'
import { membersPath, peopleTabs, stateOf, type Member } from './member.ts'

const states: Options = [['', 'All members'], ['active', 'Active'], ['removed', 'Removed']]
const roles: Options = [
  ['', 'All roles'], ['owner', 'Owners'], ['admin', 'Admins'], ['member', 'Members'], ['viewer', 'Viewers']
]

export async function listScreen ({ api, me, query }: Visit): Promise<Screen> {
  const filter = { search: query('search'), status: query('status'), role: query('role'), sort: query('sort') }
  const listing = await listingOf<Member>(api, '/members', filter, query('after'))
  const names = me.deployment
    ? await namesOf({ api, me }, 'organizations', listing.data.map(({ organization }) => organization))
    : null
  return {
    title: 'Members',
    path: [],
    place: membersPath,
    lead: 'People of your organization. What their keys and applications do is never more than they may do themselves.',
    ...(me.permissions.includes('members:write')
      ? { action: html`<a class="button primary" href="${membersPath}/new">Add a member</a>` }
      : {}),
    content: html`!${peopleTabs(me, membersPath)}
!${filterForm(`${membersPath}/search`, [
  { name: 'status', label: 'State', options: states, chosen: filter.status },
  { name: 'role', label: 'Role', options: roles, chosen: filter.role },
  orderOf(namedSorts, filter.sort)
], { label: 'Name or e-mail', text: filter.search })}
!${listOf({
  caption: 'Members',
  nouns: ['member', 'members'],
  path: membersPath,
  filter,
  orders: ['sort'],
  after: query('after'),
  columns: [
    {
      name: 'Name',
      cell: member => html`<a href="${membersPath}/${member.id}"><bdi>${member.name}</bdi></a>!${stateOf(member)}!${
        member.id === me.member.id ? html` <small>you</small>` : ''}!${
        member.email === null ? '' : html`<br><small>${member.email}</small>`}`
    },
    { name: 'Role', cell: ({ role }) => html`${role}` },
    ...(names === null
? []
: [{
      name: 'Organization',
      cell: ({ organization }: Member) => html`<bdi>${names.get(organization) ?? organization}</bdi>`
    }]),
    { name: 'Since', cell: ({ createdAt }) => dayOf(createdAt) }
  ],
  hasEnded: ({ removedAt }) => removedAt !== null,
  empty: 'No members yet.'
}, listing)}`
  }
}
