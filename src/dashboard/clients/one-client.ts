/** One client: what it may do and why, how it proves itself, what happened to it, and its name. */
import { html } from 'ghtml'
import { may } from '../api.ts'
import { barsByDay, everyDay } from '../chart.ts'
import { disablingForm, enablingForm } from '../disabling.ts'
import { ago, codes, dayOf, facts, textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { historyOf } from '../history.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { accessPanel } from './access.ts'
import {
  apiPathOf, clientOf, clientsPath, clientsWay, hasSecret, originOf, ownPage, pageOf, stateOf, type Client
} from './client.ts'

const disablingEffect =
  'A disabled client is refused from the next request on, on every server, until it is enabled. Its tokens, and what ' +
  'members have allowed it, end for good.'

/** `refused`: a name that the API did not take, and why; absent: none was sent. */
export async function clientScreen (
  visit: Visit, refused?: { name: string, problem: string }
): Promise<Screen> {
  const { me, now } = visit
  const client = await clientOf(visit)
  const [access, tokens, history] = await Promise.all([
    accessPanel(visit, client), tokensPanel(visit, client), historyOf(visit, client.clientId, words)
  ])
  const mayWrite = may(me, 'clients:write', client)
  return {
    title: client.name,
    path: clientsWay,
    place: clientsPath,
    ...(mayWrite ? actionsOf(client) : {}),
    content: html`!${facts(factsOf(client, now))}
!${access}
!${tokens}
!${claimForm(client, visit)}
!${mayWrite && client.status === 'active'
? html`<form class="panel" method="post" action="${pageOf(client)}/name">
!${textField({
  name: 'name',
  label: 'Name',
  value: refused?.name ?? client.name,
  required: true,
  problem: refused?.problem ?? null,
})}
<p class="actions"><button type="submit">Rename</button></p></form>
!${disablingForm(pageOf(client), 'client', disablingEffect)}`
: ''}
!${history}`
  }
}

/** Days of the chart. */
const shownDays = 30

/** What it got for itself, by day; '': it gets nothing so, or the person may not read it. */
async function tokensPanel ({ api, me, now }: Visit, client: Client): Promise<string> {
  if (!actsForItself(client) || !me.permissions.includes('usage:read')) return ''
  const from = new Date(now.getTime() - (shownDays - 1) * 86_400_000).toISOString().slice(0, 10)
  const { days } = await api.get<{ days: readonly { day: string, tokens: number }[] }>(
    `/clients/${encodeURIComponent(client.clientId)}/usage`, { from, to: now.toISOString().slice(0, 10) }
  )
  const counted = days.map(({ day, tokens }) => ({ day, calls: tokens }))
  const chart = barsByDay(everyDay(counted, shownDays, now), 'Tokens by day', { counted: 'Tokens' })
  return html`<section class="panel">!${chart}</section>`
}

/** For a client that registered openly: the organization that it belongs to from now on. */
function claimForm (client: Client, { me }: Visit): string {
  const isUnclaimed = client.organization === null && client.origin === 'registered'
  if (!isUnclaimed || client.status !== 'active' || !may(me, 'clients:write', client)) return ''
  return html`<form class="panel" method="post" action="${pageOf(client)}/claim">
<p>It registered itself and belongs to no organization, so it may do nothing. A claim cannot be taken back.</p>
<div class="field"><label for="organization">Organization</label><select id="organization" name="organization">
!${me.organizations.map(({ id, name }) => html`<option value="${id}">${name}</option>`)}</select></div>
<p class="actions"><button type="submit">Claim client</button></p></form>`
}

export async function claim (submission: Submission): Promise<Outcome> {
  const { api, field } = submission
  await api.change('PATCH', apiPathOf(submission), { body: { organization: field('organization') } })
  return { to: ownPage(submission) }
}

/** Whether it asks for tokens for itself. */
export function actsForItself ({ grantTypes }: Client): boolean {
  return grantTypes.includes('client_credentials')
}

/** What can be done with a client in its state. A disabled one is not changed until it is enabled. */
function actionsOf (client: Client): { action?: string } {
  if (client.status === 'revoked') return {}
  const path = pageOf(client)
  const gentle = client.status === 'disabled'
    ? enablingForm(path, 'client')
    : html`!${actsForItself(client) ? html`<a class="button" href="${path}/token">Get a test token</a>` : ''}
!${hasSecret(client) ? html`<a class="button" data-dialog href="${path}/rotate">Replace secret</a>` : ''}`
  return {
    action: html`<div class="actions">!${gentle}
<a class="button danger" data-dialog href="${path}/revoke">Revoke client</a></div>`
  }
}

const proofs: Readonly<Record<Client['tokenEndpointAuthMethod'], string>> = {
  client_secret_basic: 'A secret, in the Authorization header',
  client_secret_post: 'A secret, in the body',
  private_key_jwt: 'Its own key',
  none: 'Nothing: it is a public client',
}

function factsOf (client: Client, now: Date): [string, string][] {
  const { clientId, tokenEndpointAuthMethod, grantTypes, redirectUris, allowlist, introspects, secrets } = client
  return [
    ['Client id', html`<code class="bare">${clientId}</code>!${stateOf(client)}`],
    ['Kind', originOf(client)],
    ['Proves itself by', html`${proofs[tokenEndpointAuthMethod]}`],
    ...secrets.map(({ hint, createdAt, expiresAt }): [string, string] => ['Secret', html`<code>${hint}</code> made on
!${dayOf(createdAt)}!${endOf(expiresAt, now)}`]),
    ['Grants', codes(grantTypes)],
    ...(redirectUris.length === 0 ? [] : [['Redirect URIs', codes(redirectUris)] as [string, string]]),
    ['Addresses', html`${allowlist.length === 0 ? 'from everywhere' : allowlist.join(', ')}`],
    ...(introspects.length === 0 ? [] : [['May introspect for', codes(introspects)] as [string, string]]),
    ['Last used', ago(client.lastUsedAt, now)],
    ['Created', dayOf(client.createdAt)],
    ...([['Disabled because', client.disabledReason], ['Revoked because', client.revokedReason]] as const)
      .flatMap(([name, reason]): [string, string][] => reason === null ? [] : [[name, html`${reason}`]]),
  ]
}

/** When a secret ends, as markup; null: it does not by itself. */
function endOf (expiresAt: string | null, now: Date): string {
  if (expiresAt === null) return ''
  return new Date(expiresAt) <= now
    ? html`, ended on !${dayOf(expiresAt)}`
    : html`, works until !${dayOf(expiresAt)}`
}

/** Event names for people. */
const words: Readonly<Record<string, string>> = {
  'client.created': 'Client created',
  'client.registered': 'Client registered',
  'client.updated': 'Client changed',
  'client.disabled': 'Client disabled',
  'client.enabled': 'Client enabled',
  'client.revoked': 'Client revoked',
  'client.secret_rotated': 'Secret replaced',
  'client.refused': 'Refused',
  'credential.refused': 'Refused',
  'introspection.refused': 'Introspection refused',
  'token.revoked': 'Token revoked',
}

export async function rename (submission: Submission): Promise<Outcome> {
  await submission.api.change('PATCH', apiPathOf(submission), { body: { name: submission.field('name') } })
  return { to: ownPage(submission) }
}
