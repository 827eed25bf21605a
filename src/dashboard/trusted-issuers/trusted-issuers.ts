/** The screens of trusted issuers: the list, one issuer with its rules, their changes and their end. */
import { html } from 'ghtml'
import { may } from '../api.ts'
import { eventWords } from '../audit/words.ts'
import { codes, dayOf, facts } from '../elements.ts'
import { endingAt } from '../ending.ts'
import type { Screen } from '../frame.ts'
import { historyOf } from '../history.ts'
import { listOf, pageSize, type Column, type Listing } from '../list.ts'
import { formAt, screenAt, type Dashboard, type Visit } from '../visit.ts'
import { attempt, attemptForm } from './attempt.ts'
import { apiPathOf, issuersPath, way, type Issuer, type Rule } from './issuer.ts'
import { change, changeScreen, create, creationScreen, mendedChange, mendedCreation } from './issuer-change.ts'
import {
  addRule, changeRule, endRuleAt, mendedRule, mendedRuleChange, ruleChangeScreen, ruleScreen, ruleTable
} from './rules.ts'

const empty = `No issuer is trusted yet. A workload of a trusted platform gets tokens by the identity that it has there:
there is no secret to store.`

export function trustedIssuerScreens (app: Dashboard): void {
  screenAt(app, '/trusted-issuers', listScreen)
  screenAt(app, '/trusted-issuers/new', creationScreen)
  formAt(app, '/trusted-issuers', create, mendedCreation)
  formAt(app, '/trusted-issuers/try', attempt)
  screenAt(app, '/trusted-issuers/:id', issuerScreen)
  screenAt(app, '/trusted-issuers/:id/change', changeScreen)
  formAt(app, '/trusted-issuers/:id/change', change, mendedChange)
  screenAt(app, '/trusted-issuers/:id/rules/new', ruleScreen)
  formAt(app, '/trusted-issuers/:id/rules', addRule, mendedRule)
  screenAt(app, '/trusted-issuers/:id/rules/:rule/change', ruleChangeScreen)
  formAt(app, '/trusted-issuers/:id/rules/:rule/change', changeRule, mendedRuleChange)
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

async function issuerScreen (visit: Visit): Promise<Screen> {
  const { api, me, query } = visit
  const issuer = await api.get<Issuer>(apiPathOf(visit))
  const { id, name, profile } = issuer
  const after = query('after')
  const [rules, history] = await Promise.all([
    api.get<Listing<Rule>>('/workload-rules', { limit: pageSize, issuer: id, cursor: after || undefined }),
    historyOf(visit, id, eventWords)
  ])
  const mayWrite = may(me, 'trusted-issuers:write')
  const hasRules = profile === 'workload'
  const page = `${issuersPath}/${id}`
  return {
    title: name,
    path: way,
    place: issuersPath,
    ...(mayWrite
      ? {
          action: html`<div class="actions"><a class="button" href="${page}/change">Change</a>
<a class="button danger" href="${page}/delete">Delete issuer</a>
!${hasRules ? html`<a class="button primary" href="${page}/rules/new">Add a rule</a>` : ''}</div>`
        }
      : {}),
    content: html`!${settingsOf(issuer)}
!${hasRules
? html`<h2>Rules</h2>
!${ruleTable(issuer, rules, after, mayWrite)}`
: ''}
!${attemptForm()}
!${history}`
  }
}

/** Whether its cluster is asked; only one of Kubernetes can be. */
function reviewOf ({ preset, profile, tokenReview: review }: Issuer): [name: string, value: string][] {
  if (preset !== 'kubernetes' || profile !== 'workload') return []
  const value = review === null
    ? 'no: the token of a deleted service account is taken until it expires'
    : html`before each token, at <code>${review.url}</code>, with the token that ends in <code>${review.hint}</code>`
  return [['Its cluster is asked', value]]
}

function settingsOf (shown: Issuer): string {
  const { profile, issuer, audience, audiences, jwksUri, keys, ca, algorithms, maxAge, singleUse, anchors } = shown
  const source = jwksUri ?? (keys === 'inline' ? 'kept here' : 'by its discovery document')
  return facts([
    ['Issuer', html`<code>${issuer}</code>`],
    ['Its tokens are of', profile === 'id-jag' ? 'people (ID-JAG)' : 'workloads'],
    ['Audience of its tokens', codes([audience, ...audiences])],
    ['Keys', html`${source}${ca === null ? '' : ', with an authority of its own'}`],
    ...reviewOf(shown),
    ['Algorithms', html`${algorithms.join(', ')}`],
    ['Longest life of a token', html`${maxAge} seconds`],
    ['Each token is taken', singleUse ? 'once' : 'again and again'],
    ...(profile === 'id-jag' ? [] : [['Claims that tenants cannot choose', codes(anchors)] as const])
  ])
}
