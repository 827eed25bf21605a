/** A policy as the API answers it, and as a form has it: lists as texts, with spaces between their entries. */
import type { Submission } from '../visit.ts'

export interface Conditions {
  organizations?: readonly string[]
  groups?: readonly string[]
  kinds?: readonly string[]
  resources?: readonly string[]
  scopes?: readonly string[]
  addresses?: readonly string[]
  times?: {
    from?: string, until?: string, days?: readonly string[], hours?: { from: string, until: string }, zone?: string
  }
}

export interface Policy {
  id: string
  organization: string | null
  name: string
  description: string | null
  effect: 'allow' | 'deny'
  enabled: boolean
  /** Null: they cannot be read, and the policy denies everything. */
  conditions: Conditions | null
  updatedAt: string
}

/** Kinds of credentials, in words. */
export const kinds = [
  ['api_key', 'API keys'], ['access_token', 'Clients and their tokens'], ['management_token', 'Tokens of this API'],
  ['session', 'Sessions of end users'], ['webhook_token', 'Webhook tokens'], ['person', 'Members who are signed in']
] as const

export const days = [
  ['mon', 'Monday'], ['tue', 'Tuesday'], ['wed', 'Wednesday'], ['thu', 'Thursday'], ['fri', 'Friday'],
  ['sat', 'Saturday'], ['sun', 'Sunday']
] as const

/** Conditions that a form has as one line each, in the order of the form. */
export const lines = ['organizations', 'groups', 'resources', 'scopes', 'addresses'] as const

export interface Draft {
  name: string
  description: string
  effect: string
  enabled: boolean
  lines: Readonly<Record<typeof lines[number], string>>
  kinds: readonly string[]
  days: readonly string[]
  from: string
  until: string
  hoursFrom: string
  hoursUntil: string
  zone: string
}

export const emptyDraft: Draft = {
  name: '',
  description: '',
  effect: 'deny',
  enabled: true,
  lines: { organizations: '', groups: '', resources: '', scopes: '', addresses: '' },
  kinds: [],
  days: [],
  from: '',
  until: '',
  hoursFrom: '',
  hoursUntil: '',
  zone: '',
}

export function draftOf ({ field, fields }: Submission): Draft {
  return {
    name: field('name').trim(),
    description: field('description').trim(),
    effect: field('effect'),
    enabled: field('enabled') !== 'no',
    lines: Object.fromEntries(lines.map(name => [name, fields(name).join(' ').trim()])) as Draft['lines'],
    kinds: fields('kinds'),
    days: fields('days'),
    from: field('from').trim(),
    until: field('until').trim(),
    hoursFrom: field('hoursFrom').trim(),
    hoursUntil: field('hoursUntil').trim(),
    zone: field('zone').trim(),
  }
}

export function draftOfPolicy ({ name, description, effect, enabled, conditions }: Policy): Draft {
  const { kinds: about = [], times = {}, ...rest } = conditions ?? {}
  return {
    name,
    description: description ?? '',
    effect,
    enabled,
    lines: Object.fromEntries(lines.map(each => [each, (rest[each] ?? []).join(' ')])) as Draft['lines'],
    kinds: about,
    days: times.days ?? [],
    from: times.from ?? '',
    until: times.until ?? '',
    hoursFrom: times.hours?.from ?? '',
    hoursUntil: times.hours?.until ?? '',
    zone: times.zone ?? '',
  }
}

/** Whether a change is made that locks out, because it is meant. */
export function forcedBy ({ field }: Submission): { force?: true } {
  return field('force') === 'yes' ? { force: true } : {}
}

/** As the API takes it: what is empty is no condition. */
export function bodyOf (draft: Draft) {
  const { name, description, effect, enabled } = draft
  return {
    name, description: description === '' ? null : description, effect, enabled, conditions: conditionsOf(draft)
  }
}

function conditionsOf ({ lines: texts, kinds: about, days: on, from, until, hoursFrom, hoursUntil, zone }: Draft) {
  const lists = [
    ...lines.map(name => [name, texts[name].split(/[\s,]+/).filter(Boolean)] as const), ['kinds', about] as const
  ].filter(([, list]) => list.length > 0)
  const times = {
    ...(from === '' ? {} : { from }),
    ...(until === '' ? {} : { until }),
    ...(on.length === 0 ? {} : { days: on }),
    ...(hoursFrom + hoursUntil === '' ? {} : { hours: { from: hoursFrom, until: hoursUntil } }),
    ...(zone === '' ? {} : { zone }),
  }
  return { ...Object.fromEntries(lists), ...(Object.keys(times).length === 0 ? {} : { times }) }
}
