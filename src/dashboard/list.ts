/** Lists: what they are narrowed to, a row each, how many there are, and what is said where there is none. */
import { html } from 'ghtml'
import { ApiRefusal, type Query, type ReadingApi } from './api.ts'
import { count } from './elements.ts'

/**
 * A page of a list, as the API answers it. `total`: only if it was asked for; `totalIsAtLeast`: there may be more.
 * `notSorted`: why it is not in the order that was asked for; absent: it is.
 */
export interface Listing<T> {
  data: readonly T[]
  pagination: { hasMore: boolean, nextCursor?: string, total?: number, totalIsAtLeast?: true }
  notSorted?: string
}

/** Rows of a page. */
export const pageSize = 50

/** What a list is narrowed to, and its order: members of the query of its page. '': not narrowed. */
export type Filter = Readonly<Record<string, string>>

/** The members that are not ''. */
export function given (members: Filter): Record<string, string> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== ''))
}

/**
 * A page of a list of the API, counted, narrowed by the filter of its page. What is too long for another order comes
 * newest first. @throws ApiRefusal.
 */
export async function listingOf<T> (
  api: ReadingApi, path: string, filter: Filter, after: string, more: Query = {}
): Promise<Listing<T>> {
  const { sort = '', ...narrowing } = filter
  const query = { limit: pageSize, total: 'true', ...given({ ...narrowing, cursor: after }), ...more }
  try {
    return await api.get<Listing<T>>(path, { ...query, ...given({ sort }) })
  } catch (error) {
    if (!(error instanceof ApiRefusal) || error.details.field !== 'sort' || error.status !== 400) throw error
    return { ...await api.get<Listing<T>>(path, query), notSorted: error.message }
  }
}

/** The path of a list that is narrowed. */
export function narrowed (path: string, filter: Filter): string {
  const query = String(new URLSearchParams(given(filter)))
  return query === '' ? path : `${path}?${query}`
}

export interface Column<T> {
  name: string
  /** Markup. */
  cell (row: T): string
  /** A class of its cells. */
  class?: string
}

export interface ListScreen<T> {
  /** What the rows are, for a caption: `API keys`. */
  caption: string
  /** One row, and several: `key`, `keys`. */
  nouns: readonly [string, string]
  /** The path of the page. */
  path: string
  filter: Filter
  /** Members of the filter that leave out no row. */
  orders?: readonly string[]
  /** Where the page begins; '': with the first row. */
  after: string
  /** The member of the query that says so; absent: `after`. For a page with several lists. */
  cursor?: string
  /** The first one names the row. */
  columns: readonly Column<T>[]
  /** Links and forms of a row, as markup; '': there is none. Absent: no row has any. */
  actions?: (row: T) => string
  /** Whether a row is struck through. Its state says so, too. */
  hasEnded?: (row: T) => boolean
  /** What the rows are for, where there is none, as markup. */
  empty: string
}

/** The rows with what stands below them, or what stands there instead. */
export function listOf<T> (screen: ListScreen<T>, { data, pagination, notSorted }: Listing<T>): string {
  if (data.length === 0) return pagination.nextCursor === undefined ? nothing(screen) : farther(screen, pagination)
  return html`!${notSorted === undefined ? '' : html`<p class="muted" role="status">${notSorted}</p>`}
!${table(screen, data)}
!${footer(screen, data.length, pagination)}`
}

/** A page may look at so many rows without a match. */
function farther<T> (screen: ListScreen<T>, pagination: Listing<T>['pagination']): string {
  return html`<p class="empty">No ${screen.nouns[0]} is like that among those that were looked at so far: there are
many. Look on with More.</p>
!${footer(screen, 0, pagination)}`
}

function nothing<T> ({ nouns, path, filter, orders = [], after, empty }: ListScreen<T>): string {
  const isNarrowed = after !== '' || Object.keys(given(filter)).some(name => !orders.includes(name))
  return isNarrowed
    ? html`<p class="empty">No ${nouns[0]} is like that. <a href="${path}">Show all ${nouns[1]}</a></p>`
    : html`<p class="empty">!${empty}</p>`
}

function table<T> (screen: ListScreen<T>, rows: readonly T[]): string {
  const { caption, columns, actions } = screen
  return html`<div class="scrolling" tabindex="0" role="region" aria-label="${caption}"><table>
<caption class="unseen">${caption}</caption>
<thead><tr>!${columns.map(({ name }) => html`<th scope="col">${name}</th>`)}!${actions === undefined
? ''
: html`<th scope="col"><span class="unseen">Actions</span></th>`}</tr></thead>
<tbody>
!${rows.map(row => rowOf(screen, row))}</tbody></table></div>`
}

function rowOf<T> ({ columns: [first, ...others], actions, hasEnded }: ListScreen<T>, row: T): string {
  return html`<tr!${hasEnded?.(row) === true ? ' class="ended"' : ''}>
<th scope="row"!${classOf(first!)}>!${first!.cell(row)}</th>
!${others.map(column => html`<td data-label="${column.name}"!${classOf(column)}><div>!${column.cell(row)}</div></td>
`)}!${actions === undefined ? '' : html`<td class="row-actions">!${actions(row)}</td>`}</tr>
`
}

function classOf<T> (column: Column<T>): string {
  return column.class === undefined ? '' : html` class="${column.class}"`
}

function footer<T> (
  { nouns: [one, many], path, filter, after, cursor = 'after' }: ListScreen<T>,
  shown: number,
  { nextCursor, total, totalIsAtLeast }: Listing<T>['pagination']
): string {
  const rows = (number: number) => number === 1 ? `One ${one}` : `${count(number)} ${many}`
  const isWhole = after === '' && nextCursor === undefined
  const all = totalIsAtLeast === true ? `${count(total ?? 0)} or more ${many}` : rows(total ?? 0)
  const text = isWhole
    ? `${rows(shown)}, all shown`
    : total === undefined ? `${rows(shown)} on this page` : `${count(shown)} of ${all}`
  return html`<div class="footer"><p>${text}</p>
<p class="actions">!${after === '' ? '' : html`<a class="button" href="${narrowed(path, filter)}">First page</a>`}
!${nextCursor === undefined
  ? ''
  : html`<a class="button" href="${narrowed(path, { ...filter, [cursor]: nextCursor })}">More</a>`}</p></div>`
}

/** Values and what they are called. */
export type Options = readonly (readonly [string, string])[]

/** The orders of what has a name. */
export const namedSorts: Options = [['newest', 'Newest first'], ['name', 'By name']]

/** The choice of an order. '': the first one. */
export function orderOf (options: Options, chosen: string): Narrowing {
  return { name: 'sort', label: 'Order', options, chosen }
}

/** A choice that narrows a list. */
export interface Narrowing { name: string, label: string, options: Options, chosen: string }

/**
 * What a list is narrowed by. With `search`, it is sent and not linked: a whole secret may be pasted, and has no place
 * in an address.
 */
export function filterForm (
  action: string, narrowings: readonly Narrowing[], search?: { label: string, text: string }
): string {
  return html`<form class="filter" method="!${search === undefined ? 'get' : 'post'}" action="${action}">
!${search === undefined
  ? ''
  : html`<label for="search" class="unseen">${search.label}</label>
<input type="search" id="search" name="search" value="${search.text}" placeholder="${search.label}" maxlength="200"
 autocomplete="off">`}
!${narrowings.map(({ name, label, options, chosen }) => html`<label for="${name}" class="unseen">${label}</label>
<select id="${name}" name="${name}">!${options.map(([value, text]) =>
  html`<option value="${value}"!${value === chosen ? ' selected' : ''}>${text}</option>`)}</select>
`)}<button type="submit">Show</button></form>`
}
