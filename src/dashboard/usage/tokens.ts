/** How many access tokens each client got lately. */
import { html } from 'ghtml'
import { count, sharesOf } from '../elements.ts'
import { namesOf } from '../choice.ts'
import type { Visit } from '../visit.ts'

interface Minute { client: string, tokens: number }
interface Page { data: readonly Minute[], pagination: { nextCursor?: string } }

/** Pages of minutes that are added up, at most. */
const mostPages = 10

/** Clients that are shown, at most: those with the most tokens. */
const shown = 20

export async function tokensOf (visit: Visit, organization: string): Promise<string> {
  const { api, now } = visit
  const from = new Date(now.getTime() - 86_400_000).toISOString()
  const sums = new Map<string, number>()
  let cursor: string | undefined
  for (let page = 0; page < mostPages; page++) {
    const { data, pagination } = await api.get<Page>('/usage/tokens', { organization, from, limit: 200, cursor })
    for (const { client, tokens } of data) sums.set(client, (sums.get(client) ?? 0) + tokens)
    cursor = pagination.nextCursor
    if (cursor === undefined) break
  }
  const most = [...sums].toSorted(([, one], [, other]) => other - one).slice(0, shown)
  const names = await namesOf(visit, 'clients', most.map(([client]) => client))
  const sum = [...sums.values()].reduce((total, each) => total + each, 0)
  return html`<section class="panel"><h2>Access tokens of the last 24 hours</h2>
!${sum === 0
? html`<p class="muted">None were issued.</p>`
: html`<p>${sum === 1 ? 'One token' : `${count(sum)} tokens`} for ${count(sums.size)} ${sums.size === 1 ? 'client' : 'clients'}${
  cursor === undefined ? '' : ', counted in the newest minutes only'}.</p>
!${sharesOf('Client', most.map(([client, value]) =>
  ({ name: names.get(client) ?? client, value, tone: 'plain' as const })))}`}</section>`
}
