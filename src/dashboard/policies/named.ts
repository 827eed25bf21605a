/** What a policy may name, by name: organizations, groups and APIs, as far as the person may read them. */
import { may, type Me, type ReadingApi } from '../api.ts'
import { html } from 'ghtml'
import { textField } from '../elements.ts'
import type { Listing } from '../list.ts'
import type { Conditions } from './policy.ts'

/** Conditions that name records. */
export const namedConditions = ['organizations', 'groups', 'resources'] as const
export type NamedCondition = typeof namedConditions[number]

/** `value`: as the API takes it. */
interface Named { value: string, name: string }

/** Null: they may not be read, and are typed. `isWhole`: there are no more. */
export type Nameable = Readonly<Record<NamedCondition, { options: readonly Named[], isWhole: boolean } | null>>

/** The most that the API answers at once. */
const most = 200

export async function nameable (api: ReadingApi, me: Me): Promise<Nameable> {
  const read = async <T>(path: string, scope: string, named: (row: T) => Named) => {
    if (!may(me, scope)) return null
    const { data, pagination } = await api.get<Listing<T>>(path, { limit: most })
    return { options: data.map(named), isWhole: !pagination.hasMore }
  }
  const byId = ({ id, name }: { id: string, name: string }) => ({ value: id, name })
  const [organizations, groups, resources] = await Promise.all([
    me.deployment ? read('/organizations', 'organizations:read', byId) : null,
    read('/groups', 'groups:read', byId),
    read('/resources', 'resources:read', ({ identifier, name }: { identifier: string, name: string }) =>
      ({ value: identifier, name }))
  ])
  return { organizations, groups, resources }
}

/** Names of the groups and organizations that policies are about, by id. Asks for none where there are none. */
export async function namesIn (
  api: ReadingApi, me: Me, policies: readonly { conditions: Conditions | null }[]
): Promise<ReadonlyMap<string, string>> {
  const names = new Map<string, string>()
  if (policies.every(({ conditions }) => conditions?.groups === undefined && conditions?.organizations === undefined)) {
    return names
  }
  const { groups, organizations } = await nameable(api, me)
  for (const { value, name } of [...groups?.options ?? [], ...organizations?.options ?? []]) names.set(value, name)
  return names
}

const words: Readonly<Record<NamedCondition, readonly [label: string, typed: string, none: string]>> = {
  organizations: ['Organizations', 'by id', 'None chosen: every organization.'],
  groups: ['Groups', 'by id', 'Keys and sessions of their members. None chosen: all.'],
  resources: ['APIs', 'by identifier: https://api.example.com', 'None chosen: all.'],
}

/** Boxes that are in sight at once; more stand in a part that opens. */
const inSight = 8

/**
 * A box for each, and a line for those that are not among them. Both have one name: together they are the condition.
 * `text`: what is chosen, with spaces between.
 */
export function namedField (
  name: NamedCondition, nameables: Nameable, text: string, problem: string | null
): string {
  const [label, typed, none] = words[name]
  const chosen = text.split(/[\s,]+/).filter(Boolean)
  const { options, isWhole } = nameables[name] ?? { options: [], isWhole: false }
  const others = chosen.filter(value => options.every(option => option.value !== value))
  const line = isWhole && others.length === 0 && problem === null
    ? ''
    : textField({
      name,
      label: options.length === 0 ? `${label}, ${typed}` : `Other ${label}, ${typed}`,
      hint: options.length === 0 ? none : 'With spaces between them.',
      value: others.join(' '),
      problem
    })
  if (options.length === 0) return isWhole && line === '' ? '' : line
  const boxes = html`!${options.map(({ value, name: shown }) => html`<label class="choice"><input type="checkbox"
 name="${name}" value="${value}"!${chosen.includes(value) ? ' checked' : ''}> <span><bdi>${shown}</bdi><small>${value}
</small></span></label>
`)}`
  const known = chosen.length - others.length
  return html`<fieldset class="field"><legend>${label}</legend><p class="hint">${none}</p>
!${options.length <= inSight
? boxes
: html`<details!${known > 0 ? ' open' : ''}><summary>${known === 0 ? 'Choose' : `${known} chosen`}</summary>
!${boxes}</details>`}</fieldset>!${line}`
}
