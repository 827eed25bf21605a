/** The consent page. Everything of a client is text here: nothing of it is trusted as markup, and no logo is loaded. */
import { html } from 'ghtml'
import { isUnverified, reasonAgainst, type Admission } from '../../domain/authorizations/client-admission.ts'
import { isClientIdUrl } from '../../domain/client-metadata/client-id-url.ts'
import { mayRefresh } from '../../domain/client-metadata/grant-types.ts'
import type { Client } from '../../domain/credentials/client.ts'
import type { Member } from '../../domain/members/permissions.ts'
import { provedAt } from '../../domain/people/fresh-sign-in.ts'
import type { PersonSession } from '../../domain/people/person-session.ts'
import { identityResourceId } from '../../domain/resources/resource.ts'
import type { Scope } from '../../domain/resources/scope.ts'
import type { Organization } from '../../domain/tenancy/organization.ts'
import type { Interaction } from '../../protocol/authorization/interactions.ts'
import type { Page } from '../page.ts'
import { signInAgainPath } from '../passkey-page.ts'
import { authPath } from '../sign-in-page.ts'
import { destinationOf } from './destination.ts'
import { duration, moment, shownIdentifier, shownName } from './display.ts'
import { wordsOf } from './scope-words.ts'
import type { Question } from './question.ts'

/** Below it, the id of a question. */
export const consentPath = `${authPath}/consent`

/** Whom a page is shown to, and what about. */
export interface Asked {
  interaction: Interaction
  member: Pick<Member, 'name'>
  organization: Pick<Organization, 'name'>
  /** The other organizations of the person for which the client may act there. */
  others: readonly Pick<Organization, 'id' | 'name'>[]
  now: Date
}

export interface Shown extends Asked {
  question: Question
  /** Proves that this page was shown. */
  mark: string
}

export function consentPage (shown: Shown): Page {
  const { interaction, question, mark, now } = shown
  const { client, redirectUri, resource } = interaction
  return {
    title: 'Allow access',
    leadsAway: true,
    body: html`!${whoDecides(shown)}
!${shown.others.length === 0
? ''
: html`<details><summary>Act for another organization</summary>
!${organizationForms(shown)}</details>`}
<h1>“${nameOf(client)}” wants to ${isSignIn(interaction) ? 'sign you in' : 'act for you'}</h1>
!${whoAsks(client, now)}
!${question.hasChanged
? html`<p class="warn">It has changed since you allowed it something: its name, where it sends you, or its keys.</p>`
: ''}
!${isSignIn(interaction)
? html`<h2>Sign you in</h2>`
: html`<h2>At ${resource.name}</h2>
<p><code>${resource.identifier}</code></p>`}
!${whatIsAsked(interaction, question)}
<p>!${howLong(interaction)}</p>
!${whereTo(redirectUri)}
!${decisionForm(interaction, mark)}`
  }
}

/** For a person who has to change the organization first: the client or the API belongs to another one. */
export function otherOrganizationPage (asked: Asked): Page {
  const { interaction, organization } = asked
  const what = interaction.client.organizationId === null ? `It asks for ${interaction.resource.name}, which` : 'It'
  return {
    title: 'Choose an organization',
    leadsAway: true,
    body: html`!${whoDecides(asked)}
<h1>“${nameOf(interaction.client)}” does not act for ${organization.name}</h1>
<p>${what} belongs to another organization of yours.</p>
<h2>Act for</h2>
!${organizationForms(asked)}
!${cancelForm(interaction)}`
  }
}

/** For a person who is no member of the organization of the client. */
export function foreignClientPage (
  { interaction, member, organization }: Omit<Asked, 'others'>, returnTo: string
): Page {
  return {
    title: 'Not for your organization',
    leadsAway: true,
    body: html`!${whoDecides({ member, organization })}
<h1>“${nameOf(interaction.client)}” does not act for ${organization.name}</h1>
<p>It belongs to another organization, and acts for members of that one alone.</p>
!${whereTo(interaction.redirectUri)}
!${waysOn(interaction, returnTo)}`
  }
}

/** For a person who cannot use the API: whether there is one of that name is not for them to know. */
export function unusableResourcePage (
  { interaction, member, organization, now }: Omit<Asked, 'others'>, returnTo: string
): Page {
  const { client, resource, redirectUri } = interaction
  return {
    title: 'API not open to you',
    leadsAway: true,
    body: html`!${whoDecides({ member, organization })}
<h1>“${nameOf(client)}” asks for an API that is not open to you</h1>
!${whoAsks(client, now)}
<p><code>${shownIdentifier(resource.identifier)}</code></p>
<p>Members of ${organization.name} cannot use an API of this name with this application: there is none here, or it
belongs to another organization. Somebody else may be able to use it.</p>
!${whereTo(redirectUri)}
!${waysOn(interaction, returnTo)}`
  }
}

/** For a person whose organization does not let the client act for them. */
export function notAdmittedPage (asked: Asked, found: Exclude<Admission, 'admitted'>): Page {
  const { interaction, organization: { name } } = asked
  const { client } = interaction
  const [title, heading, what] = found === 'refused'
    ? ['Not permitted', 'may not act for you', html`<p>${reasonAgainst(name, found)}</p>`]
    : ['Approval needed', 'needs an approval', html`<p>${reasonAgainst(name, found)} Send an owner or an administrator
what stands here, and start again at the application when it is done.</p>
<p>Application <code>${client.id}</code></p>`]
  return {
    title,
    leadsAway: true,
    body: html`!${whoDecides(asked)}
<h1>“${nameOf(client)}” ${heading}</h1>
!${whoAsks(client, asked.now)}
!${what}
!${whereTo(interaction.redirectUri)}
!${cancelForm(interaction)}`
  }
}

/** For a person who may do nothing of what is asked for. */
export function nothingToAllowPage (asked: Asked, { lacking }: Question): Page {
  const { interaction, organization: { name } } = asked
  const { client, resource } = interaction
  return {
    title: 'Nothing to allow',
    leadsAway: true,
    body: html`!${whoDecides(asked)}
<h1>“${nameOf(client)}” asks for what you may not do</h1>
!${whoAsks(client, asked.now)}
<h2>At ${resource.name}</h2>
<p><code>${resource.identifier}</code></p>
!${listOf(resource.scopes.filter(scope => lacking.includes(scope.name)), [])}
<p>You have none of these scopes, so you cannot allow them. An administrator of ${name} can give them to you: start
again at the application when it is done.</p>
!${whereTo(interaction.redirectUri)}
!${cancelForm(interaction)}`
  }
}

/** For a person whose sign-in, made for this request, proves them at no known time, or at an earlier one. */
export function notFreshPage (
  interaction: Interaction, session: Pick<PersonSession, 'authenticatedAt' | 'authTimeKnown'>, returnTo: string
): Page {
  return {
    title: 'Sign in again',
    leadsAway: true,
    body: html`<h1>“${nameOf(interaction.client)}” asks for a new sign-in</h1>
<p>${provedAt(session) === null
? 'Your provider does not say when you signed in there (auth_time), so nothing shows that you have just done so.'
: 'Your provider says that you signed in there earlier.'} Sign in with a passkey, or with a sign-in link.</p>
<p><a class="button primary" href="${signInAgainPath(returnTo)}">Sign in again</a></p>
!${cancelForm(interaction)}`
  }
}

export function nameOf ({ id, name }: Pick<Client, 'id' | 'name'>): string {
  return shownName(name) || shownName(id)
}

function whoDecides ({ member, organization }: Pick<Asked, 'member' | 'organization'>): string {
  return html`<p class="muted">Signed in as <strong>${member.name}</strong> · ${organization.name}</p>`
}

/** Clients that an operator or a member made have the name that these gave them. */
export function whoAsks (client: Client, now: Date): string {
  if (!isUnverified(client)) return ''
  const { id, createdAt } = client
  return html`<p class="warn"><strong>Unverified application.</strong> It chose its own name. !${
    isClientIdUrl(id)
      ? html`It is known by <code>${id}</code>`
      : html`It registered itself !${moment(createdAt, now)}.`
  }</p>`
}

/** Where more is asked for than before, only that stands open. */
function whatIsAsked ({ identityScopes }: Interaction, { handed, added, lacking, isRemembered }: Question): string {
  const [first, before] = added.length === 0 || added.length === handed.length
    ? [handed, []]
    : [handed.filter(({ name }) => added.includes(name)), handed.filter(({ name }) => !added.includes(name))]
  return html`!${isRemembered ? html`<p>You have allowed all of this before.</p>` : ''}
!${before.length > 0 ? html`<h3>New</h3>` : ''}
!${listOf(first, before.length > 0 ? [] : identityScopes)}
!${before.length > 0
? html`<details><summary>Allowed before (${before.length})</summary>
!${listOf(before, identityScopes)}</details>`
: ''}
!${lacking.length > 0
? html`<p class="muted">It asks for more, which you may not do yourself: <code>${lacking.join(' ')}</code></p>`
: ''}`
}

function listOf (scopes: readonly Scope[], identityScopes: readonly string[]): string {
  const all = [...scopes, ...identityScopes.flatMap(wordsOf)]
  return html`<ul class="scopes">
!${all.map(({ name, description }) => html`<li><code>${name}</code> ${description ?? ''}</li>
`)}</ul>`
}

/** Whether the client learns who the person is and, without a refresh token, nothing later. */
function isSignIn ({ client, resource }: Interaction): boolean {
  return resource.id === identityResourceId && !mayRefresh(client.metadata)
}

function howLong (interaction: Interaction): string {
  const { client, resource } = interaction
  if (isSignIn(interaction)) return 'It learns what stands here, and can do nothing for you.'
  return mayRefresh(client.metadata)
    ? html`It keeps this access until you end it under <em>Connected applications</em>, also while you are away, for a
year at most. It never does more than you may do yourself.`
    : html`It has this access for ${duration(resource.tokenLifetime)}, and then has to ask again. It never does
more than you may do yourself.`
}

function whereTo (redirectUri: string): string {
  const { name, place } = destinationOf(redirectUri)
  return html`<h2>You are sent back to</h2>
<p><code>${name}</code>${place === null ? '' : ` (a program on this ${place})`}</p>
!${place === null
? ''
: html`<p class="warn">Only continue if you started this on this ${place} yourself.</p>`}`
}

function decisionForm ({ uid }: Interaction, mark: string): string {
  return html`<form method="post" action="${consentPath}/${uid}" class="decision">
<input type="hidden" name="shown" value="${mark}">
<button class="primary" type="submit" name="decision" value="allow">Allow access</button>
<button type="submit" name="decision" value="deny">Cancel</button>
</form>`
}

function cancelForm ({ uid }: Interaction): string {
  return html`<form method="post" action="${consentPath}/${uid}">
<button type="submit" name="decision" value="deny">Back to the application</button>
</form>`
}

function waysOn (interaction: Interaction, returnTo: string): string {
  return html`!${cancelForm(interaction)}
<p><a href="${signInAgainPath(returnTo)}">Sign in as somebody else</a></p>`
}

function organizationForms ({ interaction: { uid }, others }: Asked): string {
  return html`!${others.map(({ id, name }) => html`<form method="post" action="${authPath}/organization">
<input type="hidden" name="organization" value="${id}">
<input type="hidden" name="return_to" value="${consentPath}/${uid}"><button type="submit">${name}</button></form>
`)}`
}
