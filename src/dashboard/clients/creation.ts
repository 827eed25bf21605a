/** Making a client that asks for tokens for itself: the form, and its id and secret, shown once. */
import { html } from 'ghtml'
import { newSecret } from '../../secrets/random.ts'
import type { ApiRefusal } from '../api.ts'
import { grantFields, grantsOf, guardPreset, offeredTo, presets, type OfferedApis } from '../apis/grants.ts'
import { alertOf, problemAt, type Problem } from '../draft.ts'
import { choices, textArea, textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { attemptField, shownOnce } from '../shown-once.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { clientsPath, clientsWay, pageOf, type Client } from './client.ts'
import { tokenCommand } from './token-command.ts'

type Made = Client & { clientSecret?: string }

/** What was typed into the form, and what is wrong with it. */
interface Draft {
  name: string
  access: string
  resource: string
  /** Resources and scopes, a space between them. */
  grants: readonly string[]
  method: string
  jwks: string
  addresses: string
  /** The same for each attempt to send one form. */
  attempt: string
  problem: Problem | null
}

const methods = [
  { value: 'client_secret_basic', label: 'A secret', hint: 'Made here and shown once. Every OAuth library takes it.' },
  { value: 'private_key_jwt', label: 'Its own key', hint: 'You give the public half; nothing secret is shown here.' },
]

export async function creationScreen ({ api, query }: Visit): Promise<Screen> {
  return form(await offeredTo(api), {
    name: '',
    access: query('access') || 'read',
    resource: query('resource'),
    grants: [],
    method: 'client_secret_basic',
    jwks: '',
    addresses: '',
    attempt: newSecret(),
    problem: null,
  })
}

function draftOf ({ field, fields }: Submission): Draft {
  return {
    name: field('name'),
    access: field('access'),
    resource: field('resource').trim(),
    grants: fields('grant'),
    method: field('method'),
    jwks: field('jwks'),
    addresses: field('addresses'),
    attempt: field('attempt'),
    problem: null,
  }
}

/** Fields of the API and those of the form. */
const ownFields: Readonly<Record<string, string>> = { allowlist: 'addresses' }

/** The same form, with what was typed and the sentence of the API at its field. */
export async function mended (submission: Submission, { message, details }: ApiRefusal): Promise<Screen> {
  const field = typeof details.field === 'string' ? details.field.split('.', 1)[0]! : ''
  const problem = { field: ownFields[field] ?? field, message }
  const draft = draftOf(submission)
  return form(await offeredTo(submission.api, [draft.resource, ...draft.grants]), { ...draft, problem })
}

export async function createClient (submission: Submission): Promise<Outcome> {
  const { api, me } = submission
  const draft = draftOf(submission)
  const offered = await offeredTo(api, [draft.resource, ...draft.grants])
  const refused = (field: string, message: string): Outcome =>
    ({ screen: form(offered, { ...draft, problem: { field, message } }), status: 422 })
  const grants = grantsOf(offered, draft)
  if (grants.length === 0 && draft.access !== 'guard') {
    return refused('grants', 'Choose at least one scope: without any, it could get no token.')
  }
  const jwks = draft.method === 'private_key_jwt' ? readKeys(draft.jwks) : undefined
  if (jwks === null) return refused('jwks', 'Paste a JSON Web Key Set: {"keys": [{"kty": …}]}.')
  const made = await api.change<Made>('POST', '/clients', {
    idempotencyKey: draft.attempt,
    body: {
      organization: me.member.organization,
      name: draft.name,
      grants,
      ...(draft.access === 'guard' ? { introspects: [draft.resource] } : {}),
      tokenEndpointAuthMethod: draft.method,
      allowlist: draft.addresses.split(/[\s,]+/).filter(Boolean),
      ...(jwks === undefined ? {} : { jwks }),
    }
  })
  return { screen: clientShownOnce(made, submission.issuer, draft.attempt), status: 201 }
}

/** Null: it is no key set. */
function readKeys (text: string): object | null {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && 'keys' in value ? value : null
  } catch {
    return null
  }
}

/** The answer to a creation, or to a new secret. */
export function clientShownOnce (client: Made, issuer: string, attempt: string): Screen {
  const { clientId, name, clientSecret } = client
  return shownOnce({
    noun: clientSecret === undefined ? 'client id' : 'secret',
    path: clientsWay,
    place: clientsPath,
    values: [
      { label: `Client id of ${name}`, text: clientId },
      ...(clientSecret === undefined ? [] : [{ label: `Secret of ${name}`, text: clientSecret }]),
    ],
    use: html`<p>Ask for a token, and send it as <code>Authorization: Bearer</code>:</p>
<pre tabindex="0">${tokenCommand(client, issuer)}</pre>`,
    attempt,
    next: pageOf(client),
  })
}

function form (offered: OfferedApis, draft: Draft): Screen {
  const { problem } = draft
  const known = ['name', 'addresses', 'jwks']
  return {
    title: 'Create client',
    path: clientsWay,
    place: clientsPath,
    lead: 'For one program that acts for itself. Its secret is shown once, right after this.',
    content: html`<form class="panel" method="post" action="${clientsPath}">
!${alertOf(problem, known)}
!${attemptField(draft.attempt)}
!${textField({
  name: 'name',
  label: 'Name',
  value: draft.name,
  required: true,
  hint: 'The program that will use it.',
  problem: problemAt(problem, 'name'),
})}
!${grantFields(offered, draft, [...presets, guardPreset])}
!${choices('It proves itself by', 'method', methods, draft.method)}
!${textArea({
  name: 'jwks',
  label: 'Public keys (only for its own key)',
  value: draft.jwks,
  hint: 'A JSON Web Key Set. The private half stays with the program.',
  problem: problemAt(problem, 'jwks'),
})}
!${textField({
  name: 'addresses',
  label: 'Addresses (optional)',
  value: draft.addresses,
  problem: problemAt(problem, 'addresses'),
  hint: 'From where it may be used: addresses and ranges, such as 203.0.113.0/24. Empty: from everywhere.',
})}
<p class="actions"><button type="submit" class="primary">Create client</button>
<a class="button" href="${clientsPath}">Cancel</a></p></form>`
  }
}
