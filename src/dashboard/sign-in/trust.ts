/** Trust in an identity provider: given, changed, and taken back. */
import { html } from 'ghtml'
import type { ApiRefusal } from '../api.ts'
import { choiceField, choosable, chosenId, organizations } from '../choice.ts'
import { confirmationForm, problemOf } from '../confirmation.ts'
import { alertOf, problemAt, problemIn, refusedChange, stateField, type Problem } from '../draft.ts'
import { selectField, textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { attemptField } from '../shown-once.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { groupsOf, mappingFields, mappingIn, type Group, type Mapping } from './group-mapping.ts'
import { providersPath, signInPath } from './paths.ts'

/** A trusted provider, as the API answers it. */
export interface Trust {
  id: string
  organization: string
  provider: string
  joinsAs: string | null
  groupsClaim: string
  groupMapping: readonly { value: string, group: string }[]
  createdAt: string
}

const way = [{ name: 'Sign-in', href: providersPath }]

const joiners = [
  ['', 'Only the invited'], ['viewer', 'People of an own e-mail domain, as viewers'],
  ['member', 'People of an own e-mail domain, as members']
] as const

/** Who joins by a provider, in words. */
export function joining (joinsAs: string | null): string {
  return joiners.find(([role]) => role === (joinsAs ?? ''))?.[1] ?? `People of an own e-mail domain, as ${joinsAs}`
}

/** `mapping` null: the form has none. */
interface Draft { joinsAs: string, groupsClaim: string, mapping: Mapping | null }

function draftOf (submission: Submission): Draft {
  const { field } = submission
  return { joinsAs: field('joinsAs'), groupsClaim: field('groupsClaim').trim(), mapping: mappingIn(submission) }
}

function bodyOf ({ joinsAs, groupsClaim, mapping }: Draft) {
  return {
    joinsAs: joinsAs === '' ? null : joinsAs,
    ...(groupsClaim === '' ? {} : { groupsClaim }),
    ...(mapping === null ? {} : { groupMapping: mapping })
  }
}

function fieldsOf (
  { joinsAs, groupsClaim, mapping }: Draft, groups: readonly Group[], problem: Problem | null
): string {
  return html`!${alertOf(problem, ['groupsClaim'])}
!${selectField({ name: 'joinsAs', label: 'Who joins by it', options: joiners, chosen: joinsAs })}
!${textField({
  name: 'groupsClaim',
  label: 'Claim with groups',
  value: groupsClaim,
  hint: 'Its values become groups, where a mapping says so. Empty: groups.',
  problem: problemAt(problem, 'groupsClaim')
})}!${mapping === null ? '' : mappingFields(mapping, groups)}`
}

export async function trustingScreen (visit: Visit): Promise<Screen> {
  const sent = { provider: visit.query('provider'), organization: visit.me.member.organization }
  return await trusting(visit, sent, { joinsAs: '', groupsClaim: 'groups', mapping: null }, null)
}

export async function mended (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  const sent = { provider: submission.field('provider'), organization: organizationIn(submission) }
  return await trusting(submission, sent, draftOf(submission), problemIn(refusal))
}

function organizationIn ({ field, me }: Submission): string {
  return field('organization').trim() || me.member.organization
}

export async function trust (submission: Submission): Promise<Outcome> {
  const { api, field } = submission
  await api.change('POST', '/trusted-providers', {
    idempotencyKey: field('attempt'),
    body: {
      ...bodyOf(draftOf(submission)),
      provider: field('provider'),
      organization: await chosenId(api, organizations, organizationIn(submission))
    }
  })
  return { to: providersPath }
}

async function trusting (
  { api, me }: Pick<Visit, 'api' | 'me'>, { provider, organization }: { provider: string, organization: string },
  draft: Draft, problem: Problem | null
): Promise<Screen> {
  const choice = me.deployment ? await choosable(api, organizations) : null
  return {
    title: `Trust ${provider}`,
    path: way,
    place: signInPath,
    lead: 'It may say who the members of the organization are, and sign them in.',
    content: html`<form class="panel" method="post" action="${providersPath}">!${attemptField()}
<input type="hidden" name="provider" value="${provider}">
!${choice === null
? ''
: choiceField(organizations, choice, { name: 'organization', label: 'Organization', chosen: organization })}
!${fieldsOf(draft, [], problem)}
<p class="actions"><button type="submit" class="primary">Trust provider</button>
<a class="button" href="${providersPath}">Cancel</a></p></form>`
  }
}

function apiPathOf ({ parameter }: Pick<Visit, 'parameter'>): string {
  return `/trusted-providers/${encodeURIComponent(parameter('id'))}`
}

export async function changeScreen (visit: Visit): Promise<Screen> {
  const { record: trusted, etag } = await visit.api.read<Trust>(apiPathOf(visit))
  const groups = await groupsOf(visit, trusted.organization)
  const { joinsAs, groupsClaim, groupMapping } = trusted
  const draft = { joinsAs: joinsAs ?? '', groupsClaim, mapping: groups === null ? null : groupMapping }
  return changing(trusted, draft, groups ?? [], etag, null)
}

function changing (
  { id, provider }: Pick<Trust, 'id' | 'provider'>, draft: Draft, groups: readonly Group[], etag: string,
  problem: Problem | null
): Screen {
  return {
    title: `Trust in ${provider}`,
    path: way,
    place: signInPath,
    content: html`<form class="panel" method="post" action="${providersPath}/${id}">!${stateField(etag)}
!${fieldsOf(draft, groups, problem)}
<p class="actions"><button type="submit" class="primary">Save</button>
<a class="button" href="${providersPath}">Cancel</a></p></form>`
  }
}

export async function change (submission: Submission): Promise<Outcome> {
  await submission.api.change('PATCH', apiPathOf(submission), {
    ifMatch: submission.field('etag'), body: bodyOf(draftOf(submission))
  })
  return { to: providersPath }
}

export async function mendedChange (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  const now = await submission.api.get<Trust>(apiPathOf(submission))
  const sent = draftOf(submission)
  return await refusedChange(refusal, {
    around: { path: way, place: signInPath },
    page: `${providersPath}/${now.id}`,
    values: [
      { name: 'Who joins by it', now: joining(now.joinsAs), sent: joining(sent.joinsAs) },
      { name: 'Claim with groups', now: now.groupsClaim, sent: sent.groupsClaim }
    ],
    again: async problem => changing(
      now, sent, await groupsOf(submission, now.organization) ?? [], submission.field('etag'), problem
    )
  })
}

export async function endScreen (visit: Visit): Promise<Screen> {
  return await ending(visit, null)
}

export async function end (submission: Submission): Promise<Outcome> {
  const { provider } = await submission.api.get<Trust>(apiPathOf(submission))
  const problem = problemOf(submission, provider, 'take back the trust in')
  if (problem !== null) return { screen: await ending(submission, problem), status: 422 }
  await submission.api.change('DELETE', apiPathOf(submission))
  return { to: providersPath }
}

async function ending (visit: Pick<Visit, 'api' | 'parameter'>, problem: string | null): Promise<Screen> {
  const { id, provider } = await visit.api.get<Trust>(apiPathOf(visit))
  return {
    title: `Take back the trust in ${provider}`,
    path: way,
    place: signInPath,
    lead: 'From the next request on, on every server, it signs nobody in here.',
    content: confirmationForm({
      action: `${providersPath}/${id}/end`,
      keep: providersPath,
      name: provider,
      warning: 'The sessions that it vouched for end, and the groups that its mapping gave are taken away.',
      button: 'Take back trust',
      takesReason: false,
      problem
    })
  }
}
