/** What members have allowed applications and is in use: one row for each installation. */
import { html } from 'ghtml'
import type { Static } from 'typebox'
import type { WireAuthorization, WireConsent } from '../../management/schemas/authorizations.ts'
import { may, type Wire } from '../api.ts'
import { ago, badge, codes, dayOf, nameOrId } from '../elements.ts'
import { endingAt } from '../ending.ts'
import type { Screen } from '../frame.ts'
import { given, listOf, pageSize, type Column, type Listing } from '../list.ts'
import { namesOf } from '../choice.ts'
import { screenAt, type Dashboard, type Visit } from '../visit.ts'
import { applicationsPath, applicationsWay, tabs } from './tabs.ts'

export type Authorization = Wire<Static<typeof WireAuthorization>>
export type Consent = Wire<Static<typeof WireConsent>>

const empty = `No application acts for a member. When a member allows one, such as Claude or VS Code at an MCP server,
it is listed here, with its last use, and can be ended.`

/** What is ended, with the name of the member that allowed it. */
type Ended = Authorization & { memberName: string }

export function authorizationScreens (app: Dashboard): void {
  screenAt(app, '/applications', listScreen)
  endingAt<Ended>(app, '/applications/:id/end', {
    place: applicationsPath,
    verb: 'end',
    takesReason: false,
    load: async visit => {
      const record = await visit.api.get<Authorization>(`/authorizations/${encodeURIComponent(visit.parameter('id'))}`)
      const names = await namesOf(visit, 'members', [record.member])
      return { ...record, memberName: names.get(record.member) ?? record.member }
    },
    about: (record, { now }) => ({
      name: nameOf(record),
      title: `End ${nameOf(record)}`,
      path: applicationsWay,
      lead: 'Every token of this installation is refused from the next request on, on every server.',
      warning: html`<bdi>${record.memberName}</bdi> allowed it !${codes(record.scopes, 'nothing')} at ${record.resource}.
!${record.lastUsedAt === null ? 'It was never used.' : html`It was last used !${ago(record.lastUsedAt, now)}.`}
As long as the consent is remembered, it can come back without a question: end the
<a href="${applicationsPath}/consents">consent</a> to end both.`,
      button: 'End access',
      keep: applicationsPath,
    }),
    end: async ({ api }, { id }) => {
      await api.change('POST', `/authorizations/${id}/revoke`)
      return { to: applicationsPath }
    },
  })
}

/** As the application calls itself, else its id. */
export function nameOf ({ clientName, client }: Pick<Authorization, 'clientName' | 'client'>): string {
  return clientName ?? client
}

async function listScreen (visit: Visit): Promise<Screen> {
  const { api, me, query, now } = visit
  const filter = { client: query('client'), member: query('member') }
  const after = query('after')
  const listing = await api.get<Listing<Authorization>>('/authorizations', {
    limit: pageSize, ...given({ ...filter, cursor: after })
  })
  const members = await namesOf(visit, 'members', listing.data.map(({ member }) => member))
  const mayEnd = may(me, 'authorizations:write')
  return {
    title: 'Applications of members',
    path: [],
    place: applicationsPath,
    lead: 'What members allowed applications to do for them. An application chose its own name.',
    ...(mayEnd && filter.client !== ''
      ? { action: html`<a class="button danger" href="${endOfAll(filter.client)}">End all of this application</a>` }
      : {}),
    content: html`!${tabs(applicationsPath, me)}
!${narrowing(filter, members)}
!${listOf<Authorization>({
  caption: 'Applications in use',
  nouns: ['installation', 'installations'],
  path: applicationsPath,
  filter,
  after,
  columns: columnsOf(members, now),
  ...(mayEnd ? { actions: (record: Authorization) => endingOf(record, members) } : {}),
  hasEnded: ({ status }) => status !== 'active',
  empty,
}, listing)}`
  }
}

/** What the list is narrowed to by a link in it. */
function narrowing ({ client, member }: { client: string, member: string }, members: Map<string, string>): string {
  if (client === '' && member === '') return ''
  return html`<p>Of !${client === '' ? html`${members.get(member) ?? member}` : html`<code>${client}</code>`} alone.
<a href="${applicationsPath}">Show all</a></p>`
}

export function endOfAll (client: string): string {
  return `${applicationsPath}/end-all?client=${encodeURIComponent(client)}`
}

function columnsOf (members: Map<string, string>, now: Date): Column<Authorization>[] {
  return [
    {
      name: 'Application',
      cell: record => html`<a href="${applicationsPath}?client=${encodeURIComponent(record.client)}">${
        nameOf(record)}</a>!${stateOf(record)}<br><code class="bare">${record.client}</code>`
    },
    {
      name: 'Allowed by',
      cell: ({ member }) => html`<a href="${applicationsPath}?member=${member}">!${nameOrId(member, members)}</a>`
    },
    { name: 'At', cell: ({ resource, scopes }) => html`${resource}<br>!${codes(scopes, 'Nothing')}` },
    { name: 'Last used', cell: ({ lastUsedAt }) => ago(lastUsedAt, now) },
    { name: 'Allowed', cell: ({ createdAt }) => dayOf(createdAt) },
  ]
}

function stateOf ({ status }: Authorization): string {
  if (status === 'active') return ''
  return html` !${badge('bad', status === 'ended' ? 'Ended' : 'Expired')}`
}

/** Several rows may be of one application. */
function endingOf (record: Authorization, members: ReadonlyMap<string, string>): string {
  return record.status === 'active'
    ? html`<a href="${applicationsPath}/${record.id}/end">End<span class="unseen"> ${nameOf(record)}, allowed by ${
      members.get(record.member) ?? record.member} at ${record.resource}</span></a>`
    : ''
}
