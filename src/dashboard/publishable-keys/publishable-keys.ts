/** The screens of publishable keys: list, creation, and revoking. */
import { html } from 'ghtml'
import { newSecret } from '../../secrets/random.ts'
import { ApiRefusal, may } from '../api.ts'
import { grantFields, grantsOf, offeredTo, presets } from '../apis/grants.ts'
import { reasonOf } from '../confirmation.ts'
import { badge, choices, codes, dayOf, textField } from '../elements.ts'
import { endingAt } from '../ending.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { filterForm, listingOf, listOf, namedSorts, orderOf, type Column, type Options } from '../list.ts'
import { searchAt } from '../search.ts'
import { attemptField, shownOnce } from '../shown-once.ts'
import { formAt, screenAt, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'

interface Key {
  id: string
  publishableKey: string
  name: string
  environment: 'live' | 'test'
  resource: string
  scopes: readonly string[]
  createdAt: string
  revokedAt: string | null
}

const path = `${dashboardPath}/publishable-keys`
const way = [{ name: 'Publishable keys', href: path }]

const states: Options = [['', 'All states'], ['active', 'Active'], ['revoked', 'Revoked']]

const empty = `No publishable keys yet. A web page carries one openly; your server signs with the private key that
belongs to it, and the page gets a session with the scopes of the key and no more.`

export function publishableKeyScreens (app: Dashboard): void {
  screenAt(app, '/publishable-keys', listScreen)
  searchAt(app, '/publishable-keys', ['status', 'sort'])
  screenAt(app, '/publishable-keys/new', visit => creationScreen(visit, null))
  formAt(app, '/publishable-keys', create, (sent, refusal) => creationScreen(sent, refusal))
  endingAt<Key>(app, '/publishable-keys/:id/revoke', {
    place: path,
    verb: 'revoke',
    takesReason: true,
    load: async ({ api, parameter }) => await api.get(`/publishable-keys/${encodeURIComponent(parameter('id'))}`),
    about: ({ name }) => ({
      name,
      title: `Revoke ${name}`,
      path: way,
      lead: 'No session starts with it any more, and its sessions end. This cannot be undone.',
      warning: 'Pages that carry it stop working. Make another one, and change the pages first.',
      button: 'Revoke key',
      keep: path,
    }),
    end: async (submission, { id }) => {
      await submission.api.change('POST', `/publishable-keys/${id}/revoke`, { body: reasonOf(submission) })
      return { to: path }
    },
  })
}

async function listScreen ({ api, me, query }: Visit): Promise<Screen> {
  const filter = { search: query('search'), status: query('status'), sort: query('sort') }
  const after = query('after')
  const listing = await listingOf<Key>(api, '/publishable-keys', filter, after)
  const mayWrite = may(me, 'publishable-keys:write')
  return {
    title: 'Publishable keys',
    path: [],
    place: path,
    lead: 'Web pages carry these openly, to start sessions of their visitors that your server vouches for.',
    ...(mayWrite ? { action: html`<a class="button primary" href="${path}/new">Create publishable key</a>` } : {}),
    content: html`!${filterForm(`${path}/search`, [
      { name: 'status', label: 'State', options: states, chosen: filter.status }, orderOf(namedSorts, filter.sort)
    ], { label: 'Name or key', text: filter.search })}
!${listOf<Key>({
  caption: 'Publishable keys',
  nouns: ['key', 'keys'],
  path,
  filter,
  orders: ['sort'],
  after,
  columns,
  ...(mayWrite ? { actions: revocationOf } : {}),
  hasEnded: ({ revokedAt }) => revokedAt !== null,
  empty,
}, listing)}`
  }
}

const columns: readonly Column<Key>[] = [
  {
    name: 'Name',
    cell: ({ name, publishableKey, revokedAt }) => html`${name}!${revokedAt === null
      ? ''
      : html` !${badge('bad', 'Revoked')}`}<br><code class="bare">${publishableKey}</code>`
  },
  {
    name: 'Environment',
    cell: ({ environment }) => environment === 'live' ? badge('ok', 'Live') : badge('brass', 'Test')
  },
  { name: 'Access', cell: ({ resource, scopes }) => html`${resource}<br>!${codes(scopes, 'Nothing')}` },
  { name: 'Created', cell: ({ createdAt }) => dayOf(createdAt) },
]

function revocationOf ({ id, name, revokedAt }: Key): string {
  return revokedAt === null
    ? html`<a href="${path}/${id}/revoke">Revoke<span class="unseen"> ${name}</span></a>`
    : ''
}

const environments = [
  { value: 'live', label: 'Live', hint: 'For pages that do real work.' },
  { value: 'test', label: 'Test', hint: 'For trying things out, with limits of its own.' },
]

async function creationScreen (visit: Visit | Submission, refusal: ApiRefusal | null): Promise<Screen> {
  const field = 'field' in visit ? visit.field : () => ''
  const grants = 'fields' in visit ? visit.fields('grant') : []
  const isAtName = refusal?.details.field === 'name'
  const offered = await offeredTo(visit.api, [field('resource'), ...grants])
  return {
    title: 'Create publishable key',
    path: way,
    place: path,
    lead: 'The private key that your server signs with is shown once, right after this.',
    content: html`<form class="panel" method="post" action="${path}">
!${refusal === null || isAtName ? '' : html`<p class="alert" role="alert">${refusal.message}</p>`}
!${attemptField(refusal === null ? newSecret() : field('attempt'))}
!${textField({
  name: 'name',
  label: 'Name',
  value: field('name'),
  required: true,
  hint: 'The page or the site that will carry it.',
  problem: isAtName ? refusal.message : null,
})}
!${choices('Environment', 'environment', environments, field('environment') || 'live')}
!${grantFields(offered, { access: field('access') || 'read', resource: field('resource'), grants }, presets)}
<p class="actions"><button type="submit" class="primary">Create publishable key</button>
<a class="button" href="${path}">Cancel</a></p></form>`
  }
}

async function create (submission: Submission): Promise<Outcome> {
  const { api, me, field, fields } = submission
  const chosen = { access: field('access'), resource: field('resource'), grants: fields('grant') }
  const grants = grantsOf(await offeredTo(api, [chosen.resource, ...chosen.grants]), chosen)
  if (grants.length !== 1) {
    const error = grants.length === 0 ? 'Choose at least one scope.' : 'Choose scopes of one API: a key is for one.'
    return { screen: await creationScreen(submission, new ApiRefusal(422, { error })), status: 422 }
  }
  const made = await api.change<Key & { signingKey: { pem: string } }>('POST', '/publishable-keys', {
    idempotencyKey: field('attempt'),
    body: {
      organization: me.member.organization, name: field('name'), environment: field('environment'), ...grants[0]
    }
  })
  return {
    screen: shownOnce({
      noun: 'private key',
      path: way,
      place: path,
      values: [
        { label: `Publishable key of ${made.name}`, text: made.publishableKey },
        { label: `Private key of ${made.name}`, text: made.signingKey.pem },
      ],
      attempt: field('attempt'),
      next: path,
    }),
    status: 201
  }
}
