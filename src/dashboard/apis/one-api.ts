/** One API or MCP server: what it is, its scopes, and how it refuses. */
import { html } from 'ghtml'
import { may } from '../api.ts'
import { codes, dayOf, facts, textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { historyOf } from '../history.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import {
  apiPathOf, apis, mayChange, ownersOf, ownPage, stateOf, type Api, type Declared, type Kind, type McpServer
} from './declared-api.ts'
import { defaultScopesPanel } from './default-scopes.ts'
import { scopesPanel, scopesTold } from './scopes.ts'
import { refusalsPanel, styleField, styleName } from './style.ts'

/** What a form of the page had that the API did not take, and why. */
export interface Refused { of: 'change' | 'scopes', sent: Submission, message: string }

export async function oneScreen (kind: Kind, visit: Visit, refused?: Refused): Promise<Screen> {
  const declared = await visit.api.get<Declared>(apiPathOf(kind, visit))
  const isChangeable = mayChange(visit.me, kind, declared)
  const path = `${kind.path}/${declared.id}`
  const [ownerOf, refusals, history] = await Promise.all([
    ownersOf(visit, [declared]),
    may(visit.me, apis.reads) ? refusalsPanel(visit, declared as Api) : '',
    historyOf(visit, declared.id, words)
  ])
  return {
    title: declared.name,
    path: [{ name: kind.title, href: kind.path }],
    place: kind.path,
    action: html`<div class="actions"><a class="button primary" href="${path}/protect">Protect it</a>
!${isChangeable ? html`<a class="button danger" href="${path}/revoke">Revoke ${kind.nouns[0]}</a>` : ''}</div>`,
    content: html`!${refused === undefined ? '' : html`<p class="alert" role="alert">${refused.message}</p>`}
!${facts(factsOf(kind, declared, ownerOf(declared)))}
!${isChangeable
  ? scopesPanel(kind, declared, refused?.of === 'scopes' ? refused.sent : null)
  : scopesTold(declared)}
!${kind === apis ? '' : defaultScopesPanel(declared as McpServer, isChangeable)}
!${isChangeable ? changeForm(kind, declared, refused?.of === 'change' ? refused.sent : null) : ''}
!${refusals}
!${history}`
  }
}

function factsOf (kind: Kind, declared: Declared, owner: string): [string, string][] {
  const { id, identifier, createdAt, tokenLifetime } = declared
  return [
    [kind === apis ? 'Address' : 'URL', html`<code>${identifier}</code>!${stateOf(declared)}`],
    ['Id', html`<code class="bare">${id}</code>`],
    ['Belongs to', owner],
    ...(kind === apis ? ofApi(declared as Api) : ofServer(declared as McpServer)),
    ['Tokens live', html`${tokenLifetime / 60} minutes`],
    ['Created', dayOf(createdAt)],
  ]
}

function ofApi ({ style, keyPrefix, signingAlgorithm }: Api): [string, string][] {
  return [
    ['Refusals', html`${styleName(style)}`],
    ['Keys begin with', codes([`${keyPrefix}_live_`, `${keyPrefix}_test_`])],
    ['Tokens are signed by', html`${signingAlgorithm}`],
  ]
}

function ofServer ({ metadataUrl, wwwAuthenticate }: McpServer): [string, string][] {
  return [
    ['Metadata', html`<a href="${metadataUrl}">${metadataUrl}</a>`],
    ['Its 401 has', html`<code>WWW-Authenticate: ${wwwAuthenticate}</code>`],
  ]
}

function changeForm (kind: Kind, declared: Declared, sent: Submission | null): string {
  return html`<form class="panel" method="post" action="${kind.path}/${declared.id}">
!${textField({ name: 'name', label: 'Name', value: sent?.field('name') ?? declared.name, required: true })}
!${kind === apis ? styleField(sent?.field('style') ?? (declared as Api).style) : ''}
<p class="actions"><button type="submit">Save</button></p></form>`
}

export async function change (kind: Kind, submission: Submission): Promise<Outcome> {
  const { api, field } = submission
  await api.change('PATCH', apiPathOf(kind, submission), {
    body: { name: field('name'), ...(kind === apis ? { style: field('style') } : {}) }
  })
  return { to: ownPage(kind, submission) }
}

/** Event names for people. */
const words: Readonly<Record<string, string>> = {
  'resource.created': 'Declared',
  'resource.updated': 'Changed',
  'resource.revoked': 'Revoked',
}
