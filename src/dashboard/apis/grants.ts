/** What a credential may do, as a form asks for it: presets for one API, or single scopes of several. */
import { html } from 'ghtml'
import type { ReadingApi } from '../api.ts'
import { choosable, type Choosing } from '../choice.ts'
import { identityApi, managementApi } from './built-in.ts'
import { boxes, choices, type Choice } from '../elements.ts'

export interface Resource {
  id: string
  identifier: string
  name: string
  style: string
  scopes: readonly { name: string, keyOnly: boolean, description: string | null }[]
  revokedAt: string | null
}

export interface Grant { resource: string, scopes: readonly string[] }

/** What the form has of it. `grants`: resources and scopes, a space between them. */
interface Chosen { access: string, resource: string, grants: readonly string[] }

export const presets: readonly Choice[] = [
  { value: 'read', label: 'Read only', hint: 'All scopes of one API that only read.' },
  { value: 'all', label: 'Everything', hint: 'All scopes of one API but those for API keys alone.' },
  { value: 'custom', label: 'Custom', hint: 'Only the scopes that are ticked below, of one or several APIs.' },
]

export const guardPreset: Choice = {
  value: 'guard', label: 'Guard an API', hint: 'For the API itself: asks whether callers pass, and gets no tokens.'
}

/** APIs that a form offers; `isWhole`: there are no others. `total`: how many there are, in words. */
export interface OfferedApis { resources: readonly Resource[], isWhole: boolean, total: string }

const choosing: Choosing = { path: '/resources', noun: 'API', prefix: 'res_', query: { status: 'active' } }

/**
 * Those that clients can get tokens for, that of management last: as many as one request reads, and those that a form
 * names. `named`: their addresses, each alone or before a space and a scope.
 */
export async function offeredTo (api: ReadingApi, named: readonly string[] = []): Promise<OfferedApis> {
  const { all, isWhole, total } = await choosable<Resource>(api, choosing)
  const missing = isWhole
    ? []
    : [...new Set(named.map(text => text.split(' ', 1)[0]!))]
        .filter(text => text !== '' && !all.some(({ identifier }) => identifier === text))
  const others = await Promise.all(missing.slice(0, mostNamed).map(async identifier =>
    (await api.get<{ data: Resource[] }>('/resources', { identifier, status: 'active' })).data))
  const comesLast = ({ id }: Resource): number => Number(id === managementApi)
  const resources = [...others.flat(), ...all].filter(({ id }) => id !== identityApi)
    .sort((one, other) => comesLast(one) - comesLast(other))
  return { resources, isWhole, total }
}

/** APIs of a form that are looked up, at most. */
const mostNamed = 20

/** Scopes that the API lets clients have: the others are for keys alone. */
function grantable ({ scopes }: Resource) {
  return scopes.filter(({ keyOnly }) => !keyOnly)
}

/** The grants that were chosen; none where a preset has no scope. */
export function grantsOf ({ resources }: OfferedApis, { access, resource, grants }: Chosen): Grant[] {
  const chosen = resources.map(each => ({
    resource: each.identifier,
    scopes: grantable(each).map(({ name }) => name).filter(name => {
      if (access === 'custom') return grants.includes(`${each.identifier} ${name}`)
      if (each.identifier !== resource) return false
      return access === 'all' || (access === 'read' && name.endsWith(':read'))
    })
  }))
  return chosen.filter(({ scopes }) => scopes.length > 0)
}

export function grantFields (
  offered: OfferedApis, { access, resource, grants }: Chosen, ways: readonly Choice[]
): string {
  const chosen = new Set(grants)
  return html`!${choices('Access', 'access', ways, access)}
!${resourceField(offered, resource, 'For all but custom.')}
!${scopeFields(offered.resources.map(each => ({ ...each, scopes: grantable(each) })), chosen)}`
}

/** The API to choose. `hint`: what it is for; absent: that is plain. */
export function resourceField ({ resources, isWhole, total }: OfferedApis, chosen: string, hint?: string): string {
  if (!isWhole) return addressField(resources, total, chosen, hint)
  return html`<div class="field"><label for="resource">API</label>
!${hint === undefined ? '' : html`<p class="hint" id="resource-hint">${hint}</p>`}
<select id="resource" name="resource"!${hint === undefined ? '' : ' aria-describedby="resource-hint"'}>
!${resources.map(({ identifier, name }) => html`<option value="${identifier}"!${
  identifier === chosen ? ' selected' : ''}>${name} (${identifier})</option>`)}</select></div>`
}

function addressField (resources: readonly Resource[], total: string, chosen: string, hint = ''): string {
  return html`<div class="field"><label for="resource">API</label>
<p class="hint" id="resource-hint">${hint} There are ${total}, of which the newest are suggested. Of any other, write the
address: its scopes can be chosen when the form is sent.</p>
<input type="text" id="resource" name="resource" value="${chosen}" list="resource-list" required autocomplete="off"
 aria-describedby="resource-hint">
<datalist id="resource-list">!${resources.map(({ identifier, name }) =>
  html`<option value="${identifier}">${name}</option>`)}</datalist></div>`
}

/** The scopes of each API, to be ticked. `chosen`: resources and scopes, a space between them. */
export function scopeFields (resources: readonly Resource[], chosen: ReadonlySet<string>): string {
  return html`<fieldset class="field"><legend>Scopes, for custom</legend>
!${resources.map(each => scopesOf(each, chosen))}</fieldset>`
}

function scopesOf (resource: Resource, chosen: ReadonlySet<string>): string {
  const { scopes } = resource
  if (scopes.length === 0) return ''
  const { identifier } = resource
  const isOpen = scopes.some(({ name }) => chosen.has(`${identifier} ${name}`))
  return html`<details!${isOpen ? ' open' : ''}><summary>${resource.name} <small>${identifier}</small></summary>
!${boxes('grant', scopes.map(({ name, description }) => ({
  value: `${identifier} ${name}`, label: name, ...(description === null ? {} : { hint: description })
})), chosen)}</details>`
}
