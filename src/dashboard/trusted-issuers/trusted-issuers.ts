/** The screens of trusted issuers: the list, trust in a platform, one issuer with its rules, and their end. */
import { html } from 'ghtml'
import { may, type ApiRefusal } from '../api.ts'
import { alertOf, problemAt, problemIn } from '../draft.ts'
import { dayOf, facts, selectField, textArea, textField } from '../elements.ts'
import { endingAt } from '../ending.ts'
import type { Screen } from '../frame.ts'
import { listOf, pageSize, type Column, type Listing } from '../list.ts'
import { attemptField } from '../shown-once.ts'
import { formAt, screenAt, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'
import { attempt, attemptForm } from './attempt.ts'
import { apiPathOf, issuersPath, way, type Issuer, type Rule } from './issuer.ts'
import { addRule, endRuleAt, mendedRule, ruleScreen, ruleTable } from './rules.ts'

const empty = `No issuer is trusted yet. A workload of a trusted platform gets tokens by the identity that it has there:
there is no secret to store.`

export function trustedIssuerScreens (app: Dashboard): void {
  screenAt(app, '/trusted-issuers', listScreen)
  screenAt(app, '/trusted-issuers/new', visit => creationScreen(visit, null))
  formAt(app, '/trusted-issuers', create, (sent, refusal) => creationScreen(sent, refusal))
  formAt(app, '/trusted-issuers/try', attempt)
  screenAt(app, '/trusted-issuers/:id', issuerScreen)
  screenAt(app, '/trusted-issuers/:id/rules/new', ruleScreen)
  formAt(app, '/trusted-issuers/:id/rules', addRule, mendedRule)
  endRuleAt(app)
  endingAt<Issuer>(app, '/trusted-issuers/:id/delete', {
    place: issuersPath,
    verb: 'delete',
    takesReason: false,
    load: async asked => await asked.api.get(apiPathOf(asked)),
    about: ({ id, name }) => ({
      name,
      title: `Delete ${name}`,
      path: way,
      lead: 'From the next request on, on every server, the tokens of its workloads are refused.',
      warning: 'Its rules go with it. Its workloads get no token any more.',
      button: 'Delete issuer',
      keep: `${issuersPath}/${id}`,
    }),
    end: async (submission, { id }) => {
      await submission.api.change('DELETE', `/trusted-issuers/${id}`)
      return { to: issuersPath }
    },
  })
}

const columns: Column<Issuer>[] = [
  { name: 'Name', cell: ({ id, name }) => html`<a href="${issuersPath}/${id}"><bdi>${name}</bdi></a>` },
  { name: 'Issuer', cell: ({ issuer }) => html`<code class="bare">${issuer}</code>` },
  { name: 'Platform', cell: ({ preset, profile }) => html`${profile === 'id-jag' ? 'ID-JAG' : preset}` },
  { name: 'Trusted', cell: ({ createdAt }) => dayOf(createdAt) },
]

async function listScreen ({ api, me, query }: Visit): Promise<Screen> {
  const after = query('after')
  const listing = await api.get<Listing<Issuer>>('/trusted-issuers', { limit: pageSize, cursor: after || undefined })
  return {
    title: 'Trusted issuers',
    path: [],
    place: issuersPath,
    lead: 'Platforms whose workloads get tokens by the identity that they have there.',
    ...(may(me, 'trusted-issuers:write')
      ? { action: html`<a class="button primary" href="${issuersPath}/new">Trust an issuer</a>` }
      : {}),
    content: html`!${listOf<Issuer>({
  caption: 'Trusted issuers', nouns: ['issuer', 'issuers'], path: issuersPath, filter: {}, after, columns, empty,
}, listing)}
!${listing.data.length === 0 ? '' : attemptForm()}`
  }
}

interface Preset { name: string, issuer: string | null }

const fields = ['name', 'issuer', 'jwks', 'jwksUri', 'audiences']

async function creationScreen (visit: Visit | Submission, refusal: ApiRefusal | null): Promise<Screen> {
  const field = 'field' in visit ? visit.field : () => ''
  const { data: presets } = await visit.api.get<{ data: Preset[] }>('/trusted-issuer-presets')
  const problem = refusal === null ? null : problemIn(refusal)
  return {
    title: 'Trust an issuer',
    path: way,
    place: issuersPath,
    lead: 'Its workloads get nothing until a rule says what.',
    content: html`<form class="panel" method="post" action="${issuersPath}">!${attemptField()}
!${alertOf(problem, fields)}
!${textField({
  name: 'name', label: 'Name', value: field('name'), required: true, problem: problemAt(problem, 'name')
})}
!${selectField({
  name: 'preset',
  label: 'Platform',
  options: presets.map(({ name, issuer }) => [name, issuer === null ? name : `${name} (${issuer})`] as const),
  chosen: field('preset') || 'kubernetes'
})}
!${textField({
  name: 'issuer',
  label: 'Issuer',
  value: field('issuer'),
  hint: 'The iss of its tokens. Empty: that of the platform. A trust domain of SPIFFE: spiffe://prod.acme.test',
  problem: problemAt(problem, 'issuer')
})}
!${textArea({
  name: 'jwks',
  label: 'Keys',
  value: field('jwks'),
  hint: 'A JWK Set or a SPIFFE bundle. Empty: its discovery document says where they are.',
  problem: problemAt(problem, 'jwks')
})}
!${textField({
  name: 'jwksUri', label: 'URL of its keys', value: field('jwksUri'), problem: problemAt(problem, 'jwksUri')
})}
<p class="actions"><button type="submit" class="primary">Trust issuer</button>
<a class="button" href="${issuersPath}">Cancel</a></p></form>`
  }
}

async function create ({ api, me, field }: Submission): Promise<Outcome> {
  const optional = (name: string) => field(name).trim() || undefined
  const jwks = optional('jwks')
  const made = await api.change<Issuer>('POST', '/trusted-issuers', {
    idempotencyKey: field('attempt'),
    body: {
      organization: me.member.organization,
      name: field('name').trim(),
      preset: field('preset'),
      issuer: optional('issuer'),
      jwksUri: optional('jwksUri'),
      jwks: jwks === undefined ? undefined : parsed(jwks),
    }
  })
  return { to: `${issuersPath}/${made.id}` }
}

/** What is no JSON object, the API refuses in its own words. */
function parsed (text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}

async function issuerScreen (visit: Visit): Promise<Screen> {
  const { api, me, query } = visit
  const issuer = await api.get<Issuer>(apiPathOf(visit))
  const after = query('after')
  const rules = await api.get<Listing<Rule>>('/workload-rules', {
    limit: pageSize, issuer: issuer.id, cursor: after || undefined
  })
  const mayWrite = may(me, 'trusted-issuers:write')
  const hasRules = issuer.profile === 'workload'
  return {
    title: issuer.name,
    path: way,
    place: issuersPath,
    ...(mayWrite && hasRules
      ? { action: html`<a class="button primary" href="${issuersPath}/${issuer.id}/rules/new">Add a rule</a>` }
      : {}),
    content: html`!${facts([
  ['Issuer', html`<code>${issuer.issuer}</code>`],
  ['Audience of its tokens', html`<code>${issuer.audience}</code>`],
  ['Keys', html`${issuer.jwksUri ?? (issuer.keys === 'inline' ? 'kept here' : 'by its discovery document')}`],
  ['Algorithms', html`${issuer.algorithms.join(', ')}`],
  ['Longest life of a token', html`${issuer.maxAge} seconds`],
  ['Each jti', html`${issuer.singleUse ? 'once' : 'again and again'}`],
])}
!${hasRules
? html`<h2>Rules</h2>
!${ruleTable(issuer, rules, after, mayWrite)}`
: ''}
!${attemptForm()}
!${mayWrite
? html`<p class="actions"><a class="button" href="${issuersPath}/${issuer.id}/delete">Delete issuer</a></p>`
: ''}`
  }
}
