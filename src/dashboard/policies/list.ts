/** The list of policies. */
import { html } from 'ghtml'
import { ago, badge } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { filterForm, listingOf, listOf, namedSorts, orderOf, type Options } from '../list.ts'
import type { Visit } from '../visit.ts'
import { namesIn } from './named.ts'
import { days, kinds, type Conditions, type Policy } from './policy.ts'

export const policiesPath = `${dashboardPath}/policies`
export const policiesWay = [{ name: 'Policies', href: policiesPath }]

const effects: Options = [['', 'All effects'], ['allow', 'Allow'], ['deny', 'Deny']]
const states: Options = [['', 'On and off'], ['true', 'On'], ['false', 'Off']]

export async function listScreen ({ api, me, query, now }: Visit): Promise<Screen> {
  const filter = {
    search: query('search'), effect: query('effect'), enabled: query('enabled'), sort: query('sort')
  }
  const listing = await listingOf<Policy>(api, '/policies', filter, query('after'))
  const names = await namesIn(api, me, listing.data)
  return {
    title: 'Policies',
    path: [],
    place: policiesPath,
    lead: 'They take away what credentials may do, and never give any of it: deny wins over allow, and where there ' +
      'is an allow, one has to hold.',
    ...(me.permissions.includes('policies:write')
      ? { action: html`<a class="button primary" href="${policiesPath}/new">Create policy</a>` }
      : {}),
    content: html`!${filterForm(`${policiesPath}/search`, [
      { name: 'effect', label: 'Effect', options: effects, chosen: filter.effect },
      { name: 'enabled', label: 'State', options: states, chosen: filter.enabled },
      orderOf(namedSorts, filter.sort)
    ], { label: 'Name', text: filter.search })}
!${listOf({
  caption: 'Policies',
  nouns: ['policy', 'policies'],
  path: policiesPath,
  filter,
  orders: ['sort'],
  after: query('after'),
  columns: [
    {
      name: 'Name',
      cell: ({ id, name, description }) => html`<a href="${policiesPath}/${id}"><bdi>${name}</bdi></a>!${
        description === null ? '' : html`<br><small>${description}</small>`}`
    },
    { name: 'Effect', cell: effectOf },
    { name: 'If', cell: ({ conditions }) => conditionsAsList(conditions, names) },
    { name: 'Changed', cell: ({ updatedAt }) => ago(updatedAt, now) }
  ],
  empty: 'No policies yet. With one you say, for instance, that keys work from your office alone, or never write at ' +
    'night. Before it takes effect you see which credentials lose what.'
}, listing)}`
  }
}

export function effectOf ({ effect, enabled }: Policy): string {
  const what = effect === 'allow' ? badge('ok', 'Allow') : badge('bad', 'Deny')
  return enabled ? what : html`!${what} !${badge('plain', 'Off')}`
}

/** What has to hold, as markup. */
export function conditionsAsList (conditions: Conditions | null, names: ReadonlyMap<string, string>): string {
  if (conditions === null) return badge('bad', 'Cannot be read: denies everything')
  const { times, kinds: about, ...lists } = conditions
  const rows = [
    ...(about === undefined ? [] : [['kinds', about.map(kind => wordOf(kinds, kind))] as const]),
    ...Object.entries(lists),
    ...(times === undefined ? [] : [['times', timesOf(times)] as const])
  ]
  return rows.length === 0
    ? html`<span class="muted">always</span>`
    : html`<ul class="plain">!${rows.map(([name, values]) =>
      html`<li>${name}: !${values.map(value => valueOf(value, names))}</li>`)}</ul>`
}

function valueOf (value: string, names: ReadonlyMap<string, string>): string {
  const named = names.get(value)
  return named === undefined ? html`<code>${value}</code> ` : html`<bdi title="${value}">${named}</bdi> `
}

function timesOf ({ from, until, days: on, hours, zone }: NonNullable<Conditions['times']>): string[] {
  return [
    ...(from === undefined ? [] : [`from ${from}`]),
    ...(until === undefined ? [] : [`until ${until}`]),
    ...(on ?? []).map(day => wordOf(days, day)),
    ...(hours === undefined ? [] : [`${hours.from} to ${hours.until}`]),
    ...(zone === undefined ? [] : [zone]),
  ]
}

function wordOf (words: Options, value: string): string {
  return words.find(([each]) => each === value)?.[1] ?? value
}
