/**
 * Records of other kinds on a page: their names beside ids, and one of many to choose, from a list or, where there are
 * more than one request reads, by a field that suggests some and takes the id or the name of any.
 */
import { html } from 'ghtml'
import { ApiRefusal, type Query, type ReadingApi } from './api.ts'
import { count, selectField } from './elements.ts'
import type { Listing } from './list.ts'
import type { Submission, Visit } from './visit.ts'

/** What is chosen from. */
export interface Choosing {
  /** Of the API: `/members`. */
  path: string
  /** One of them: `member`. */
  noun: string
  /** What ids begin with: `mem_`. */
  prefix: string
  /** Which records: members of the query. */
  query?: Query
}

export const organizations: Choosing = { path: '/organizations', noun: 'organization', prefix: 'org_' }

export interface Named { id: string, name: string }

/** Records that can be chosen; `isWhole`: there are no others. */
export interface Choosable<T extends Named = Named> { all: readonly T[], isWhole: boolean, total: string }

/** Records that one request reads. */
const mostRead = 200

export async function choosable<T extends Named = Named> (
  api: ReadingApi, { path, query = {} }: Choosing
): Promise<Choosable<T>> {
  const { data, pagination } = await api.get<Listing<T>>(path, { ...query, limit: mostRead, total: 'true' })
  const { hasMore, total = data.length, totalIsAtLeast } = pagination
  return { all: data, isWhole: !hasMore, total: `${count(total)}${totalIsAtLeast === true ? ' or more' : ''}` }
}

interface ChoiceField<T> {
  name: string
  label: string
  chosen: string
  hint?: string
  /** A first one that chooses nothing: `All organizations`. */
  none?: string
  /** What stands for a record; absent: its name. */
  text? (record: T): string
}

/** As markup. */
export function choiceField<T extends Named> (
  { prefix }: Pick<Choosing, 'prefix'>, { all, isWhole, total }: Choosable<T>,
  { name, label, chosen, hint, none, text = record => record.name }: ChoiceField<T>
): string {
  if (isWhole) {
    const options = all.map(record => [record.id, text(record)] as const)
    return selectField({
      name,
      label,
      chosen,
      options: none === undefined ? options : [['', none] as const, ...options],
      ...(hint === undefined ? {} : { hint })
    })
  }
  return html`<div class="field"><label for="${name}">${label}</label>
<p class="hint" id="${name}-hint">${hint === undefined ? '' : `${hint} `}There are ${total}, of which the newest
${count(all.length)} are suggested. Of any other, write the whole name, or the id (${prefix}…)${
  none === undefined ? '' : `; empty: ${none.toLowerCase()}`}.</p>
<input type="text" id="${name}" name="${name}" value="${chosen}" list="${name}-list" autocomplete="off"
 aria-describedby="${name}-hint"!${none === undefined ? ' required' : ''}>
<datalist id="${name}-list">!${all.map(record =>
  html`<option value="${record.id}">${text(record)}</option>`)}</datalist></div>`
}

/** The id of what was chosen: an id as it is, and of a name the one record that has it. @throws ApiRefusal. */
export async function chosenId (
  api: ReadingApi, { path, noun, prefix, query = {} }: Choosing, text: string
): Promise<string> {
  if (text === '' || text.startsWith(prefix)) return text
  const { data } = await api.get<Listing<Named>>(path, { ...query, name: text, limit: 2 })
  if (data.length === 1) return data[0]!.id
  throw new ApiRefusal(422, {
    error: data.length === 0
      ? `No ${noun} has the id or the name ${text}.`
      : `Several have the name ${text}: write the id of the ${noun}.`,
    details: { field: noun }
  })
}

/**
 * The field of an operator that says for which organization something is made, as markup; '' for other persons.
 * `chosen` '': the person's own.
 */
export async function organizationField ({ api, me }: Pick<Visit, 'api' | 'me'>, chosen: string): Promise<string> {
  return me.deployment
    ? choiceField(organizations, await choosable(api, organizations), {
      name: 'organization', label: 'Organization', chosen: chosen.trim() || me.member.organization
    })
    : ''
}

/** The organization that `organizationField` chose, or the person's own. @throws ApiRefusal, as `chosenId`. */
export async function organizationIn ({ api, me, field }: Submission): Promise<string> {
  return await chosenId(api, organizations, field('organization').trim() || me.member.organization)
}

/** Collections of the API whose records have names, and the scopes that read them. */
const scopes = {
  members: 'members:read', 'api-keys': 'api-keys:read', organizations: 'organizations:read', clients: 'clients:read'
} as const

interface Known { id?: string, clientId?: string, name: string }

/** Ids that one request of the API takes. */
const mostAtOnce = 100

/** By id; those are left out that the person may not read, and ids without a record. */
export async function namesOf (
  { api, me }: Pick<Visit, 'api' | 'me'>, collection: keyof typeof scopes, ids: Iterable<string | null>
): Promise<Map<string, string>> {
  const names = new Map<string, string>()
  if (!me.permissions.includes(scopes[collection])) return names
  // The id of a hosted client is its URL, which is no text for a list.
  const asked = [...new Set(ids)].filter(id => id !== null && !/\W/.test(id))
  for (let i = 0; i < asked.length; i += mostAtOnce) {
    const { data } = await api.get<{ data: Known[] }>(
      `/${collection}`, { ids: asked.slice(i, i + mostAtOnce).join(','), limit: mostAtOnce }
    )
    for (const { id, clientId, name } of data) names.set(id ?? clientId!, name)
  }
  return names
}
