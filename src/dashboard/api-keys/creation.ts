/** Making an API key: the form, and the key, shown once. */
import { html } from 'ghtml'
import { newSecret } from '../../secrets/random.ts'
import type { ApiRefusal } from '../api.ts'
import { offeredTo, resourceField, scopeFields, type OfferedApis } from '../apis/grants.ts'
import { alertOf, problemAt, type Problem } from '../draft.ts'
import { choices, endOfDayAfter, textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { attemptField } from '../shown-once.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import type { ApiKey } from './api-key.ts'
import { keysPath } from './list.ts'
import { keyShownOnce } from './shown-once.ts'

/** What was typed into the form, and what is wrong with it. */
interface Draft {
  name: string
  resource: string
  environment: string
  access: string
  /** With custom access: resources and scopes, a space between them. */
  grants: readonly string[]
  expiry: string
  addresses: string
  /** The same for each attempt to send one form. */
  attempt: string
  problem: Problem | null
}

const levels = [
  { value: 'full', label: 'Full', hint: 'Whatever you may do yourself, now and later, and never more.' },
  { value: 'read-only', label: 'Read only', hint: 'Reads everything you may read.' },
  { value: 'custom', label: 'Custom', hint: 'Only the scopes of the API that are ticked below.' },
]

const environments = [
  { value: 'live', label: 'Live', hint: 'For programs that do real work.' },
  { value: 'test', label: 'Test', hint: 'For trying things out, with limits of its own.' },
]

const expiries = [
  { value: '30', label: '30 days' }, { value: '90', label: '90 days' }, { value: '365', label: 'One year' },
  { value: '', label: 'Never' },
]

export async function creationScreen ({ api }: Visit): Promise<Screen> {
  return form(await offeredTo(api), {
    name: '',
    resource: '',
    environment: 'live',
    access: 'read-only',
    grants: [],
    expiry: '90',
    addresses: '',
    attempt: newSecret(),
    problem: null
  })
}

function draftOf ({ field, fields }: Submission): Draft {
  return {
    name: field('name'),
    resource: field('resource').trim(),
    environment: field('environment'),
    access: field('access'),
    grants: fields('grant'),
    expiry: field('expiry'),
    addresses: field('addresses'),
    attempt: field('attempt'),
    problem: null
  }
}

async function offeredFor ({ api }: Submission, { resource, grants }: Draft): Promise<OfferedApis> {
  return await offeredTo(api, [resource, ...grants])
}

/** The same form, with what was typed and the sentence of the API at its field. */
export async function mended (submission: Submission, { message, details }: ApiRefusal): Promise<Screen> {
  const draft = draftOf(submission)
  const field = typeof details.field === 'string' ? details.field : ''
  const problem = { field: field === 'allowlist' ? 'addresses' : field, message }
  return form(await offeredFor(submission, draft), { ...draft, problem })
}

export async function createKey (submission: Submission): Promise<Outcome> {
  const draft = draftOf(submission)
  const { name, resource, environment, access, expiry, attempt } = draft
  const scopes = scopesFor(draft)
  if (access === 'custom' && scopes.length === 0) {
    const message = 'Choose at least one scope of the API above: without any, the key could do nothing.'
    const screen = form(await offeredFor(submission, draft), { ...draft, problem: { field: 'scopes', message } })
    return { screen, status: 422 }
  }
  const made = await submission.api.change<ApiKey & { key: string }>('POST', '/api-keys', {
    idempotencyKey: attempt,
    body: {
      organization: submission.me.member.organization,
      name,
      resource,
      environment,
      access,
      ...(access === 'custom' ? { scopes } : {}),
      allowlist: draft.addresses.split(/[\s,]+/).filter(Boolean),
      ...(expiry === '' ? {} : { expiresAt: endOfDayAfter(submission.now, Number(expiry)) }),
    }
  })
  return { screen: await keyShownOnce(submission, made, attempt), status: 201 }
}

/** The ticked scopes of the API that was chosen. */
function scopesFor ({ resource, grants }: Draft): string[] {
  const start = `${resource} `
  return grants.filter(grant => grant.startsWith(start)).map(grant => grant.slice(start.length))
}

function form (offered: OfferedApis, draft: Draft): Screen {
  const { problem } = draft
  const known = ['name', 'addresses']
  return {
    title: 'Create API key',
    path: [{ name: 'API keys', href: keysPath }],
    place: keysPath,
    content: html`<form class="panel" method="post" action="${keysPath}">
!${alertOf(problem, known)}
!${attemptField(draft.attempt)}
!${textField({
  name: 'name',
label: 'Name',
value: draft.name,
required: true,
hint: 'The program that will use it.',
  problem: problemAt(problem, 'name')
})}
!${resourceField(offered, draft.resource)}
!${choices('Environment', 'environment', environments, draft.environment)}
!${choices('Access', 'access', levels, draft.access)}
!${scopeFields(offered.resources, new Set(draft.grants))}
!${choices('Expires after', 'expiry', expiries, draft.expiry)}
!${textField({
  name: 'addresses',
label: 'Addresses (optional)',
value: draft.addresses,
problem: problemAt(problem, 'addresses'),
  hint: 'From where it may be used: addresses and ranges, such as 203.0.113.0/24. Empty: from everywhere.'
})}
<p class="actions"><button type="submit" class="primary">Create API key</button>
<a class="button" href="${keysPath}">Cancel</a></p></form>`
  }
}
