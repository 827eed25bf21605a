/** The list of clients, and the search in it. */
import { html } from 'ghtml'
import { withoutAnySecrets } from '../../secrets/redaction.ts'
import { may } from '../api.ts'
import { ago, codes, dayOf } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { filterForm, listingOf, listOf, narrowed, type Column, type Options } from '../list.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { clientsPath, originOf, pageOf, stateOf, type Client } from './client.ts'

const states: Options = [
  ['', 'All states'], ['active', 'Active'], ['disabled', 'Disabled'], ['revoked', 'Revoked']
]

const origins: Options = [
  ['', 'All kinds'], ['operator', 'Made here'], ['registered', 'Registered itself'], ['hosted', 'Described by its host']
]

const sorts: Options = [['newest', 'Newest first'], ['name', 'By name'], ['lastUsedAt', 'Last used first']]

const empty = `No clients yet. A client is a program that asks for tokens with its own id and secret. Make one for each
program, so that you can end one without touching the others.`

interface Filter extends Record<string, string> { search: string, status: string, origin: string, sort: string }

export async function listScreen ({ api, me, query, now }: Visit): Promise<Screen> {
  const filter = {
    search: query('search'), status: query('status'), origin: query('origin'), sort: query('sort') || 'newest'
  }
  const after = query('after')
  const listing = await listingOf<Client>(api, '/clients', filter, after)
  return screenOf(me, filter, null, listOf<Client>({
    caption: 'Clients',
    nouns: ['client', 'clients'],
    path: clientsPath,
    filter,
    orders: ['sort'],
    after,
    columns: columnsAt(now),
    ...(may(me, 'clients:write') ? { actions: client => revocationOf(client, me) } : {}),
    hasEnded: ({ status }) => status === 'revoked',
    empty,
  }, listing))
}

/** `problem`: what is wrong with the search; null: nothing. */
function screenOf (me: Visit['me'], filter: Filter, problem: string | null, list: string): Screen {
  return {
    title: 'Clients',
    path: [],
    place: clientsPath,
    lead: 'Programs that get access tokens from here and call your APIs with them. What a client may do is decided ' +
      'here, never by the client.',
    ...(may(me, 'clients:write')
      ? { action: html`<a class="button primary" data-dialog href="${clientsPath}/new">Create client</a>` }
      : {}),
    content: html`!${problem === null ? '' : html`<p class="alert" role="alert">${problem}</p>`}
!${filterForm(`${clientsPath}/search`, [
  { name: 'status', label: 'State', options: states, chosen: filter.status },
  { name: 'origin', label: 'Kind', options: origins, chosen: filter.origin },
  { name: 'sort', label: 'Order', options: sorts, chosen: filter.sort },
], { label: 'Name or client id', text: filter.search })}
!${list}`
  }
}

/**
 * A text to search for travels in the address of the list. A secret does not, and finds nothing: of a client's secret
 * only the digest is kept, and it is no name for anything.
 */
export async function search ({ me, field }: Submission): Promise<Outcome> {
  const filter = {
    search: field('search').trim(), status: field('status'), origin: field('origin'), sort: field('sort')
  }
  if (withoutAnySecrets(filter.search) === filter.search) return { to: narrowed(clientsPath, filter) }
  const problem = 'That looks like a secret, which no client is found by. Search for a part of its name or client id.'
  return { screen: screenOf(me, { ...filter, search: '' }, problem, ''), status: 422 }
}

function columnsAt (now: Date): Column<Client>[] {
  return [
    {
      name: 'Name',
      cell: client => html`<a href="${pageOf(client)}">${client.name}</a>!${stateOf(client)}<br>
<code class="bare">${client.clientId}</code>`
    },
    { name: 'Kind', cell: originOf },
    { name: 'Access', cell: accessOf },
    { name: 'Last used', cell: ({ lastUsedAt }) => ago(lastUsedAt, now) },
    { name: 'Created', cell: ({ createdAt }) => dayOf(createdAt) },
  ]
}

/** Scopes that a cell shows. */
const shownScopes = 4

function accessOf ({ grants }: Client): string {
  const scopes = grants.flatMap(grant => grant.scopes)
  const rest = scopes.length - shownScopes
  return html`!${codes(scopes.slice(0, shownScopes), 'Nothing')}!${rest > 0
    ? html`<small>and ${rest} more</small>`
    : ''}`
}

function revocationOf (client: Client, me: Visit['me']): string {
  return client.status === 'revoked' || !may(me, 'clients:write', client)
    ? ''
    : html`<a data-dialog href="${pageOf(client)}/revoke">Revoke<span class="unseen"> ${client.name}</span></a>`
}
