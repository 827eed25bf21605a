/** The screens of third-party sources: the list with the last fetch of each, adding, asking and removing one. */
import { html } from 'ghtml'
import { newSecret } from '../../secrets/random.ts'
import { may, type ApiRefusal } from '../api.ts'
import { organizationField, organizationIn } from '../choice.ts'
import { ago, badge, selectField, textField } from '../elements.ts'
import { endingAt } from '../ending.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { given, listOf, pageSize, type Column, type Listing } from '../list.ts'
import { attemptField } from '../shown-once.ts'
import { formAt, screenAt, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'

interface Source {
  id: string
  name: string
  kind: string
  url: string
  headerNames: readonly string[]
  lastFetch: { askedAt: string, status: number | null, error: string | null } | null
  fetchedAt: string | null
}

const path = `${dashboardPath}/third-party-sources`
const way = [{ name: 'Third-party sources', href: path }]
const kinds = [['mcp-registry', 'MCP registry'], ['skills', 'Skills']] as const

const empty = `No third-party sources yet. A source is a registry of somebody else: what it answers is shown as theirs,
and is granted nothing.`

export function thirdPartySourceScreens (app: Dashboard): void {
  screenAt(app, '/third-party-sources', listScreen)
  screenAt(app, '/third-party-sources/new', async visit => await creationScreen(visit, null))
  formAt(app, '/third-party-sources', create, creationScreen)
  formAt(app, '/third-party-sources/:id/refresh', async ({ api, parameter }) => {
    await api.change('POST', `/third-party-sources/${encodeURIComponent(parameter('id'))}/refresh`)
    return { to: path }
  })
  endingAt<Source>(app, '/third-party-sources/:id/remove', {
    place: path,
    verb: 'remove',
    takesReason: false,
    load: async ({ api, parameter }) => await api.get(`/third-party-sources/${encodeURIComponent(parameter('id'))}`),
    about: ({ name }) => ({
      name,
      title: `Remove ${name}`,
      path: way,
      lead: 'Its headers and what was fetched are deleted.',
      warning: 'Nothing else changes: nothing of it was granted anything.',
      button: 'Remove source',
      keep: path,
    }),
    end: async ({ api }, { id }) => {
      await api.change('DELETE', `/third-party-sources/${id}`)
      return { to: path }
    },
  })
}

async function listScreen ({ api, me, query, now }: Visit): Promise<Screen> {
  const after = query('after')
  const listing = await api.get<Listing<Source>>('/third-party-sources', {
    limit: pageSize, ...given({ cursor: after })
  })
  const mayWrite = may(me, 'third-party-sources:write')
  return {
    title: 'Third-party sources',
    path: [],
    place: path,
    lead: 'Registries of others. What they list is theirs: nothing of it is checked, or granted anything.',
    ...(mayWrite ? { action: html`<a class="button primary" href="${path}/new">Add source</a>` } : {}),
    content: listOf<Source>({
      caption: 'Third-party sources',
      nouns: ['source', 'sources'],
      path,
      filter: {},
      after,
      columns: columnsAt(now),
      ...(mayWrite ? { actions: actionsOf } : {}),
      empty,
    }, listing)
  }
}

function columnsAt (now: Date): Column<Source>[] {
  return [
    {
      name: 'Source',
      cell: ({ name, url }) => html`${name} !${badge('plain', 'Third party')}<br><code class="bare">${url}</code>`
    },
    { name: 'Lists', cell: ({ kind }) => html`${kinds.find(([value]) => value === kind)?.[1] ?? kind}` },
    { name: 'Sends', cell: ({ headerNames }) => html`${headerNames.join(', ') || 'no headers'}` },
    { name: 'Asked', cell: ({ lastFetch }) => fetchedText(lastFetch, now) },
    { name: 'Kept from', cell: ({ fetchedAt }) => html`!${fetchedAt === null ? 'nothing' : ago(fetchedAt, now)}` },
  ]
}

function fetchedText (lastFetch: Source['lastFetch'], now: Date): string {
  if (lastFetch === null) return 'never'
  const { askedAt, status, error } = lastFetch
  return html`!${ago(askedAt, now)} !${error === null
    ? badge('ok', `Answered ${status ?? ''}`)
    : html`!${badge('bad', 'Failed')}<br><small>${error}</small>`}`
}

function actionsOf ({ id, name }: Source): string {
  return html`<form method="post" action="${path}/${id}/refresh"><button type="submit" class="plain">Ask now<span
class="unseen"> ${name}</span></button></form>
<a href="${path}/${id}/remove">Remove<span class="unseen"> ${name}</span></a>`
}

async function creationScreen (visit: Visit | Submission, refusal: ApiRefusal | null): Promise<Screen> {
  const field = 'field' in visit ? visit.field : () => ''
  return {
    title: 'Add third-party source',
    path: way,
    place: path,
    lead: 'Nothing is asked yet.',
    content: html`<form class="panel" method="post" action="${path}">
!${refusal === null ? '' : html`<p class="alert" role="alert">${refusal.message}</p>`}
!${attemptField(refusal === null ? newSecret() : field('attempt'))}
!${await organizationField(visit, field('organization'))}
!${textField({ name: 'name', label: 'Name', value: field('name'), required: true })}
!${selectField({ name: 'kind', label: 'It lists', options: kinds, chosen: field('kind') })}
!${textField({
  name: 'url', label: 'URL', value: field('url'), required: true, hint: 'https, of a public host; asked as it is.'
})}
!${textField({ name: 'header', label: 'Header', value: field('header'), hint: 'If it asks for one: authorization.' })}
!${textField({ name: 'value', label: 'Value of the header', hint: 'Sealed: no page and no answer shows it again.' })}
<p class="actions"><button type="submit" class="primary">Add source</button>
<a class="button" href="${path}">Cancel</a></p></form>`
  }
}

async function create (submission: Submission): Promise<Outcome> {
  const { api, field } = submission
  const header = field('header').trim()
  await api.change('POST', '/third-party-sources', {
    idempotencyKey: field('attempt'),
    body: {
      organization: await organizationIn(submission),
      name: field('name').trim(),
      kind: field('kind'),
      url: field('url').trim(),
      headers: header === '' ? {} : { [header]: field('value').trim() }
    }
  })
  return { to: path }
}
