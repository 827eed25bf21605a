/** What a credential may do, as a form asks for it: presets for one API, or single scopes of several. */
import { html } from 'ghtml'
import type { ReadingApi } from '../api.ts'
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

/** Those that clients can get tokens for, that of management last. */
export async function resourcesOf (api: ReadingApi): Promise<Resource[]> {
  const { data } = await api.get<{ data: Resource[] }>('/resources', { limit: 200, status: 'active' })
  const comesLast = ({ id }: Resource): number => Number(id === 'res_management')
  return data.filter(({ id }) => id !== 'res_identity').sort((one, other) => comesLast(one) - comesLast(other))
}

/** Scopes that the API lets clients have: the others are for keys alone. */
function grantable ({ scopes }: Resource) {
  return scopes.filter(({ keyOnly }) => !keyOnly)
}

/** The grants that were chosen; none where a preset has no scope. */
export function grantsOf (resources: readonly Resource[], { access, resource, grants }: Chosen): Grant[] {
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
  resources: readonly Resource[], { access, resource, grants }: Chosen, offered: readonly Choice[]
): string {
  const chosen = new Set(grants)
  return html`!${choices('Access', 'access', offered, access)}
!${resourceField(resources, resource, 'For all but custom.')}
!${scopeFields(resources.map(each => ({ ...each, scopes: grantable(each) })), chosen)}`
}

/** The API to choose. `hint`: what it is for; absent: that is plain. */
export function resourceField (resources: readonly Resource[], chosen: string, hint?: string): string {
  return html`<div class="field"><label for="resource">API</label>
!${hint === undefined ? '' : html`<p class="hint" id="resource-hint">${hint}</p>`}
<select id="resource" name="resource"!${hint === undefined ? '' : ' aria-describedby="resource-hint"'}>
!${resources.map(({ identifier, name }) => html`<option value="${identifier}"!${
  identifier === chosen ? ' selected' : ''}>${name} (${identifier})</option>`)}</select></div>`
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
