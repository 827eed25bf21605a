/** Lists: what they are narrowed to, a row each, how many there are, and what is said where there is none. */
import { html } from 'ghtml'
import { count } from './elements.ts'

/** A page of a list, as the API answers it. `total`: only if it was asked for. */
export interface Listing<T> {
  data: readonly T[]
  pagination: { hasMore: boolean, nextCursor?: string, total?: number }
}

/** Rows of a page. */
export const pageSize = 50

/** What a list is narrowed to, and its order: members of the query of its page. '': not narrowed. */
export type Filter = Readonly<Record<string, string>>

/** The members that are not ''. */
export function given (members: Filter): Record<string, string> {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== ''))
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
export function listOf<T> (screen: ListScreen<T>, { data, pagination }: Listing<T>): string {
  if (data.length === 0) return nothing(screen)
  return html`!${table(screen, data)}
!${footer(screen, data.length, pagination)}`
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
  { nouns: [one, many], path, filter, after }: ListScreen<T>,
  shown: number,
  { nextCursor, total }: Listing<T>['pagination']
): string {
  const rows = (number: number) => number === 1 ? `One ${one}` : `${count(number)} ${many}`
  const isWhole = after === '' && nextCursor === undefined
  const text = isWhole
    ? `${rows(shown)}, all shown`
    : total === undefined ? `${rows(shown)} on this page` : `${count(shown)} of ${rows(total)}`
  return html`<div class="footer"><p>${text}</p>
<p class="actions">!${after === '' ? '' : html`<a class="button" href="${narrowed(path, filter)}">First page</a>`}
!${nextCursor === undefined
  ? ''
  : html`<a class="button" href="${narrowed(path, { ...filter, after: nextCursor })}">More</a>`}</p></div>`
}

/** Values and what they are called. */
export type Options = readonly (readonly [string, string])[]

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
