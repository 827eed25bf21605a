/** Which identity providers an organization trusts, and which e-mail domains are its own. */
import { html } from 'ghtml'
import type { Me } from '../api.ts'
import { badge, dayOf } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { listOf, pageSize, type Listing } from '../list.ts'
import { namesOf } from '../choice.ts'
import type { Visit } from '../visit.ts'
import { providersPath, signInPath, signInTabs } from './paths.ts'
import { joining, type Trust } from './trust.ts'

export interface Provider { id: string, name: string, issuer: string }
export interface Domain { id: string, organization: string, domain: string, createdAt: string }

/** Providers that one organization trusts: a server has fewer. */
const most = 200

export function mayWrite ({ permissions }: Me): boolean {
  return permissions.includes('identity-providers:write')
}

export async function providersScreen ({ api, me, query }: Visit): Promise<Screen> {
  const [{ data: providers }, trusted, own, domains] = await Promise.all([
    api.get<{ data: Provider[] }>('/identity-providers'),
    api.get<Listing<Trust>>('/trusted-providers', { limit: pageSize, cursor: query('after') || undefined }),
    api.get<Listing<Trust>>('/trusted-providers', { organization: me.member.organization, limit: most }),
    api.get<Listing<Domain>>('/email-domains', { limit: pageSize, cursor: query('domains') || undefined })
  ])
  const shown = [...trusted.data, ...domains.data].map(({ organization }) => organization)
  const names = me.deployment
    ? await namesOf({ api, me }, 'organizations', shown)
    : new Map(me.organizations.map(({ id, name }) => [id, name]))
  return {
    title: 'Sign-in',
    path: [],
    place: signInPath,
    lead: 'A provider that is trusted may say who somebody is. Which providers there are is configured on the server.',
    content: html`!${signInTabs(me, providersPath)}
<h2>Identity providers</h2>
!${providerTable(providers, own.data, me)}
<h2>Trusted</h2>
!${trustTable(trusted, { providers, names, me, after: query('after') })}
<h2>E-mail domains</h2>
!${domainTable(domains, { names, me, after: query('domains') })}`
  }
}

/** `own`: what the organization of the person trusts. */
function providerTable (providers: readonly Provider[], own: readonly Trust[], me: Me): string {
  const isTrusted = (id: string) => own.some(({ provider }) => provider === id)
  return listOf<Provider>({
    caption: 'Identity providers of this deployment',
    nouns: ['provider', 'providers'],
    path: providersPath,
    filter: {},
    after: '',
    columns: [
      { name: 'Name', cell: ({ name }) => html`<bdi>${name}</bdi>` },
      { name: 'Issuer', cell: ({ issuer }) => html`<code class="bare">${issuer}</code>` },
      {
        name: 'State',
        cell: ({ id }) => isTrusted(id) ? badge('ok', 'Trusted') : badge('plain', 'Not trusted')
      }
    ],
    ...(mayWrite(me)
      ? {
          actions: ({ id, name }: Provider) => isTrusted(id) && !me.deployment
            ? ''
            : html`<a href="${providersPath}/new?provider=${encodeURIComponent(id)}">Trust<span class="unseen">
${name}</span></a>`
        }
      : {}),
    empty: 'None. The server has no identity provider in its configuration: people sign in with links and passkeys.'
  }, { data: providers, pagination: { hasMore: false } })
}

interface Shown { providers: readonly Provider[], names: ReadonlyMap<string, string>, me: Me, after: string }

function trustTable (trusted: Listing<Trust>, { providers, names, me, after }: Shown): string {
  const nameOf = (id: string) => providers.find(provider => provider.id === id)?.name ?? id
  return listOf<Trust>({
    caption: 'Trusted providers',
    nouns: ['trusted provider', 'trusted providers'],
    path: providersPath,
    filter: {},
    after,
    columns: [
      {
        name: 'Provider',
        cell: ({ id, provider }) => mayWrite(me)
          ? html`<a href="${providersPath}/${id}"><bdi>${nameOf(provider)}</bdi></a>`
          : html`<bdi>${nameOf(provider)}</bdi>`
      },
      ...(me.deployment
        ? [{
            name: 'Organization',
            cell: ({ organization }: Trust) => html`<bdi>${names.get(organization) ?? organization}</bdi>`
          }]
        : []),
      { name: 'Who joins by it', cell: ({ joinsAs }) => html`${joining(joinsAs)}` },
      {
        name: 'Groups',
        cell: ({ groupsClaim, groupMapping }) => groupMapping.length === 0
          ? html`<span class="muted">none mapped</span>`
          : html`${groupMapping.length} by <code>${groupsClaim}</code>`
      },
      { name: 'Since', cell: ({ createdAt }) => dayOf(createdAt) }
    ],
    ...(mayWrite(me)
      ? {
          actions: ({ id, provider }: Trust) => html`<a href="${providersPath}/${id}/end">Take back<span
 class="unseen"> the trust in ${nameOf(provider)}</span></a>`
        }
      : {}),
    empty: 'None: no provider signs members in. Trust one, so that people sign in with the accounts that they have.'
  }, trusted)
}

function domainTable (domains: Listing<Domain>, { names, me, after }: Omit<Shown, 'providers'>): string {
  const mayGive = me.deployment && mayWrite(me)
  return html`!${listOf<Domain>({
    caption: 'E-mail domains',
    nouns: ['domain', 'domains'],
    path: providersPath,
    filter: {},
    cursor: 'domains',
    after,
    columns: [
      { name: 'Domain', cell: ({ domain }) => html`${domain}` },
      {
        name: 'Organization',
        cell: ({ organization }) => html`<bdi>${names.get(organization) ?? organization}</bdi>`
      },
      { name: 'Since', cell: ({ createdAt }) => dayOf(createdAt) }
    ],
    ...(mayGive
      ? {
          actions: ({ id, domain }: Domain) => html`<a href="${providersPath}/domains/${id}/end">Take away<span
 class="unseen"> ${domain}</span></a>`
        }
      : {}),
    empty: 'None. People with a verified e-mail in a domain of the organization may join by a trusted provider; the ' +
      'operators of this deployment give domains.'
  }, domains)}
!${mayGive ? html`<p><a class="button" href="${providersPath}/domains/new">Give a domain</a></p>` : ''}`
}
