/** The markup of connected applications: what a member has allowed clients, and how each ends. */
import { html } from 'ghtml'
import type { Authorization } from '../../domain/authorizations/authorization.ts'
import { isUnverified } from '../../domain/authorizations/client-admission.ts'
import { isClientIdUrl } from '../../domain/client-metadata/client-id-url.ts'
import type { AskedScopes, Consent } from '../../domain/authorizations/consent.ts'
import type { Client } from '../../domain/credentials/client.ts'
import type { Organization } from '../../domain/tenancy/organization.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import { grantableNow } from '../../domain/resources/scope.ts'
import { moment, shownName } from '../consent/display.ts'
import { wordsOf } from '../consent/scope-words.ts'
import type { Page } from '../page.ts'
import { authPath } from '../sign-in-page.ts'

export const applicationsPath = `${authPath}/applications`

/** What a member has allowed one client at one resource. */
export interface Connected {
  consent: Consent
  /** Null: it is gone. */
  client: Client | null
  /** Null: it is gone. */
  resource: Resource | null
  /** Those that work, one for each installation of the client, newest first; at most `mostConnections`. */
  connections: readonly Authorization[]
  /** Their calls of the last 30 days, UTC. */
  calls: number
}

/** Connections of one client at one resource that the page lists, at most. */
const shownConnections = 50

export interface Applications {
  connected: readonly Connected[]
  /** The id of the last consent on the page; null: there are no older ones. */
  older: string | null
  organization: Pick<Organization, 'name'>
  now: Date
}

export function applicationsPage ({ connected, older, organization, now }: Applications): Page {
  return {
    title: 'Connected applications',
    body: html`<h1>Connected applications</h1>
<p class="muted">They act for you in ${organization.name}, within what you allowed, and never do more than you may do
yourself.</p>
!${connected.length === 0
? html`<p>You have allowed no application anything. When one asks, you see here what you answered.</p>`
: html`<ul class="records">
!${connected.map(each => listed(each, now))}</ul>`}
!${older === null ? '' : html`<p><a class="button" href="${applicationsPath}?after=${older}">Older</a></p>`}
<p><a href="${authPath}/login">Back</a></p>`
  }
}

function listed ({ consent, client, resource, connections, calls }: Connected, now: Date): string {
  const name = client === null ? shownName(consent.clientId) : shownName(client.name) || shownName(client.id)
  const used = connections.flatMap(({ lastUsedAt }) => lastUsedAt ?? []).sort((one, other) => +other - +one)[0]
  return html`<li>
<h2>${name}</h2>
!${client !== null && isUnverified(client)
? html`<p class="muted">Unverified application!${
  isClientIdUrl(client.id) ? html`, known by <code>${client.id}</code>` : ''
}</p>`
: ''}
<p>At ${resource?.name ?? consent.resourceId}!${resource === null ? '' : html` <code>${resource.identifier}</code>`}</p>
!${scopesOf([consent, ...connections], resource)}
<p class="muted">Allowed !${moment(consent.createdAt, now)},
!${used === undefined ? 'not in use' : html`last used ${''}!${moment(used, now)}, ${callsText(calls)}`}</p>
!${connections.length > 1 ? connectionsOf(name, connections, now) : ''}
<details>
<summary>End access of ${name}</summary>
<p>What it does for you is refused from the next request on. To do it again, it has to ask you.</p>
<form method="post" action="${applicationsPath}/${consent.id}/end">
<button type="submit" class="danger">End access of ${name}</button></form>
</details>
</li>
`
}

function callsText (calls: number): string {
  return `${calls} ${calls === 1 ? 'call' : 'calls'} in 30 days`
}

/** Connections from before the client has changed may do more than the consent to what it is now. */
function scopesOf (given: readonly AskedScopes[], resource: Resource | null): string {
  const names = grantableNow(given.flatMap(({ scopes }) => scopes), resource?.scopes ?? [])
  const left = (resource?.scopes ?? []).filter(scope => names.includes(scope.name))
  const ofIdentity = new Set(given.flatMap(({ identityScopes }) => identityScopes))
  const all = [...left, ...Array.from(ofIdentity, wordsOf).flat()]
  return html`<ul class="scopes">
!${all.map(({ name, description }) => html`<li><code>${name}</code> ${description ?? ''}</li>
`)}</ul>`
}

/** Installations of one client, such as on two computers. */
function connectionsOf (name: string, connections: readonly Authorization[], now: Date): string {
  const shown = connections.slice(0, shownConnections)
  return html`<details>
<summary>${connections.length} connections of ${name}</summary>
!${shown.length < connections.length
? html`<p class="muted">These are the newest ${shownConnections}. Older ones end with the access of ${name}.</p>`
: ''}
<ul class="records">
!${shown.map(({ id, createdAt, lastUsedAt }, index) => html`<li>
<p>Since !${moment(createdAt, now)}, last used !${moment(lastUsedAt ?? createdAt, now)}</p>
<form method="post" action="${applicationsPath}/connections/${id}/end">
<button type="submit" class="danger">End connection ${index + 1} of ${name}</button></form>
</li>
`)}</ul>
</details>`
}
