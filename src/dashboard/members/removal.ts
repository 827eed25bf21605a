/** Removing a member. */
import { html } from 'ghtml'
import { confirmationForm, problemOf, reasonOf } from '../confirmation.ts'
import { count } from '../elements.ts'
import type { Screen } from '../frame.ts'
import type { Listing } from '../list.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { membersPath, membersWay, type Member } from './member.ts'
import { apiPathOf } from './one-member.ts'

type Asking = Pick<Visit, 'api' | 'parameter' | 'me'>

export async function removalScreen (visit: Visit): Promise<Screen> {
  return await asking(visit, null)
}

export async function remove (submission: Submission): Promise<Outcome> {
  const { name } = await submission.api.get<Member>(apiPathOf(submission))
  const problem = problemOf(submission, name, 'remove')
  if (problem !== null) {
    return { screen: await asking(submission, problem, submission.field('reason')), status: 422 }
  }
  await submission.api.change('POST', `${apiPathOf(submission)}/remove`, { body: reasonOf(submission) })
  return { to: membersPath }
}

async function asking (visit: Asking, problem: string | null, reason = ''): Promise<Screen> {
  const { api, me: { permissions } } = visit
  const { id, name, role } = await api.get<Member>(apiPathOf(visit))
  const keys = permissions.includes('api-keys:read')
    ? await api.get<Listing<unknown>>('/api-keys', { creator: id, status: 'active', limit: 1, total: 'true' })
    : null
  const page = `${membersPath}/${id}`
  return {
    title: `Remove ${name}`,
    path: [...membersWay, { name, href: page }],
    place: membersPath,
    lead: 'From the next request on, on every server, they are signed out and everything of theirs is refused. ' +
      'This cannot be undone.',
    content: confirmationForm({
      action: `${page}/remove`,
      keep: page,
      name,
      warning: html`!${keysText(keys?.pagination.total ?? 0)} !${role === 'viewer'
        ? ''
        : html`To let them only read, <a href="${page}">make them a viewer</a> instead.`}`,
      button: 'Remove member',
      takesReason: true,
      problem,
      reason
    })
  }
}

function keysText (keys: number): string {
  if (keys === 0) return 'Their sessions and their connected applications end.'
  return html`<strong>${keys === 1 ? 'One API key' : `${count(keys)} API keys`} of theirs will fail</strong>, with their
sessions and their connected applications.`
}
