/** The screens of provider keys: the list, setting and replacing one, and removing it. No page has its text. */
import { html } from 'ghtml'
import { may, type ApiRefusal } from '../api.ts'
import { dayOf, textField } from '../elements.ts'
import { endingAt } from '../ending.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { listOf, pageSize, type Column, type Listing } from '../list.ts'
import { attemptField } from '../shown-once.ts'
import { formAt, screenAt, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'

interface ProviderKey {
  id: string
  organization: string | null
  provider: string
  fingerprint: string
  hint: string
  createdAt: string
  replacedAt: string | null
  lastLeasedAt: string | null
}

const path = `${dashboardPath}/provider-keys`
const way = [{ name: 'Provider keys', href: path }]

export function providerKeyScreens (app: Dashboard): void {
  screenAt(app, '/provider-keys', listScreen)
  screenAt(app, '/provider-keys/new', async visit => formScreen(visit, null))
  formAt(app, '/provider-keys', create, async (sent, refusal) => formScreen(sent, refusal))
  screenAt(app, '/provider-keys/:id/replace', async visit => replaceScreen(await keyOf(visit), null))
  formAt(app, '/provider-keys/:id/replace', replace, async (sent, refusal) =>
    replaceScreen(await keyOf(sent), refusal))
  endingAt<ProviderKey>(app, '/provider-keys/:id/remove', {
    place: path,
    verb: 'remove',
    takesReason: false,
    load: keyOf,
    about: ({ provider }) => ({
      name: provider,
      title: `Remove the key of ${provider}`,
      path: way,
      lead: 'It is deleted here, and gateways get it no more. This cannot be undone.',
      warning: 'Calls to the provider fail. Revoke the key at the provider as well.',
      button: 'Remove key',
      keep: path,
    }),
    end: async ({ api }, { id }) => {
      await api.change('DELETE', `/provider-keys/${id}`)
      return { to: path }
    },
  })
}

async function keyOf ({ api, parameter }: Pick<Visit, 'api' | 'parameter'>): Promise<ProviderKey> {
  return await api.get(`/provider-keys/${encodeURIComponent(parameter('id'))}`)
}

async function listScreen ({ api, me, query }: Visit): Promise<Screen> {
  const after = query('after')
  const listing = await api.get<Listing<ProviderKey>>('/provider-keys', {
    limit: pageSize, ...(after === '' ? {} : { cursor: after })
  })
  const mayWrite = may(me, 'provider-keys:write')
  return {
    title: 'Provider keys',
    path: [],
    place: path,
    lead: 'Keys of AI providers. They are kept sealed, and only gateways read them.',
    ...(mayWrite ? { action: html`<a class="button primary" href="${path}/new">Set provider key</a>` } : {}),
    content: listOf<ProviderKey>({
      caption: 'Provider keys',
      nouns: ['key', 'keys'],
      path,
      filter: {},
      after,
      columns,
      ...(mayWrite ? { actions: actionsOf } : {}),
      empty: 'No provider keys yet. With one, a gateway calls the provider, and no caller knows its key.'
    }, listing)
  }
}

const columns: Column<ProviderKey>[] = [
  { name: 'Provider', cell: ({ provider, hint }) => html`${provider}<br><code class="bare">…${hint}</code>` },
  { name: 'Organization', cell: ({ organization }) => html`${organization ?? 'all without one of their own'}` },
  { name: 'Fingerprint', cell: ({ fingerprint }) => html`<code class="bare">${fingerprint}</code>` },
  { name: 'Set', cell: ({ createdAt, replacedAt }) => dayOf(replacedAt ?? createdAt) },
  {
    name: 'Last leased',
    cell: ({ lastLeasedAt }) => lastLeasedAt === null ? html`<span class="muted">never</span>` : dayOf(lastLeasedAt)
  }
]

function actionsOf ({ id, provider }: ProviderKey): string {
  return html`<a href="${path}/${id}/replace">Replace<span class="unseen"> ${provider}</span></a>
<a href="${path}/${id}/remove">Remove<span class="unseen"> ${provider}</span></a>`
}

/** It comes back empty. */
const textOfKey = textField({
  name: 'key',
  label: 'Key',
  hint: 'As the provider shows it. It is not shown here again.',
  required: true,
  type: 'password'
})

function formScreen (visit: Visit | Submission, refusal: ApiRefusal | null): Screen {
  const field = 'field' in visit ? visit.field : () => ''
  return {
    title: 'Set provider key',
    path: way,
    place: path,
    lead: 'One for each provider. To change one that is there, replace it.',
    content: html`<form class="panel" method="post" action="${path}">!${alertOf(refusal)}!${attemptField()}
!${textField({ name: 'provider', label: 'Provider', value: field('provider'), required: true, placeholder: 'openai' })}
!${visit.me.deployment
? textField({
  name: 'organization',
  label: 'Organization',
  value: field('organization'),
  hint: 'Its id; empty: for every organization without a key of its own.'
})
: ''}
!${textOfKey}
<p class="actions"><button type="submit" class="primary">Set key</button>
<a class="button" href="${path}">Cancel</a></p></form>`
  }
}

function replaceScreen ({ id, provider, hint }: ProviderKey, refusal: ApiRefusal | null): Screen {
  return {
    title: `Replace the key of ${provider}`,
    path: way,
    place: path,
    lead: html`Gateways use the new one from their next call on, in place of the one that ends in ${hint}.`,
    content: html`<form class="panel" method="post" action="${path}/${id}/replace">!${alertOf(refusal)}
!${textOfKey}
<p class="actions"><button type="submit" class="primary">Replace key</button>
<a class="button" href="${path}">Keep it</a></p></form>`
  }
}

function alertOf (refusal: ApiRefusal | null): string {
  return refusal === null ? '' : html`<p class="alert" role="alert">${refusal.message}</p>`
}

async function create ({ api, me, field }: Submission): Promise<Outcome> {
  const asked = field('organization').trim()
  const organization = me.deployment ? asked === '' ? null : asked : me.member.organization
  await api.change('POST', '/provider-keys', {
    idempotencyKey: field('attempt'),
    body: { organization, provider: field('provider').trim(), key: field('key').trim() }
  })
  return { to: path }
}

async function replace (submission: Submission): Promise<Outcome> {
  const { id } = await keyOf(submission)
  await submission.api.change('PATCH', `/provider-keys/${id}`, { body: { key: submission.field('key').trim() } })
  return { to: path }
}
