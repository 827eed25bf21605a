/** Rules of a trusted issuer: their table, one more, and the end of one. */
import { html } from 'ghtml'
import type { ApiRefusal } from '../api.ts'
import { alertOf, problemAt, problemIn } from '../draft.ts'
import { codes, selectField, textField } from '../elements.ts'
import { endingAt } from '../ending.ts'
import type { Screen } from '../frame.ts'
import { listOf, type Listing } from '../list.ts'
import { attemptField } from '../shown-once.ts'
import type { Dashboard, Outcome, Submission, Visit } from '../visit.ts'
import { apiPathOf, issuersPath, wayTo, type Issuer, type Rule } from './issuer.ts'

export function ruleTable (issuer: Issuer, rules: Listing<Rule>, after: string, mayWrite: boolean): string {
  return listOf<Rule>({
    caption: 'Rules',
    nouns: ['rule', 'rules'],
    path: `${issuersPath}/${issuer.id}`,
    filter: {},
    after,
    columns: [
      { name: 'Name', cell: ({ name }) => html`<bdi>${name}</bdi>` },
      {
        name: 'Claims',
        cell: ({ claims }) =>
          html`!${claims.map(({ claim, value }) => html`<code class="bare">${claim} = ${value}</code><br>`)}`
      },
      { name: 'Acts as', cell: ({ client }) => html`${client ?? 'itself'}` },
      { name: 'Gets', cell: ({ scopes }) => codes(scopes) },
    ],
    ...(mayWrite
      ? {
          actions: ({ id, name }: Rule) => {
            const path = `${issuersPath}/${issuer.id}/rules/${id}/delete`
            return html`<a href="${path}">Delete<span class="unseen"> ${name}</span></a>`
          }
        }
      : {}),
    empty: 'No rule yet: its workloads get nothing.',
  }, rules)
}

interface Named { clientId: string, name: string }

const fields = ['name', 'claims', 'resource', 'scopes']

export async function ruleScreen (visit: Visit): Promise<Screen> {
  return await adding(visit, () => '', null)
}

export async function mendedRule (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  return await adding(submission, submission.field, refusal)
}

async function adding (
  visit: Pick<Visit, 'api' | 'parameter'>, field: (name: string) => string, refusal: ApiRefusal | null
): Promise<Screen> {
  const issuer = await visit.api.get<Issuer>(apiPathOf(visit))
  const clients = await visit.api.get<{ data: Named[] }>('/clients', { limit: 200, status: 'active' })
    .catch(() => ({ data: [] }))
  const problem = refusal === null ? null : problemIn(refusal)
  return {
    title: 'Add a rule',
    path: wayTo(issuer),
    place: issuersPath,
    lead: html`One of the claims is <code>${issuer.anchors.join(', ')}</code>: its tenants cannot choose these.`,
    content: html`<form class="panel" method="post" action="${issuersPath}/${issuer.id}/rules">!${attemptField()}
!${alertOf(problem, fields)}
!${textField({
  name: 'name', label: 'Name', value: field('name'), required: true, problem: problemAt(problem, 'name')
})}
!${textField({
  name: 'claim',
  label: 'Claim',
  value: field('claim') || issuer.anchors[0] || '/sub',
  required: true,
  hint: 'A JSON Pointer: /sub, /kubernetes.io/namespace.'
})}
!${textField({
  name: 'value',
  label: 'Value',
  value: field('value'),
  required: true,
  hint: 'The whole text, or its beginning up to : or / and *, as system:serviceaccount:prod:*',
  problem: problemAt(problem, 'claims')
})}
!${selectField({
  name: 'client',
  label: 'Acts as',
  options: [['', 'Itself'], ...clients.data.map(({ clientId, name }) => [clientId, name] as const)],
  chosen: field('client')
})}
!${textField({
  name: 'resource', label: 'API', value: field('resource'), required: true, problem: problemAt(problem, 'resource')
})}
!${textField({
  name: 'scopes',
  label: 'Scopes',
  value: field('scopes'),
  hint: 'Separated by spaces.',
  problem: problemAt(problem, 'scopes')
})}
<p class="actions"><button type="submit" class="primary">Add rule</button>
<a class="button" href="${issuersPath}/${issuer.id}">Cancel</a></p></form>`
  }
}

export async function addRule ({ api, field, parameter }: Submission): Promise<Outcome> {
  const issuer = parameter('id')
  const value = field('value').trim()
  const isPrefix = /[:/]\*$/.test(value)
  await api.change('POST', '/workload-rules', {
    idempotencyKey: field('attempt'),
    body: {
      issuer,
      name: field('name').trim(),
      claims: [{ claim: field('claim').trim(), value, ...(isPrefix && { separators: [':', '/'] }) }],
      client: field('client') || null,
      resource: field('resource').trim(),
      scopes: field('scopes').split(' ').filter(scope => scope !== ''),
    }
  })
  return { to: `${issuersPath}/${encodeURIComponent(issuer)}` }
}

export function endRuleAt (app: Dashboard): void {
  endingAt<{ issuer: Issuer, rule: Rule }>(app, '/trusted-issuers/:id/rules/:rule/delete', {
    place: issuersPath,
    verb: 'delete',
    takesReason: false,
    load: async asked => ({
      issuer: await asked.api.get<Issuer>(apiPathOf(asked)),
      rule: await asked.api.get<Rule>(`/workload-rules/${encodeURIComponent(asked.parameter('rule'))}`)
    }),
    about: ({ issuer, rule: { name } }) => ({
      name,
      title: `Delete ${name}`,
      path: wayTo(issuer),
      lead: 'From the next request on, on every server, the tokens that it gave are refused.',
      warning: 'Its workloads get no token any more.',
      button: 'Delete rule',
      keep: `${issuersPath}/${issuer.id}`,
    }),
    end: async ({ api }, { issuer, rule }) => {
      await api.change('DELETE', `/workload-rules/${rule.id}`)
      return { to: `${issuersPath}/${issuer.id}` }
    },
  })
}
