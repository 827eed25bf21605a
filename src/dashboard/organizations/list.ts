/** The list of organizations, and the others that a person may change to. */
import { html } from 'ghtml'
import { badge, count, dayOf } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { filterForm, listingOf, listOf, namedSorts, orderOf, type Options } from '../list.ts'
import type { Visit } from '../visit.ts'

export const organizationsPath = `${dashboardPath}/organizations`
export const organizationsWay = [{ name: 'Organizations', href: organizationsPath }]

export function apiPathOf ({ parameter }: Pick<Visit, 'parameter'>): string {
  return `/organizations/${encodeURIComponent(parameter('id'))}`
}

export function pageOf ({ parameter }: Pick<Visit, 'parameter'>): { to: string } {
  return { to: `${organizationsPath}/${encodeURIComponent(parameter('id'))}` }
}

/** That of the operators, which is neither suspended nor deleted. */
export const operatorsId = 'org_operators'

/** An organization, as the API answers it. */
export interface Organization {
  id: string
  name: string
  status: 'active' | 'suspended' | 'deleted'
  features: readonly string[]
  callsPerMonth: number | null
  creditsPerMonth: number | null
  callsPerMinute: number | null
  createdAt: string
  requiresProvider: boolean
  unverifiedClients: string
}

const states: Options = [
  ['', 'All states'], ['active', 'Active'], ['suspended', 'Suspended'], ['deleted', 'Deleted']
]

export async function listScreen ({ api, me, query }: Visit): Promise<Screen> {
  const asked = me.deployment ? query : () => ''
  const filter = { search: asked('search'), status: asked('status'), sort: asked('sort') }
  const listing = await listingOf<Organization>(api, '/organizations', filter, query('after'))
  const others = me.organizations.filter(({ id }) => id !== me.member.organization)
  return {
    title: 'Organizations',
    path: [],
    place: organizationsPath,
    lead: me.deployment
      ? 'The tenants of this deployment. What one of them has, no other sees.'
      : 'Everything that you manage here belongs to one organization.',
    ...(me.deployment && me.permissions.includes('organizations:write')
      ? { action: html`<a class="button primary" href="${organizationsPath}/new">Create organization</a>` }
      : {}),
    content: html`!${me.deployment
? filterForm(`${organizationsPath}/search`, [
  { name: 'status', label: 'State', options: states, chosen: filter.status }, orderOf(namedSorts, filter.sort)
], { label: 'Name or id', text: filter.search })
: ''}
!${listOf({
  caption: 'Organizations',
  nouns: ['organization', 'organizations'],
  path: organizationsPath,
  filter,
  orders: ['sort'],
  after: query('after'),
  columns: [
    {
      name: 'Name',
      cell: ({ id, name }) => html`<a href="${organizationsPath}/${id}"><bdi>${name}</bdi></a>!${
        id === me.member.organization ? html` <small>yours</small>` : ''}<br><code class="bare">${id}</code>`
    },
    { name: 'State', cell: stateOf },
    { name: 'Calls a month', cell: ({ callsPerMonth }) => limitOf(callsPerMonth) },
    { name: 'Credits a month', cell: ({ creditsPerMonth }) => limitOf(creditsPerMonth) },
    { name: 'Created', cell: ({ createdAt }) => dayOf(createdAt) }
  ],
  hasEnded: ({ status }) => status === 'deleted',
  empty: 'No organizations yet.'
}, listing)}
!${others.length === 0 ? '' : changesTo(others)}`
  }
}

function changesTo (others: readonly { id: string, name: string }[]): string {
  return html`<section class="panel"><h2>You are also a member of</h2>
<ul class="records">!${others.map(({ id, name }) => html`<li class="line"><bdi>${name}</bdi>
<form method="post" action="/api/v1/auth/organization"><input type="hidden" name="organization" value="${id}">
<input type="hidden" name="return_to" value="${dashboardPath}"><button type="submit">Change to it<span class="unseen">:
${name}</span></button></form></li>
`)}</ul></section>`
}

export function stateOf ({ status }: Organization): string {
  if (status === 'active') return badge('ok', 'Active')
  return status === 'suspended' ? badge('warn', 'Suspended') : badge('bad', 'Deleted')
}

export function limitOf (limit: number | null): string {
  return limit === null ? html`<span class="muted">no limit</span>` : count(limit)
}
