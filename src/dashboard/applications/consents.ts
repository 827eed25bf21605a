/** What members allowed applications, remembered so that they are not asked again; and the end of all of one. */
import { html } from 'ghtml'
import type { ReadingApi } from '../api.ts'
import { may } from '../api.ts'
import { codes, count, dayOf, nameOrId } from '../elements.ts'
import { endingAt } from '../ending.ts'
import type { Screen } from '../frame.ts'
import { given, listOf, pageSize, type Listing } from '../list.ts'
import { memberNames } from '../member-names.ts'
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
    about: ({ client, name, consents, authorizations }) => ({
      name,
      title: `End all of ${name}`,
      path: applicationsWay,
      lead: 'What members of this organization allowed it ends: its tokens are refused from the next request on.',
      warning: html`${count(authorizations.length)} in use, ${count(consents.length)} remembered. It has to ask each
member again. To keep it from asking, disable the client, or take approved applications alone.`,
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
  const members = await memberNames(visit, listing.data.map(({ member }) => member))
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
  ...(may(me, 'authorizations:write') ? { actions: endingOf } : {}),
  empty,
}, listing)}`
  }
}

function endingOf (record: Consent): string {
  return html`<a href="${consentsPath}/${record.id}/end">End<span class="unseen"> ${nameOf(record)}</span></a>`
}

interface Everything {
  client: string
  name: string
  consents: readonly Consent[]
  /** Those that are active. */
  authorizations: readonly Authorization[]
}

/** Records that one form ends, at most: each is a change of its own. */
const mostAtOnce = 200

async function everythingOf (api: ReadingApi, client: string): Promise<Everything> {
  const query = { client, limit: mostAtOnce }
  const [consents, authorizations] = await Promise.all([
    api.get<Listing<Consent>>('/consents', query), api.get<Listing<Authorization>>('/authorizations', query)
  ])
  const active = authorizations.data.filter(({ status }) => status === 'active')
  const [first = { client, clientName: null }] = [...active, ...consents.data]
  return { client, name: nameOf(first), consents: consents.data, authorizations: active }
}

/** A consent ends with all that stands on it; what has none ends by itself. */
async function endEverything ({ api }: Submission, { client, consents }: Everything) {
  for (const { id } of consents) await api.change('DELETE', `/consents/${id}`)
  for (const { id } of (await everythingOf(api, client)).authorizations) {
    await api.change('POST', `/authorizations/${id}/revoke`)
  }
  return { to: `${applicationsPath}?client=${encodeURIComponent(client)}` }
}
