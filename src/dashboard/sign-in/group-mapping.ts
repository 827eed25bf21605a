/** Which groups the values of a provider's claim become: a row for each, chosen by name. */
import { html } from 'ghtml'
import { may } from '../api.ts'
import type { Submission, Visit } from '../visit.ts'

export interface Group { id: string, name: string }

/** As the API takes it. */
export type Mapping = readonly { value: string, group: string }[]

/** Empty rows behind those that are filled: saving brings more. */
const emptyRows = 3

/** The groups of an organization, at most those that the API answers at once; null: the person may not read them. */
export async function groupsOf ({ api, me }: Pick<Visit, 'api' | 'me'>, organization: string): Promise<Group[] | null> {
  if (!may(me, 'groups:read')) return null
  return (await api.get<{ data: Group[] }>('/groups', { organization, limit: 200 })).data
}

/** The rows that were sent with a value; null: the form had none. A row without a group is refused by the API. */
export function mappingIn ({ field, fields }: Submission): Mapping | null {
  if (field('mapped') !== 'yes') return null
  const groups = fields('mapping-group')
  return fields('mapping-value').map((value, index) => ({ value: value.trim(), group: groups[index] ?? '' }))
    .filter(({ value }) => value !== '')
}

export function mappingFields (mapping: Mapping, groups: readonly Group[]): string {
  const rows = [...mapping, ...Array.from({ length: emptyRows }, () => ({ value: '', group: '' }))]
  return html`<fieldset class="field"><legend>Groups by value of the claim</legend>
<p class="hint">Who has the value is in the group, from each sign-in on. A row without a value is left out.</p>
<input type="hidden" name="mapped" value="yes">
!${rows.map(({ value, group }, index) => html`<div class="fields">
<div class="field"><label for="mapping-value-${index}">Value ${index + 1}</label>
<input type="text" id="mapping-value-${index}" name="mapping-value" value="${value}" autocomplete="off"></div>
<div class="field"><label for="mapping-group-${index}">Group for value ${index + 1}</label>
<select id="mapping-group-${index}" name="mapping-group"><option value="">None</option>
!${optionsOf(groups, group).map(({ id, name }) => html`<option value="${id}"!${id === group ? ' selected' : ''}>${
  name}</option>`)}</select></div></div>
`)}</fieldset>`
}

/** Also a chosen one that is not among those that were read. */
function optionsOf (groups: readonly Group[], chosen: string): readonly Group[] {
  return chosen === '' || groups.some(({ id }) => id === chosen) ? groups : [...groups, { id: chosen, name: chosen }]
}
