/** Tokens by which programs register themselves as clients of the organization. */
import { html } from 'ghtml'
import { newSecret } from '../../secrets/random.ts'
import { ApiRefusal, may } from '../api.ts'
import { grantFields, grantsOf, offeredTo, presets } from '../apis/grants.ts'
import { badge, choices, codes, count, dayOf, endOfDayAfter, textField } from '../elements.ts'
import { endingAt } from '../ending.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { filterForm, listingOf, listOf, namedSorts, orderOf, type Column, type Options } from '../list.ts'
import { searchAt } from '../search.ts'
import { attemptField, shownOnce } from '../shown-once.ts'
import { formAt, screenAt, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'
import { applicationsPath, applicationsWay, registrationPath, tabs } from './tabs.ts'

interface Token {
  id: string
  hint: string
  name: string
  resource: string | null
  scopes: readonly string[]
  usesLeft: number | null
  createdAt: string
  expiresAt: string | null
  revokedAt: string | null
}

const way = [...applicationsWay, { name: 'Registration', href: registrationPath }]

const states: Options = [
  ['', 'All states'], ['active', 'Active'], ['spent', 'Used up'], ['expired', 'Expired'], ['revoked', 'Ended']
]

const empty = `No registration tokens. With one, a program registers itself as a client of this organization, with the
scopes that the token gives and no more.`

export function registrationScreens (app: Dashboard): void {
  screenAt(app, '/applications/registration', listScreen)
  searchAt(app, '/applications/registration', ['status', 'sort'])
  screenAt(app, '/applications/registration/new', visit => creationScreen(visit, null))
  formAt(app, '/applications/registration', create, (sent, refusal) => creationScreen(sent, refusal))
  endingAt<Token>(app, '/applications/registration/:id/end', {
    place: applicationsPath,
    verb: 'end',
    takesReason: false,
    load: async ({ api, parameter }) => await api.get(`/registration-tokens/${encodeURIComponent(parameter('id'))}`),
    about: ({ name }) => ({
      name,
      title: `End ${name}`,
      path: way,
      lead: 'No program registers with it any more. This cannot be undone.',
      warning: html`Clients that registered with it stay; <a href="${dashboardPath}/clients?origin=registered">see
them</a>.`,
      button: 'End token',
      keep: registrationPath,
    }),
    end: async ({ api }, { id }) => {
      await api.change('POST', `/registration-tokens/${id}/revoke`)
      return { to: registrationPath }
    },
  })
}

const sorts: Options = [...namedSorts, ['expiresAt', 'Next to expire']]

async function listScreen ({ api, me, query, now }: Visit): Promise<Screen> {
  const filter = { search: query('search'), status: query('status'), sort: query('sort') }
  const after = query('after')
  const listing = await listingOf<Token>(api, '/registration-tokens', filter, after)
  const mayWrite = may(me, 'registration-tokens:write')
  return {
    title: 'Registration',
    path: applicationsWay,
    place: applicationsPath,
    lead: 'Tokens by which programs register themselves as clients of this organization.',
    ...(mayWrite
      ? { action: html`<a class="button primary" href="${registrationPath}/new">Create registration token</a>` }
      : {}),
    content: html`!${tabs(registrationPath, me)}
!${may(me, 'clients:read')
? html`<p><a href="${dashboardPath}/clients?origin=registered">Clients that registered themselves</a></p>`
: ''}
!${filterForm(`${registrationPath}/search`, [
  { name: 'status', label: 'State', options: states, chosen: filter.status }, orderOf(sorts, filter.sort)
], { label: 'Name', text: filter.search })}
!${listOf<Token>({
  caption: 'Registration tokens',
  nouns: ['token', 'tokens'],
  path: registrationPath,
  filter,
  orders: ['sort'],
  after,
  columns: columnsAt(now),
  ...(mayWrite ? { actions: token => endingOf(token, now) } : {}),
  hasEnded: token => endOf(token, now) !== null,
  empty,
}, listing)}`
  }
}

/** How a token has ended; null: it has not. */
function endOf ({ revokedAt, expiresAt, usesLeft }: Token, now: Date): string | null {
  if (revokedAt !== null) return 'Ended'
  if (expiresAt !== null && new Date(expiresAt) <= now) return 'Expired'
  return usesLeft === 0 ? 'Used up' : null
}

function columnsAt (now: Date): Column<Token>[] {
  return [
    {
      name: 'Name',
      cell: token => {
        const end = endOf(token, now)
        return html`${token.name}!${end === null ? '' : html` !${badge('bad', end)}`}<br>
<code class="bare">${token.hint}</code>`
      }
    },
    {
      name: 'Gives',
      cell: ({ resource, scopes }) => resource === null
        ? 'Default scopes of MCP servers'
        : html`${resource}<br>!${codes(scopes, 'Nothing')}`
    },
    { name: 'Uses left', cell: ({ usesLeft }) => usesLeft === null ? 'no limit' : count(usesLeft) },
    { name: 'Expires', cell: ({ expiresAt }) => expiresAt === null ? 'never' : dayOf(expiresAt) },
    { name: 'Created', cell: ({ createdAt }) => dayOf(createdAt) },
  ]
}

function endingOf (token: Token, now: Date): string {
  return endOf(token, now) === null
    ? html`<a href="${registrationPath}/${token.id}/end">End<span class="unseen"> ${token.name}</span></a>`
    : ''
}

const servers = {
  value: 'servers', label: 'Default scopes', hint: 'Those of the MCP servers of this organization, as they are then.'
}

const uses = [
  { value: '1', label: 'One program' }, { value: '10', label: 'Ten programs' }, { value: '', label: 'No limit' }
]

const expiries = [
  { value: '1', label: 'One day' }, { value: '30', label: '30 days' }, { value: '', label: 'Never' }
]

async function creationScreen (visit: Visit | Submission, refusal: ApiRefusal | null): Promise<Screen> {
  const field = 'field' in visit ? visit.field : () => ''
  const grants = 'fields' in visit ? visit.fields('grant') : []
  const isNew = refusal === null
  const offered = await offeredTo(visit.api, [field('resource'), ...grants])
  const isAtName = refusal?.details.field === 'name'
  return {
    title: 'Create registration token',
    path: way,
    place: applicationsPath,
    lead: 'It is shown once, right after this. Whatever registers with it gets these scopes.',
    content: html`<form class="panel" method="post" action="${registrationPath}">
!${isNew || isAtName ? '' : html`<p class="alert" role="alert">${refusal.message}</p>`}
!${attemptField(isNew ? newSecret() : field('attempt'))}
!${textField({
  name: 'name',
  label: 'Name',
  value: field('name'),
  required: true,
  hint: 'What it is given to: a team, a host, a tool.',
  problem: isAtName ? refusal.message : null,
})}
!${grantFields(
  offered, { access: field('access') || 'servers', resource: field('resource'), grants }, [servers, ...presets]
)}
!${choices('Works for', 'uses', uses, isNew ? '1' : field('uses'))}
!${choices('Expires after', 'expiry', expiries, isNew ? '30' : field('expiry'))}
<p class="actions"><button type="submit" class="primary">Create registration token</button>
<a class="button" href="${registrationPath}">Cancel</a></p></form>`
  }
}

async function create (submission: Submission): Promise<Outcome> {
  const { api, me, field, fields, now } = submission
  const chosen = { access: field('access'), resource: field('resource'), grants: fields('grant') }
  const grants = grantsOf(await offeredTo(api, [chosen.resource, ...chosen.grants]), chosen)
  if (chosen.access !== 'servers' && grants.length !== 1) {
    const message = grants.length === 0 ? 'Choose at least one scope.' : 'Choose scopes of one API: a token has one.'
    return { screen: await creationScreen(submission, new ApiRefusal(422, { error: message })), status: 422 }
  }
  const made = await api.change<Token & { token: string }>('POST', '/registration-tokens', {
    idempotencyKey: field('attempt'),
    body: {
      organization: me.member.organization,
      name: field('name'),
      ...grants[0],
      ...(field('uses') === '' ? {} : { uses: Number(field('uses')) }),
      ...(field('expiry') === '' ? {} : { expiresAt: endOfDayAfter(now, Number(field('expiry'))) }),
    }
  })
  return {
    screen: shownOnce({
      noun: 'token',
      path: way,
      place: applicationsPath,
      values: [{ label: made.name, text: made.token }],
      attempt: field('attempt'),
      next: registrationPath,
    }),
    status: 201
  }
}
