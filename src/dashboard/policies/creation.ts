/** Creating a policy, after a look at what it would change. */
import { withQuery, type ApiRefusal } from '../api.ts'
import { problemIn, type Problem } from '../draft.ts'
import type { Screen } from '../frame.ts'
import { pageSize } from '../list.ts'
import { attemptField } from '../shown-once.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { policyForm } from './form.ts'
import type { Impact } from './impact.ts'
import { policiesPath, policiesWay } from './list.ts'
import { nameable } from './named.ts'
import { bodyOf, draftOf, emptyDraft, forcedBy, type Draft, type Policy } from './policy.ts'

export async function creationScreen (visit: Visit): Promise<Screen> {
  return await screen(visit, emptyDraft, {})
}

export async function create (submission: Submission): Promise<Outcome> {
  const { api, field } = submission
  const { id } = await api.change<Policy>('POST', '/policies', {
    idempotencyKey: field('attempt'), body: { ...bodyOf(draftOf(submission)), ...forcedBy(submission) }
  })
  return { to: `${policiesPath}/${id}` }
}

export async function tryCreation (submission: Submission): Promise<Outcome> {
  const { api, field, query } = submission
  const draft = draftOf(submission)
  const impact = await api.change<Impact>(
    'POST', withQuery('/policies', { limit: pageSize, cursor: query('after') || undefined }),
    { body: { ...bodyOf(draft), dryRun: true } }
  )
  return { screen: await screen(submission, draft, { impact, attempt: field('attempt') }), status: 200 }
}

export async function mended (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  const { field } = submission
  return await screen(submission, draftOf(submission), { problem: problemIn(refusal), attempt: field('attempt') })
}

async function screen (
  { api, me }: Pick<Visit, 'api' | 'me'>, draft: Draft,
  { impact, problem, attempt }: { impact?: Impact, problem?: Problem, attempt?: string }
): Promise<Screen> {
  return {
    title: 'Create policy',
    path: policiesWay,
    place: policiesPath,
    lead: me.deployment
      ? 'It is of the deployment, and binds the credentials of every organization.'
      : 'It binds the credentials of your organization, from the next request on.',
    content: policyForm({
      draft,
      action: policiesPath,
      tryAction: `${policiesPath}/try`,
      button: 'Create policy',
      hidden: attemptField(attempt),
      cancel: policiesPath,
      problem: problem ?? null,
      impact: impact ?? null,
      deployment: me.deployment,
      nameable: await nameable(api, me)
    })
  }
}
