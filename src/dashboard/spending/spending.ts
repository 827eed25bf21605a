/** The screen of AI spending: budgets with bars, what was spent by day, model and key, and unsettled reservations. */
import { html } from 'ghtml'
import { may } from '../api.ts'
import { barsByDay, everyDay } from '../chart.ts'
import { dayOf, sharesOf, type Share } from '../elements.ts'
import { filterForm, given, listOf, pageSize, type Column, type Listing, type Options } from '../list.ts'
import type { Screen } from '../frame.ts'
import { daysUntil, screenAt, type Dashboard, type Visit } from '../visit.ts'
import { budgetsOf, dollars, type BudgetState } from './budgets.ts'
import { budgetFormScreens } from './budget-form.ts'
import { spendingPath } from './paths.ts'

interface Sum { name: string, amount: number, calls: number }
interface Reservation { id: string, credential: string, model: string, amount: number, expiresAt: string }

/** What is asked for. `organization`: '' for all, which operators may. */
interface Asked { organization: string, days: number }

const ranges: Options = [['7', '7 days'], ['30', '30 days'], ['90', '90 days']]

/** Rows of a table of shares, at most. */
const mostShares = 10

export function spendingScreens (app: Dashboard): void {
  screenAt(app, '/spending', spending)
  budgetFormScreens(app)
}

async function spending (visit: Visit): Promise<Screen> {
  const { api, me, now } = visit
  const asked = askedOf(visit)
  const of = asked.organization === '' ? {} : { organization: asked.organization }
  const query = { ...of, ...daysUntil(now, asked.days) }
  const sums = async (by: string) => (await api.get<{ data: Sum[] }>('/spend/sums', { by, ...query })).data
  const [states, days, models, credentials, unsettled] = await Promise.all([
    statesOf(visit, asked), sums('day'), sums('model'), sums('credential'), unsettledOf(visit, asked)
  ])
  // Cents of less than a dollar a day would be drawn as nothing.
  const [unit, microDollars] = days.some(({ amount }) => amount >= 1_000_000)
    ? ['Cents', 10_000] as const
    : ['Micro-dollars', 1] as const
  const amounts = days.map(({ name, amount }) => ({ day: name, calls: Math.round(amount / microDollars) }))
  return {
    title: 'AI spending',
    path: [],
    place: spendingPath,
    lead: 'What calls to AI models have cost, as gateways report it. Days and months are UTC.',
    content: html`!${await formOf(visit, asked)}
!${budgetsOf(states, me.deployment && may(me, 'budgets:write'))}
<section class="panel"><h2>Spent by day</h2>
!${barsByDay(everyDay(amounts, asked.days, now), unit, { counted: unit })}</section>
!${sharesIn('By model', models)}
!${sharesIn('By key', credentials)}
!${unsettledIn(visit, asked, unsettled)}`
  }
}

function askedOf ({ me, query }: Visit): Asked {
  const days = ranges.some(([value]) => value === query('days')) ? Number(query('days')) : 30
  return { organization: me.deployment ? query('organization') : me.member.organization, days }
}

async function formOf ({ api, me }: Visit, { organization, days }: Asked): Promise<string> {
  const range = { name: 'days', label: 'Range', options: ranges, chosen: String(days) }
  if (!me.deployment) return filterForm(spendingPath, [range])
  const { data } = await api.get<Listing<{ id: string, name: string }>>('/organizations', { limit: 200 })
  const options: Options = [['', 'All organizations'], ...data.map(({ id, name }) => [id, name] as const)]
  return filterForm(spendingPath, [
    { name: 'organization', label: 'Organization', options, chosen: organization }, range
  ])
}

/** The budgets that concern what is shown: the deployment's, where all organizations are. */
async function statesOf ({ api, me }: Visit, { organization }: Asked): Promise<BudgetState[]> {
  if (!may(me, 'budgets:read')) return []
  return [await api.get<BudgetState>(
    organization === '' ? '/budgets/global' : `/budgets/organizations/${encodeURIComponent(organization)}`
  )]
}

async function unsettledOf ({ api, query }: Visit, { organization }: Asked): Promise<Listing<Reservation>> {
  return await api.get('/spend/reservations', {
    status: 'unsettled', limit: pageSize, ...given({ organization, cursor: query('after') })
  })
}

function sharesIn (title: string, sums: readonly Sum[]): string {
  if (sums.length === 0) return ''
  const shares = sums.slice(0, mostShares).map(({ name, amount, calls }): Share => ({
    name: `${name}, ${calls} ${calls === 1 ? 'call' : 'calls'}`, value: amount, shown: dollars(amount), tone: 'brass'
  }))
  return html`<section class="panel"><h2>${title}</h2>!${sharesOf(title, shares)}</section>`
}

function unsettledIn (visit: Visit, { organization, days }: Asked, listing: Listing<Reservation>): string {
  const filter = { days: String(days), ...(organization === '' ? {} : { organization }) }
  return html`<section class="panel"><h2>Unsettled reservations</h2>
<p class="muted">No gateway said in time what these calls have cost, so their estimates were charged.</p>
!${listOf<Reservation>({
  caption: 'Unsettled reservations',
  nouns: ['reservation', 'reservations'],
  path: spendingPath,
  filter: visit.me.deployment ? filter : { days: String(days) },
  orders: ['days', 'organization'],
  after: visit.query('after'),
  columns,
  empty: 'None. Every reservation that ended was settled or released.'
}, listing)}</section>`
}

const columns: Column<Reservation>[] = [
  { name: 'Reservation', cell: ({ id }) => html`<code class="bare">${id}</code>` },
  { name: 'Key', cell: ({ credential }) => html`<code class="bare">${credential}</code>` },
  { name: 'Model', cell: ({ model }) => html`${model}` },
  { name: 'Charged', cell: ({ amount }) => html`${dollars(amount)}` },
  { name: 'Ended', cell: ({ expiresAt }) => dayOf(expiresAt) },
]
