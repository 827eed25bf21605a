/** Rules of a trusted issuer: their table, one more, the change of one, and its end. */
import { html } from 'ghtml'
import type { ApiRefusal, ReadingApi } from '../api.ts'
import { refusedChange, stateField, type Problem } from '../draft.ts'
import { codes, selectField, textField } from '../elements.ts'
import { endingAt } from '../ending.ts'
import type { Screen } from '../frame.ts'
import { listOf, type Listing } from '../list.ts'
import { attemptField } from '../shown-once.ts'
import type { Dashboard, Outcome, Submission, Visit } from '../visit.ts'
import { apiPathOf, issuersPath, wayTo, type Issuer, type Rule } from './issuer.ts'
import { problemOf } from './issuer-form.ts'
import {
  apisFor, bodyOfRule, conditionText, draftOfRule, ruleFields, ruleSent, type RuleDraft
} from './rule-form.ts'

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
          html`!${claims.map(condition => html`<code class="bare">${conditionText(condition)}</code><br>`)}`
      },
      { name: 'Acts as', cell: ({ client }) => html`${client ?? 'itself'}` },
      { name: 'Gets', cell: ({ scopes }) => codes(scopes) },
    ],
    ...(mayWrite
      ? {
          actions: ({ id, name }: Rule) => {
            const path = `${issuersPath}/${issuer.id}/rules/${id}`
            return html`<a href="${path}/change">Change<span class="unseen"> ${name}</span></a>
<a href="${path}/delete">Delete<span class="unseen"> ${name}</span></a>`
          }
        }
      : {}),
    empty: 'No rule yet: its workloads get nothing.',
  }, rules)
}

interface Client { clientId: string, name: string }

const noRule: RuleDraft = { name: '', claims: [], resource: '', scopes: '' }

export async function ruleScreen (visit: Visit): Promise<Screen> {
  return await adding(visit, noRule, { client: '', forOrganization: '' }, null)
}

export async function mendedRule (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  return await adding(submission, ruleSent(submission), actorSent(submission), problemOf(refusal))
}

/** What a workload acts as; `client` '': itself, for the organization. */
interface ActsAs { client: string, forOrganization: string }

function actorSent ({ field }: Submission): ActsAs {
  return { client: field('client'), forOrganization: field('forOrganization').trim() }
}

async function adding (
  visit: Pick<Visit, 'api' | 'parameter'>, draft: RuleDraft, actsAs: ActsAs, problem: Problem | null
): Promise<Screen> {
  const issuer = await visit.api.get<Issuer>(apiPathOf(visit))
  const apis = await apisFor(visit.api, draft)
  const page = `${issuersPath}/${issuer.id}`
  return {
    title: 'Add a rule',
    path: wayTo(issuer),
    place: issuersPath,
    lead: html`One of the claims is <code>${issuer.anchors.join(', ')}</code>: its tenants cannot choose these.`,
    content: html`<form class="panel" method="post" action="${page}/rules">!${attemptField()}
!${ruleFields(issuer, draft, { apis, problem, more: await actorFields(visit.api, issuer, actsAs) })}
<p class="actions"><button type="submit" class="primary">Add rule</button>
<a class="button" href="${page}">Cancel</a></p></form>`
  }
}

/** An issuer of the deployment has no organization that its workloads act for: the rule says one. */
async function actorFields (
  api: ReadingApi, { organization }: Issuer, { client, forOrganization }: ActsAs
): Promise<string> {
  const clients = await api.get<{ data: Client[] }>('/clients', {
    limit: 200, status: 'active', organization: organization ?? undefined
  }).catch(() => ({ data: [] }))
  return html`!${selectField({
  name: 'client',
  label: 'Acts as',
  options: [['', 'Itself'], ...clients.data.map(({ clientId, name }) => [clientId, name] as const)],
  chosen: client
})}
!${organization === null
? textField({
  name: 'forOrganization',
  label: 'For the organization',
  value: forOrganization,
  hint: 'Its id, where it acts as itself.'
})
: ''}`
}

export async function addRule (submission: Submission): Promise<Outcome> {
  const { api, field, parameter } = submission
  const issuer = parameter('id')
  const { client, forOrganization } = actorSent(submission)
  await api.change('POST', '/workload-rules', {
    idempotencyKey: field('attempt'),
    body: {
      issuer,
      ...bodyOfRule(ruleSent(submission)),
      client: client || null,
      ...(forOrganization === '' ? {} : { forOrganization })
    }
  })
  return { to: `${issuersPath}/${encodeURIComponent(issuer)}` }
}

function rulePath ({ parameter }: Pick<Visit, 'parameter'>): string {
  return `/workload-rules/${encodeURIComponent(parameter('rule'))}`
}

export async function ruleChangeScreen (visit: Visit): Promise<Screen> {
  const { record: rule, etag } = await visit.api.read<Rule>(rulePath(visit))
  return await changing(visit, rule, { draft: draftOfRule(rule), etag, problem: null })
}

export async function changeRule (submission: Submission): Promise<Outcome> {
  const { api, field, parameter } = submission
  await api.change('PATCH', rulePath(submission), { ifMatch: field('etag'), body: bodyOfRule(ruleSent(submission)) })
  return { to: `${issuersPath}/${encodeURIComponent(parameter('id'))}` }
}

export async function mendedRuleChange (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  const { api, field } = submission
  const [issuer, rule] = await Promise.all([
    api.get<Issuer>(apiPathOf(submission)), api.get<Rule>(rulePath(submission))
  ])
  const [now, sent] = [draftOfRule(rule), ruleSent(submission)]
  const claims = (draft: RuleDraft) => draft.claims.map(conditionText).join(', ')
  return await refusedChange(refusal, {
    around: { path: wayTo(issuer), place: issuersPath },
    page: `${issuersPath}/${issuer.id}/rules/${rule.id}/change`,
    values: [
      { name: 'Name', now: now.name, sent: sent.name },
      { name: 'Claims', now: claims(now), sent: claims(sent) },
      { name: 'API', now: now.resource, sent: sent.resource },
      { name: 'Scopes', now: now.scopes, sent: sent.scopes }
    ],
    again: () => changing(submission, rule, { draft: sent, etag: field('etag'), problem: problemOf(refusal) })
  })
}

async function changing (
  visit: Pick<Visit, 'api' | 'parameter'>, { id, name, client }: Rule,
  { draft, etag, problem }: { draft: RuleDraft, etag: string, problem: Problem | null }
): Promise<Screen> {
  const issuer = await visit.api.get<Issuer>(apiPathOf(visit))
  const apis = await apisFor(visit.api, draft)
  const page = `${issuersPath}/${issuer.id}`
  return {
    title: `Change ${name}`,
    path: wayTo(issuer),
    place: issuersPath,
    lead: 'From the next request on, on every server, the tokens that it gave are refused: its workloads ask again.',
    content: html`<form class="panel" method="post" action="${page}/rules/${id}/change">!${stateField(etag)}
!${ruleFields(issuer, draft, {
  apis, problem, more: html`<p>Acts as <code>${client ?? 'itself'}</code>: another needs a rule of its own.</p>`
})}
<p class="actions"><button type="submit" class="primary">Change rule</button>
<a class="button" href="${page}">Cancel</a></p></form>`
  }
}

export function endRuleAt (app: Dashboard): void {
  endingAt<{ issuer: Issuer, rule: Rule }>(app, '/trusted-issuers/:id/rules/:rule/delete', {
    place: issuersPath,
    verb: 'delete',
    takesReason: false,
    load: async asked => ({
      issuer: await asked.api.get<Issuer>(apiPathOf(asked)), rule: await asked.api.get<Rule>(rulePath(asked))
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
