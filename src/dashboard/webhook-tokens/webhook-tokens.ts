/** The screens of webhook tokens: list, creation, and revoking. */
import { html } from 'ghtml'
import { newSecret } from '../../secrets/random.ts'
import { may, type ApiRefusal } from '../api.ts'
import { choiceField, choosable, chosenId, namesOf, type Choosing } from '../choice.ts'
import { reasonOf } from '../confirmation.ts'
import { badge, dayOf, nameOrId, textField } from '../elements.ts'
import { endingAt } from '../ending.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { filterForm, listingOf, listOf, type Column, type Options } from '../list.ts'
import { searchAt } from '../search.ts'
import { attemptField, shownOnce } from '../shown-once.ts'
import { formAt, screenAt, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'

interface Token {
  id: string
  hint: string
  resource: string
  apiKey: string
  object: { type: string, id: string }
  createdAt: string
  revokedAt: string | null
}
interface Key { id: string, name: string, hint: string }

const path = `${dashboardPath}/webhook-tokens`
const way = [{ name: 'Webhook tokens', href: path }]

const states: Options = [['', 'All states'], ['active', 'Active'], ['revoked', 'Revoked']]

const empty = `No webhook tokens yet. A token stands in a URL that another system calls, and reaches one object of one
API key: a URL that leaks leads no further.`

export function webhookTokenScreens (app: Dashboard): void {
  screenAt(app, '/webhook-tokens', listScreen)
  searchAt(app, '/webhook-tokens', ['status'])
  screenAt(app, '/webhook-tokens/new', visit => creationScreen(visit, null))
  formAt(app, '/webhook-tokens', create, (sent, refusal) => creationScreen(sent, refusal))
  endingAt<Token>(app, '/webhook-tokens/:id/revoke', {
    place: path,
    verb: 'revoke',
    takesReason: true,
    load: async ({ api, parameter }) => await api.get(`/webhook-tokens/${encodeURIComponent(parameter('id'))}`),
    about: token => ({
      name: nameOf(token),
      title: `Revoke the token of ${nameOf(token)}`,
      path: way,
      lead: 'From the next request on, on every server, its URL is refused. This cannot be undone.',
      warning: 'Systems that call the URL fail. Give them another one first.',
      button: 'Revoke token',
      keep: path,
    }),
    end: async (submission, { id }) => {
      await submission.api.change('POST', `/webhook-tokens/${id}/revoke`, { body: reasonOf(submission) })
      return { to: path }
    },
  })
}

/** A token has no name but the object that it reaches. */
function nameOf ({ object: { type, id } }: Token): string {
  return `${type}/${id}`
}

async function listScreen (visit: Visit): Promise<Screen> {
  const { api, me, query } = visit
  const filter = { search: query('search'), status: query('status') }
  const after = query('after')
  const listing = await listingOf<Token>(api, '/webhook-tokens', filter, after)
  const keys = await namesOf(visit, 'api-keys', listing.data.map(({ apiKey }) => apiKey))
  const mayWrite = may(me, 'webhook-tokens:write')
  return {
    title: 'Webhook tokens',
    path: [],
    place: path,
    lead: 'Each stands in a URL that another system calls, and reaches one object of an API key.',
    ...(mayWrite && may(me, 'api-keys:read')
      ? { action: html`<a class="button primary" href="${path}/new">Create webhook token</a>` }
      : {}),
    content: html`!${filterForm(`${path}/search`, [
      { name: 'status', label: 'State', options: states, chosen: filter.status }
    ], { label: 'Id of the object', text: filter.search })}
!${listOf<Token>({
  caption: 'Webhook tokens',
  nouns: ['token', 'tokens'],
  path,
  filter,
  after,
  columns: columnsOf(keys),
  ...(mayWrite ? { actions: revocationOf } : {}),
  hasEnded: ({ revokedAt }) => revokedAt !== null,
  empty,
}, listing)}`
  }
}

/** The keys that a token of the person may act for: what a person makes is bound to them, and so is the key. */
function keysOf ({ me }: Pick<Visit, 'me'>): Choosing {
  return {
    path: '/api-keys', noun: 'API key', prefix: 'key_', query: { status: 'active', creator: me.member.id }
  }
}

function columnsOf (keys: ReadonlyMap<string, string>): Column<Token>[] {
  return [
    {
      name: 'Object',
      cell: token => html`${nameOf(token)}!${token.revokedAt === null
        ? ''
        : html` !${badge('bad', 'Revoked')}`}<br><code class="bare">${token.hint}</code>`
    },
    {
      name: 'API key',
      cell: ({ apiKey }) => html`<a href="${dashboardPath}/api-keys/${apiKey}">!${nameOrId(apiKey, keys)}</a>`
    },
    { name: 'At', cell: ({ resource }) => html`${resource}` },
    { name: 'Created', cell: ({ createdAt }) => dayOf(createdAt) },
  ]
}

function revocationOf (token: Token): string {
  return token.revokedAt === null
    ? html`<a href="${path}/${token.id}/revoke">Revoke<span class="unseen"> ${nameOf(token)}</span></a>`
    : ''
}

async function creationScreen (visit: Visit | Submission, refusal: ApiRefusal | null): Promise<Screen> {
  const field = 'field' in visit ? visit.field : () => ''
  const keys = may(visit.me, 'api-keys:read')
    ? await choosable<Key>(visit.api, keysOf(visit))
    : { all: [], isWhole: true, total: '0' }
  return {
    title: 'Create webhook token',
    path: way,
    place: path,
    lead: 'It is shown once, right after this.',
    content: keys.all.length === 0
      ? html`<p class="empty">You have no API key yet that a token could act for.
<a href="${dashboardPath}/api-keys/new">Create an API key</a></p>`
      : html`<form class="panel" method="post" action="${path}">
!${refusal === null ? '' : html`<p class="alert" role="alert">${refusal.message}</p>`}
!${attemptField(refusal === null ? newSecret() : field('attempt'))}
!${choiceField(keysOf(visit), keys, {
  name: 'key',
  label: 'API key',
  hint: 'The token does what this key may.',
  chosen: field('key'),
  text: ({ name, hint }) => `${name} (${hint})`
})}
!${textField({
  name: 'type', label: 'Kind of object', value: field('type'), required: true, hint: 'As the API names it: templates.'
})}
!${textField({ name: 'object', label: 'Id of the object', value: field('object'), required: true })}
<p class="actions"><button type="submit" class="primary">Create webhook token</button>
<a class="button" href="${path}">Cancel</a></p></form>`
  }
}

async function create (submission: Submission): Promise<Outcome> {
  const { api, field } = submission
  const apiKey = await chosenId(api, keysOf(submission), field('key').trim())
  const made = await api.change<Token & { token: string }>('POST', '/webhook-tokens', {
    idempotencyKey: field('attempt'),
    body: { apiKey, object: { type: field('type').trim(), id: field('object').trim() } }
  })
  return {
    screen: shownOnce({
      noun: 'token',
      path: way,
      place: path,
      values: [{ label: nameOf(made), text: made.token }],
      attempt: field('attempt'),
      next: path,
    }),
    status: 201
  }
}
