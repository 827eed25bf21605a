/** Declaring an API or an MCP server. */
import { html } from 'ghtml'
import { newSecret } from '../../secrets/random.ts'
import type { ApiRefusal } from '../api.ts'
import { textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { attemptField } from '../shown-once.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { apis, mcpServers, type Declared, type Kind } from './declared-api.ts'
import { scopeFields, scopesOf } from './scopes.ts'
import { styleField } from './style.ts'

interface Draft {
  identifier: string
  name: string
  style: string
  scopes: Declared['scopes']
  attempt: string
  problem: { field: string, message: string } | null
}

const hints = new Map([
  [apis, 'The address of the API, such as https://api.example.com. It stands in every token and cannot be changed.'],
  [mcpServers, 'The URL that clients connect to, such as https://mcp.example.com/mcp. It cannot be changed.'],
])

export async function creationScreen (kind: Kind, _visit: Visit): Promise<Screen> {
  return form(kind, { identifier: '', name: '', style: 'rfc9457', scopes: [], attempt: newSecret(), problem: null })
}

export async function mended (kind: Kind, submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  const { field } = submission
  const named = refusal.details.field
  return form(kind, {
    identifier: field('identifier'),
    name: field('name'),
    style: field('style'),
    scopes: scopesOf(kind, submission).map(scope => ({ keyOnly: false, ...scope })),
    attempt: field('attempt'),
    problem: { field: typeof named === 'string' ? named : '', message: refusal.message },
  })
}

export async function create (kind: Kind, submission: Submission): Promise<Outcome> {
  const { api, field, me } = submission
  const name = field('name').trim()
  const { id } = await api.change<Declared>('POST', kind.collection, {
    idempotencyKey: field('attempt'),
    body: {
      organization: me.member.organization,
      identifier: field('identifier').trim(),
      ...(name === '' ? {} : { name }),
      ...(kind === apis ? { style: field('style') } : {}),
      scopes: scopesOf(kind, submission),
    }
  })
  return { to: `${kind.path}/${id}` }
}

function form (kind: Kind, draft: Draft): Screen {
  const { problem } = draft
  const problemAt = (name: string) => problem?.field === name ? problem.message : null
  const [noun] = kind.nouns
  return {
    title: `Declare ${noun}`,
    path: [{ name: kind.title, href: kind.path }],
    place: kind.path,
    content: html`<form class="panel" method="post" action="${kind.path}">
!${problem === null || ['identifier', 'name'].includes(problem.field)
? ''
: html`<p class="alert" role="alert">${problem.message}</p>`}
!${attemptField(draft.attempt)}
!${textField({
  name: 'identifier',
  label: kind === apis ? 'Address' : 'URL',
  value: draft.identifier,
  required: true,
  hint: hints.get(kind)!,
  problem: problemAt('identifier'),
})}
!${textField({ name: 'name', label: 'Name (optional)', value: draft.name, problem: problemAt('name') })}
!${kind === apis ? styleField(draft.style) : ''}
!${scopeFields(kind, draft.scopes, '')}
<p class="actions"><button type="submit" class="primary">Declare ${noun}</button>
<a class="button" href="${kind.path}">Cancel</a></p></form>`
  }
}
