/** One policy: what it says, its change, and its end, each after a look at what that would change. */
import { html } from 'ghtml'
import { ApiRefusal, withQuery } from '../api.ts'
import { eventWords } from '../audit/words.ts'
import { confirmationForm, problemOf } from '../confirmation.ts'
import { refusedChange, stateField, type Problem } from '../draft.ts'
import { ago, facts } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { historyOf } from '../history.ts'
import { pageSize } from '../list.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { forceField, policyForm } from './form.ts'
import { impactOf, type Impact } from './impact.ts'
import { conditionsAsList, effectOf, policiesPath, policiesWay } from './list.ts'
import { nameable, namesIn } from './named.ts'
import { bodyOf, draftOf, draftOfPolicy, forcedBy, type Draft, type Policy } from './policy.ts'

type Naming = Pick<Visit, 'parameter'>

function apiPathOf ({ parameter }: Naming): string {
  return `/policies/${encodeURIComponent(parameter('id'))}`
}

function pageOf ({ parameter }: Naming): string {
  return `${policiesPath}/${encodeURIComponent(parameter('id'))}`
}

/** Whether the API lets a person change it: organizations do not change those of the deployment. */
function mayWrite ({ permissions, deployment }: Visit['me'], { organization }: Policy): boolean {
  return permissions.includes('policies:write') && (deployment || organization !== null)
}

export async function policyScreen (visit: Visit): Promise<Screen> {
  const { api, me, now } = visit
  const policy = await api.get<Policy>(apiPathOf(visit))
  const { id, name, description, organization, conditions, updatedAt } = policy
  return {
    title: name,
    path: policiesWay,
    place: policiesPath,
    ...(mayWrite(me, policy)
      ? {
          action: html`<div class="actions"><a class="button" href="${pageOf(visit)}/change">Change</a>
<form method="post" action="${pageOf(visit)}/delete/try"><button type="submit" class="danger">Delete</button></form></div>`
        }
      : {}),
    content: html`!${facts([
      ['Effect', effectOf(policy)],
      ['Description', html`${description ?? 'none'}`],
      ['If', conditionsAsList(conditions, await namesIn(api, me, [policy]))],
      ['Binds', organization === null ? 'every organization' : html`<code class="bare">${organization}</code>`],
      ['Changed', ago(updatedAt, now)],
      ['Id', html`<code class="bare">${id}</code>`]
    ])}
!${await historyOf(visit, id, eventWords)}`
  }
}

export async function changeScreen (visit: Visit): Promise<Screen> {
  const { record: policy, etag } = await visit.api.read<Policy>(apiPathOf(visit))
  return await form(visit, { name: policy.name, draft: draftOfPolicy(policy), etag })
}

export async function change (submission: Submission): Promise<Outcome> {
  await submission.api.change('PATCH', apiPathOf(submission), {
    ifMatch: submission.field('etag'), body: { ...bodyOf(draftOf(submission)), ...forcedBy(submission) }
  })
  return { to: pageOf(submission) }
}

export async function tryChange (submission: Submission): Promise<Outcome> {
  const { api, field, query } = submission
  const draft = draftOf(submission)
  const impact = await api.change<Impact>(
    'PATCH', withQuery(apiPathOf(submission), { limit: pageSize, cursor: query('after') || undefined }),
    { body: { ...bodyOf(draft), dryRun: true } }
  )
  return { screen: await form(submission, { name: draft.name, draft, etag: field('etag'), impact }), status: 200 }
}

export async function mendedChange (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  const { api, field } = submission
  const policy = await api.get<Policy>(apiPathOf(submission))
  const draft = draftOf(submission)
  const [now, sent] = [draftOfPolicy(policy), draft].map(asTexts)
  const page = pageOf(submission)
  return await refusedChange(refusal, {
    around: { path: [...policiesWay, { name: policy.name, href: page }], place: policiesPath },
    page,
    values: Object.keys(now!).map(name => ({ name, now: now![name]!, sent: sent![name]! })),
    again: problem => form(submission, { name: policy.name, draft, etag: field('etag'), problem })
  })
}

function asTexts ({ lines, kinds, days, enabled, ...texts }: Draft): Record<string, string> {
  return { ...texts, ...lines, enabled: enabled ? 'on' : 'off', kinds: kinds.join(' '), days: days.join(' ') }
}

interface Change { name: string, draft: Draft, etag: string, impact?: Impact, problem?: Problem }

async function form (
  visit: Pick<Visit, 'api' | 'parameter' | 'me'>, { name, draft, etag, impact, problem }: Change
): Promise<Screen> {
  const page = pageOf(visit)
  return {
    title: `Change ${name}`,
    path: [...policiesWay, { name, href: page }],
    place: policiesPath,
    content: policyForm({
      draft,
      action: `${page}/change`,
      tryAction: `${page}/change/try`,
      button: 'Change policy',
      hidden: stateField(etag),
      cancel: page,
      problem: problem ?? null,
      impact: impact ?? null,
      deployment: visit.me.deployment,
      nameable: await nameable(visit.api, visit.me)
    })
  }
}

/** Asks before a policy is deleted, with what that would change. */
export async function tryDeletion (submission: Submission): Promise<Outcome> {
  return { screen: await deletion(submission, null), status: 200 }
}

export async function deletePolicy (submission: Submission): Promise<Outcome> {
  const { name } = await submission.api.get<Policy>(apiPathOf(submission))
  const problem = problemOf(submission, name, 'delete')
  if (problem !== null) return { screen: await deletion(submission, problem), status: 422 }
  try {
    await submission.api.change('DELETE', withQuery(apiPathOf(submission), {
      force: forcedBy(submission).force === true ? 'true' : undefined
    }))
  } catch (error) {
    if (!(error instanceof ApiRefusal) || error.details.force !== true) throw error
    return { screen: await deletion(submission, null, error.message), status: error.status }
  }
  return { to: policiesPath }
}

async function deletion (
  submission: Submission, problem: string | null, refusal: string | null = null
): Promise<Screen> {
  const { api, query } = submission
  const page = pageOf(submission)
  const [{ name }, impact] = await Promise.all([
    api.get<Policy>(apiPathOf(submission)),
    api.change<Impact>('DELETE', withQuery(apiPathOf(submission), {
      dryRun: 'true', limit: pageSize, cursor: query('after') || undefined
    }))
  ])
  return {
    title: `Delete ${name}`,
    path: [...policiesWay, { name, href: page }],
    place: policiesPath,
    lead: 'From the next request on, on every server, it binds nothing. This cannot be undone.',
    content: html`!${refusal === null ? '' : html`<p class="alert" role="alert">${refusal}</p>`}
!${confirmationForm({
      action: `${page}/delete`,
      keep: page,
      name,
      warning: html`To let it rest for a while, <a href="${page}/change">switch it off</a> instead.`,
      button: 'Delete policy',
      ...(impact.wouldLockOut ? { more: forceField } : {}),
      takesReason: false,
      problem
    })}
!${impactOf(impact, cursor => html`<form method="post" action="${page}/delete/try?after=${encodeURIComponent(cursor)}">
<button type="submit">More credentials</button></form>`)}`
  }
}
