/** What every page of the dashboard has around it: the side with its places, the path, and the title. */
import { html } from 'ghtml'
import { mark, type Page } from '../pages/page.ts'
import type { Me } from './api.ts'

/** Where the dashboard is served. */
export const dashboardPath = '/dashboard'

/** A place of the side; `scope`: without it on the management API the place is not offered. */
interface Place { name: string, path: string, scope: string | null }

const groups: readonly { name: string, places: readonly Place[] }[] = [
  {
    name: 'Manage',
    places: [
      { name: 'Clients', path: `${dashboardPath}/clients`, scope: 'clients:read' },
      { name: 'APIs', path: `${dashboardPath}/apis`, scope: 'resources:read' },
      { name: 'MCP servers', path: `${dashboardPath}/mcp-servers`, scope: 'mcp-servers:read' },
      { name: 'Applications', path: `${dashboardPath}/applications`, scope: 'authorizations:read' },
    ]
  },
  {
    name: 'Settings',
    places: [
      { name: 'API keys', path: `${dashboardPath}/api-keys`, scope: 'api-keys:read' },
      { name: 'Publishable keys', path: `${dashboardPath}/publishable-keys`, scope: 'publishable-keys:read' },
      { name: 'Webhook tokens', path: `${dashboardPath}/webhook-tokens`, scope: 'webhook-tokens:read' },
      { name: 'Connected applications', path: '/api/v1/auth/applications', scope: null },
      { name: 'Sign-in', path: '/api/v1/auth/login', scope: null },
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
    body: html`<nav aria-label="Path" class="path">!${screen.path.map(({ name, href }) =>
      html`<a href="${href}">${name}</a> / `)}<span aria-current="page">${screen.title}</span></nav>
<div class="top"><div><h1>${screen.title}</h1>!${screen.lead === undefined
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

/** A group with the places that a person may see; '': there is none. */
function groupOf ({ name, places }: typeof groups[number], current: string, { permissions }: Me): string {
  const shown = places.filter(({ scope }) => scope === null || permissions.includes(scope))
  if (shown.length === 0) return ''
  return html`<h2>${name}</h2>
<ul>
!${shown.map(({ name, path }) => html`<li><a href="${path}"!${path === current ? ' aria-current="true"' : ''}>
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
