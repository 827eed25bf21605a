/** What every page of the dashboard has around it: the side with its places, the path, and the title. */
import { html } from 'ghtml'
import { dashboardPath, mark, type Page } from '../pages/page.ts'
import type { Me } from './api.ts'

export { dashboardPath }

/**
 * A place of the side; `scope`: without it on the management API the place is not offered. `deployment`: it is offered
 * to operators alone.
 */
interface Place {
  name: string
  path: string
  scope: string | null
  deployment?: true
  /** Where it leads; absent: to its path. */
  href?: string
}

const organizationsPath = `${dashboardPath}/organizations`

const groups: readonly { name: string, places: readonly Place[] }[] = [
  {
    name: 'Manage',
    places: [
      { name: 'Overview', path: dashboardPath, scope: null },
      { name: 'Clients', path: `${dashboardPath}/clients`, scope: 'clients:read' },
      { name: 'APIs', path: `${dashboardPath}/apis`, scope: 'resources:read' },
      { name: 'MCP servers', path: `${dashboardPath}/mcp-servers`, scope: 'mcp-servers:read' },
      { name: 'Skills', path: `${dashboardPath}/skills`, scope: 'skills:read' },
      {
        name: 'Third-party sources',
        path: `${dashboardPath}/third-party-sources`,
        scope: 'third-party-sources:read'
      },
      { name: 'Applications of members', path: `${dashboardPath}/applications`, scope: 'authorizations:read' },
      { name: 'Members', path: `${dashboardPath}/members`, scope: 'members:read' },
      { name: 'Policies', path: `${dashboardPath}/policies`, scope: 'policies:read' },
      { name: 'Organizations', path: organizationsPath, scope: 'organizations:read' },
    ]
  },
  {
    name: 'Watch',
    places: [
      { name: 'Usage', path: `${dashboardPath}/usage`, scope: 'usage:read' },
      { name: 'AI spending', path: `${dashboardPath}/spending`, scope: 'spend:read' },
      { name: 'Audit log', path: `${dashboardPath}/audit`, scope: 'audit:read' },
      { name: 'Why was it refused?', path: `${dashboardPath}/explain`, scope: 'audit:read' },
    ]
  },
  {
    name: 'Settings',
    places: [
      { name: 'API keys', path: `${dashboardPath}/api-keys`, scope: 'api-keys:read' },
      { name: 'Publishable keys', path: `${dashboardPath}/publishable-keys`, scope: 'publishable-keys:read' },
      { name: 'Trusted issuers', path: `${dashboardPath}/trusted-issuers`, scope: 'trusted-issuers:read' },
      { name: 'Webhook tokens', path: `${dashboardPath}/webhook-tokens`, scope: 'webhook-tokens:read' },
      { name: 'Provider keys', path: `${dashboardPath}/provider-keys`, scope: 'provider-keys:read' },
      { name: 'Your connected applications', path: '/api/v1/auth/applications', scope: null },
      { name: 'Sign-in', path: `${dashboardPath}/sign-in`, scope: null },
    ]
  },
  {
    name: 'Deployment',
    places: [
      { name: 'Servers', path: `${dashboardPath}/servers`, scope: 'replicas:read', deployment: true },
      { name: 'Signing keys', path: `${dashboardPath}/signing-keys`, scope: 'signing-keys:read', deployment: true },
    ]
  },
]

export interface Screen {
  title: string
  /** Names of what is above the page, with their paths. */
  path: readonly { name: string, href: string }[]
  /** The path of the place in the side that it belongs to. */
  place: string
  /** One sentence on what the screen is for, as markup; absent: none. */
  lead?: string
  /** The primary button, as markup; absent: there is none. */
  action?: string
  /** Markup. */
  content: string
}

/** A screen as a page, for the person who sees it. */
export function framed (screen: Screen, me: Me): Page {
  return {
    title: screen.title,
    styles: ['dashboard.css'],
    scripts: ['dashboard.js'],
    body: html`!${screen.path.length === 0 ? '' : wayTo(screen)}<div class="top"><div><h1>${screen.title}</h1>!${screen.lead === undefined
? ''
: html`
<p class="muted lead">!${screen.lead}</p>`}</div>!${screen.action ?? ''}</div>
!${screen.content}`,
    around: content => html`<body class="framed">
<a class="skip" href="#content">Skip to content</a>
!${sideOf(screen, me)}
<main id="content" tabindex="-1">
!${content}
</main>
</body>`
  }
}

function wayTo ({ path, title }: Screen): string {
  return html`<nav aria-label="Path" class="path">!${path.map(({ name, href }) =>
    html`<a href="${href}">${name}</a> / `)}<span aria-current="page">${title}</span></nav>
`
}

/** A group with the places that a person may see; '': there is none. */
function groupOf ({ name, places }: typeof groups[number], current: string, me: Me): string {
  const shown = places.filter(each => isOffered(each, me)).map(each => ofOne(each, me))
  if (shown.length === 0) return ''
  return html`<h2>${name}</h2>
<ul>
!${shown.map(({ name, path, href = path }) => html`<li><a href="${href}"!${path === current ? ' aria-current="true"' : ''}>
${name}</a></li>
`)}</ul>
`
}

function sideOf ({ place }: Screen, me: Me): string {
  return html`<header class="side">
<a class="mark" href="${dashboardPath}">!${mark}</a>
<button type="button" class="menu" popovertarget="side">Menu</button>
<div id="side" class="places" popover>
!${organizationOf(me)}
<nav aria-label="Places">
!${groups.map(group => groupOf(group, place, me))}</nav>
<div class="person"><span>${me.member.name}<br><small>${me.member.role}</small></span>
<form method="post" action="/api/v1/auth/logout"><button type="submit" class="plain">Sign out</button></form></div>
</div>
</header>`
}

/** Who sees one organization alone is led to it, and not to a list of one. */
function ofOne (place: Place, { deployment, organizations, member }: Me): Place {
  if (place.path !== organizationsPath || deployment || organizations.length > 1) return place
  return { ...place, name: 'Organization', href: `${organizationsPath}/${member.organization}` }
}

function isOffered ({ scope, deployment }: Place, me: Me): boolean {
  return (scope === null || me.permissions.includes(scope)) && (deployment !== true || me.deployment)
}

/** The organization of the session, and the others to change to. */
function organizationOf ({ member, organizations }: Me): string {
  const current = organizations.find(({ id }) => id === member.organization)
  const others = organizations.filter(({ id }) => id !== member.organization)
  const name = html`<small>Organization</small><strong>${current?.name ?? member.organization}</strong>`
  if (others.length === 0) return html`<div class="organization">!${name}</div>`
  return html`<details class="organization"><summary>!${name}</summary>
!${others.map(({ id, name }) => html`<form method="post" action="/api/v1/auth/organization">
<input type="hidden" name="organization" value="${id}">
<input type="hidden" name="return_to" value="${dashboardPath}">
<button type="submit">${name}</button></form>
`)}</details>`
}
