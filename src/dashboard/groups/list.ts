/** The list of groups. */
import { html } from 'ghtml'
import { dayOf } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { filterForm, listingOf, listOf, namedSorts, orderOf } from '../list.ts'
import { membersPath, peopleTabs } from '../members/member.ts'
import type { Visit } from '../visit.ts'

export const groupsPath = `${dashboardPath}/groups`
export const groupsWay = [{ name: 'Groups', href: groupsPath }]

/** A group, as the API answers it. */
export interface Group {
  id: string
  organization: string
  name: string
  description: string | null
  scopes: readonly string[]
  createdAt: string
}

export async function listScreen ({ api, me, query }: Visit): Promise<Screen> {
  const filter = { search: query('search'), sort: query('sort') }
  const listing = await listingOf<Group>(api, '/groups', filter, query('after'))
  return {
    title: 'Groups',
    path: [],
    place: membersPath,
    lead: 'Members of a group have its scopes besides their own.',
    ...(me.permissions.includes('groups:write')
      ? { action: html`<a class="button primary" href="${groupsPath}/new">Create group</a>` }
      : {}),
    content: html`!${peopleTabs(me, groupsPath)}
!${filterForm(`${groupsPath}/search`, [orderOf(namedSorts, filter.sort)], { label: 'Name', text: filter.search })}
!${listOf({
  caption: 'Groups',
  nouns: ['group', 'groups'],
  path: groupsPath,
  filter,
  orders: ['sort'],
  after: query('after'),
  columns: [
    {
      name: 'Name',
      cell: ({ id, name, description }) => html`<a href="${groupsPath}/${id}"><bdi>${name}</bdi></a>!${
        description === null ? '' : html`<br><small>${description}</small>`}`
    },
    { name: 'Scopes', cell: ({ scopes }) => scopesOf(scopes) },
    { name: 'Created', cell: ({ createdAt }) => dayOf(createdAt) }
  ],
  empty: 'No groups yet. A group gives the same scopes to several people: who joins it has them, who leaves it has not.'
}, listing)}`
  }
}

export function scopesOf (scopes: readonly string[]): string {
  return scopes.length === 0
    ? html`<span class="muted">none</span>`
    : html`!${scopes.map(scope => html`<code>${scope}</code> `)}`
}
