/** The lists of APIs and of MCP servers. */
import { html } from 'ghtml'
import { may } from '../api.ts'
import { codes, dayOf } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { filterForm, listingOf, listOf, namedSorts, orderOf, type Column, type Options } from '../list.ts'
import type { Visit } from '../visit.ts'
import { apis, mcpServers, ownersOf, stateOf, type Declared, type Kind } from './declared-api.ts'

const states: Options = [['', 'All states'], ['active', 'Active'], ['revoked', 'Revoked']]

const leads = new Map([
  [apis, 'What callers get keys and tokens for. Each has an address, scopes, and a style for its refusals.'],
  [mcpServers, 'Servers of the Model Context Protocol. Agents find their own way from the URL to a token.'],
])

const empties = new Map([
  [apis, 'No APIs yet. Declare one, and protect it by a few lines: callers then need a key or a token of yours.'],
  [mcpServers, 'No MCP servers yet. Declare one, and clients such as Claude or VS Code connect by its URL alone.'],
])

/** Scopes that a cell shows. */
const shownScopes = 4

export async function listScreen (kind: Kind, visit: Visit): Promise<Screen> {
  const { api, me, query } = visit
  const filter = { search: query('search'), status: query('status'), sort: query('sort') }
  const after = query('after')
  const listing = await listingOf<Declared>(api, kind.collection, filter, after, kind === apis ? { kind: 'api' } : {})
  const [one] = kind.nouns
  return {
    title: kind.title,
    path: [],
    place: kind.path,
    lead: leads.get(kind)!,
    ...(may(me, kind.writes)
      ? { action: html`<a class="button primary" href="${kind.path}/new">Declare ${one}</a>` }
      : {}),
    content: html`!${filterForm(`${kind.path}/search`, [
      { name: 'status', label: 'State', options: states, chosen: filter.status },
      orderOf(namedSorts, filter.sort)
    ], { label: 'Name or address', text: filter.search })}
!${listOf<Declared>({
  caption: kind.title,
  nouns: kind.nouns,
  path: kind.path,
  filter,
  orders: ['sort'],
  after,
  columns: columnsOf(kind, await ownersOf(visit, listing.data)),
  hasEnded: ({ revokedAt }) => revokedAt !== null,
  empty: empties.get(kind)!,
}, listing)}`
  }
}

function columnsOf ({ path }: Kind, ownerOf: (of: Declared) => string): Column<Declared>[] {
  return [
    {
      name: 'Name',
      cell: declared => html`<a href="${path}/${declared.id}">${declared.name}</a>!${stateOf(declared)}<br>
<code class="bare">${declared.identifier}</code>`
    },
    { name: 'Scopes', cell: scopesOf },
    { name: 'Belongs to', cell: ownerOf },
    { name: 'Created', cell: ({ createdAt }) => dayOf(createdAt) },
  ]
}

function scopesOf ({ scopes }: Declared): string {
  const rest = scopes.length - shownScopes
  return html`!${codes(scopes.slice(0, shownScopes).map(({ name }) => name), 'None')}!${rest > 0
    ? html`<small>and ${rest} more</small>`
    : ''}`
}
