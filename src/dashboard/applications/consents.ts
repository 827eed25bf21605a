/** What members allowed applications, remembered so that they are not asked again; and the end of all of one. */
import { html } from 'ghtml'
import { ApiRefusal, may, type ReadingApi } from '../api.ts'
import { codes, count, dayOf, nameOrId } from '../elements.ts'
import { endingAt } from '../ending.ts'
import type { Screen } from '../frame.ts'
import { given, listOf, pageSize, type Listing } from '../list.ts'
import { namesOf } from '../choice.ts'
import { screenAt, type Dashboard, type Submission, type Visit } from '../visit.ts'
import { nameOf, type Authorization, type Consent } from './authorizations.ts'
import { applicationsPath, applicationsWay, consentsPath, tabs } from './tabs.ts'

const empty = 'No member has allowed an application anything that is remembered.'

export function consentScreens (app: Dashboard): void {
  screenAt(app, '/applications/consents', listScreen)
  endingAt<Consent>(app, '/applications/consents/:id/end', {
    place: applicationsPath,
    verb: 'end',
    takesReason: false,
    load: async ({ api, parameter }) => await api.get(`/consents/${encodeURIComponent(parameter('id'))}`),
    about: record => ({
      name: nameOf(record),
      title: `End the consent for ${nameOf(record)}`,
      path: [...applicationsWay, { name: 'Remembered', href: consentsPath }],
      lead: 'Every installation of it that acts for this member is refused from the next request on.',
      warning: 'It has to ask the member again.',
      button: 'End consent',
      keep: consentsPath,
    }),
    end: async ({ api }, { id }) => {
      await api.change('DELETE', `/consents/${id}`)
      return { to: consentsPath }
    },
  })
  endingAt<Everything>(app, '/applications/end-all', {
    place: applicationsPath,
    verb: 'end',
    takesReason: false,
    load: async ({ api, query }) => await everythingOf(api, query('client')),
    about: ({ client, name, inUse, remembered }, { me }) => ({
      name,
      title: `End all of ${name}`,
      path: applicationsWay,
      lead: `What members of ${me.deployment ? 'every' : 'this'} organization allowed it ends: its tokens are refused
from the next request on.`,
      warning: html`${count(inUse)} in use, ${count(remembered)} remembered. It has to ask each member again. To keep
it from asking, disable the client, or take approved applications alone.`,
      button: 'End all',
      keep: `${applicationsPath}?client=${encodeURIComponent(client)}`,
    }),
    end: endEverything,
  })
}

async function listScreen (visit: Visit): Promise<Screen> {
  const { api, me, query } = visit
  const after = query('after')
  const listing = await api.get<Listing<Consent>>('/consents', { limit: pageSize, ...given({ cursor: after }) })
  const members = await namesOf(visit, 'members', listing.data.map(({ member }) => member))
  return {
    title: 'Remembered consents',
    path: applicationsWay,
    place: applicationsPath,
    lead: 'With a consent, an application that asks again for no more is let through without a question.',
    content: html`!${tabs(consentsPath, me)}
!${listOf<Consent>({
  caption: 'Remembered consents',
  nouns: ['consent', 'consents'],
  path: consentsPath,
  filter: {},
  after,
  columns: [
    {
      name: 'Application',
      cell: record => html`<a href="${applicationsPath}?client=${encodeURIComponent(record.client)}">${
        nameOf(record)}</a><br><code class="bare">${record.client}</code>`
    },
    { name: 'Allowed by', cell: ({ member }) => nameOrId(member, members) },
    { name: 'At', cell: ({ resource, scopes }) => html`${resource}<br>!${codes(scopes, 'Nothing')}` },
    { name: 'Allowed', cell: ({ updatedAt }) => dayOf(updatedAt) },
  ],
  ...(may(me, 'authorizations:write') ? { actions: (record: Consent) => endingOf(record, members) } : {}),
  empty,
}, listing)}`
  }
}

function endingOf (record: Consent, members: ReadonlyMap<string, string>): string {
  return html`<a href="${consentsPath}/${record.id}/end">End<span class="unseen"> ${nameOf(record)}, allowed by ${
    members.get(record.member) ?? record.member} at ${record.resource}</span></a>`
}

/** `inUse`: how many installations are active. `remembered`: how many consents there are. */
interface Everything { client: string, name: string, inUse: number, remembered: number }

/** @throws ApiRefusal 404 for a client of which no record is found. */
async function everythingOf (api: ReadingApi, client: string): Promise<Everything> {
  const query = { client, limit: 1, total: 'true' }
  const [authorizations, active, consents] = await Promise.all([
    api.get<Listing<Authorization>>('/authorizations', { client, limit: 1 }),
    api.get<Listing<Authorization>>('/authorizations', { ...query, status: 'active' }),
    api.get<Listing<Consent>>('/consents', query)
  ])
  const [first] = [...authorizations.data, ...consents.data]
  if (first === undefined) {
    throw new ApiRefusal(404, {
      code: 'NOT_FOUND', error: 'No member has allowed an application with this id anything.'
    })
  }
  return { client, name: nameOf(first), inUse: active.pagination.total!, remembered: consents.pagination.total! }
}

async function endEverything ({ api }: Submission, { client }: Everything) {
  await api.change('POST', '/authorizations/end-all', { body: { client } })
  return { to: `${applicationsPath}?client=${encodeURIComponent(client)}` }
}
