/** The scopes that an API declares: their table, more of them, their descriptions, and the end of one. */
import { html } from 'ghtml'
import { ApiRefusal } from '../api.ts'
import type { Ending } from '../ending.ts'
import type { Outcome, Submission } from '../visit.ts'
import { apiPathOf, apis, ownPage, wayTo, type Declared, type Kind } from './declared-api.ts'

type Scope = Declared['scopes'][number]

/** A scope as a request names it: those of MCP servers are never for API keys alone. */
interface GivenScope { name: string, description: string | null, keyOnly?: boolean }

/** Rows for new scopes in a form. */
const newRows = 3

/**
 * Rows of fields. A scope in `known` keeps its name, because to rename it would be to end it. `path`: the page of what
 * declares them.
 */
export function scopeFields (
  kind: Kind, scopes: readonly Scope[], path: string, known: ReadonlySet<string> = new Set()
): string {
  const pathOf = (scope: Scope | null) => scope !== null && known.has(scope.name) ? path : null
  const rows = [...scopes, ...Array.from({ length: newRows }, () => null)]
  return html`<fieldset class="field wide"><legend>Scopes</legend>
<p class="hint">What a caller may do, such as <code>invoices:read</code>. People that are asked for consent read the
description. A row without a name counts for nothing.</p>
!${rows.map((scope, index) => rowOf(kind, scope, index, pathOf(scope)))}</fieldset>`
}

/** `path`: of the page of a scope that there is; null: the scope is new. */
function rowOf (kind: Kind, scope: Scope | null, index: number, path: string | null): string {
  const number = index + 1
  return html`<div class="scope-row">
!${scope === null || path === null
? html`<input type="text" name="scope" aria-label="Name of scope ${number}" placeholder="name" value="${
  scope?.name ?? ''}">`
: html`<input type="hidden" name="scope" value="${scope.name}"><code>${scope.name}</code>`}
<input type="text" name="description" aria-label="Description of ${path === null ? `scope ${number}` : scope!.name}"
 placeholder="description" value="${scope?.description ?? ''}">
!${kind === apis
? html`<label class="choice"><input type="checkbox" name="key-only" value="${index}"!${
  scope?.keyOnly === true ? ' checked' : ''}> <span>Keys only</span></label>`
: ''}!${scope === null || path === null
? ''
: html`<a href="${path}/scopes/remove?scope=${encodeURIComponent(scope.name)}">Remove<span class="unseen">
${scope.name}</span></a>`}</div>
`
}

/** The scopes of a form. */
export function scopesOf (kind: Kind, { fields }: Submission): GivenScope[] {
  const [names, descriptions, keyOnly] = [fields('scope'), fields('description'), new Set(fields('key-only'))]
  return names.flatMap((text, index) => {
    const name = text.trim()
    const description = (descriptions[index] ?? '').trim()
    if (name === '') return []
    return {
      name,
      description: description === '' ? null : description,
      ...(kind === apis ? { keyOnly: keyOnly.has(String(index)) } : {}),
    }
  })
}

/** `sent`: what was typed and not taken; null: nothing. */
export function scopesPanel (kind: Kind, { scopes, id }: Declared, sent: Submission | null): string {
  const path = `${kind.path}/${id}`
  const typed = sent && scopesOf(kind, sent).map(scope => ({ keyOnly: false, ...scope }))
  const known = new Set(scopes.map(({ name }) => name))
  return html`<form class="panel" method="post" action="${path}/scopes">
!${scopeFields(kind, typed ?? scopes, path, known)}
<p class="actions"><button type="submit">Save scopes</button></p></form>`
}

/** The scopes for those that may not change them. */
export function scopesTold ({ scopes }: Declared): string {
  return html`<section class="panel"><h2>Scopes</h2>
!${scopes.length === 0 ? html`<p>None.</p>` : ''}
<ul class="scopes">!${scopes.map(({ name, description, keyOnly }) => html`<li><code>${name}</code>
${description ?? ''}!${keyOnly ? html` <small>API keys only</small>` : ''}</li>
`)}</ul></section>`
}

/**
 * Adds scopes and describes them. A scope that another change has declared meanwhile stays: a list without it would
 * end it for good.
 */
export async function saveScopes (kind: Kind, submission: Submission): Promise<Outcome> {
  const { record, etag } = await submission.api.read<Declared>(apiPathOf(kind, submission))
  const sent = new Map(scopesOf(kind, submission).map(scope => [scope.name, scope]))
  const kept = record.scopes.map(scope => sent.get(scope.name) ?? ownMembers(kind, scope))
  const known = new Set(record.scopes.map(({ name }) => name))
  const added = Array.from(sent.values()).filter(({ name }) => !known.has(name))
  await submission.api.change('PATCH', apiPathOf(kind, submission), {
    ifMatch: etag, body: { scopes: [...kept, ...added] }
  })
  return { to: ownPage(kind, submission) }
}

function ownMembers (kind: Kind, { name, description, keyOnly }: Scope): GivenScope {
  return { name, description, ...(kind === apis ? { keyOnly } : {}) }
}

/** The end of a scope, which the query names. */
export function removalOf (kind: Kind): Ending<{ record: Declared, etag: string }> {
  return {
    place: kind.path,
    verb: 'remove',
    takesReason: false,
    load: async asked => {
      const read = await asked.api.read<Declared>(apiPathOf(kind, asked))
      if (read.record.scopes.some(({ name }) => name === asked.query('scope'))) return read
      throw new ApiRefusal(404, { code: 'NOT_FOUND', error: `${read.record.name} has no such scope.` })
    },
    about: ({ record }, { query }) => ({
      name: query('scope'),
      title: `Remove ${query('scope')}`,
      path: wayTo(kind, record),
      lead: 'It is taken from every key, client and consent that has it.',
      warning: 'Callers that need it are refused from the next request on. Declared again, it is another scope, ' +
        'which no credential has.',
      button: 'Remove scope',
      keep: `${kind.path}/${record.id}`,
    }),
    end: async (submission, { record, etag }) => {
      const kept = record.scopes.filter(({ name }) => name !== submission.query('scope'))
      await submission.api.change('PATCH', apiPathOf(kind, submission), {
        ifMatch: etag, body: { scopes: kept.map(scope => ownMembers(kind, scope)) }
      })
      return { to: ownPage(kind, submission) }
    },
  }
}
