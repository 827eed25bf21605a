/** Deleting a group. */
import { html } from 'ghtml'
import { confirmationForm, problemOf } from '../confirmation.ts'
import type { Screen } from '../frame.ts'
import { membersPath } from '../members/member.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { groupsPath, groupsWay, type Group } from './list.ts'
import { apiPathOf } from './one-group.ts'

export async function deletionScreen (visit: Visit): Promise<Screen> {
  return await asking(visit, null)
}

export async function deleteGroup (submission: Submission): Promise<Outcome> {
  const { name } = await submission.api.get<Group>(apiPathOf(submission))
  const problem = problemOf(submission, name, 'delete')
  if (problem !== null) return { screen: await asking(submission, problem), status: 422 }
  await submission.api.change('DELETE', apiPathOf(submission))
  return { to: groupsPath }
}

async function asking (visit: Pick<Visit, 'api' | 'parameter'>, problem: string | null): Promise<Screen> {
  const { id, name } = await visit.api.get<Group>(apiPathOf(visit))
  const page = `${groupsPath}/${id}`
  return {
    title: `Delete ${name}`,
    path: [...groupsWay, { name, href: page }],
    place: membersPath,
    lead: 'This cannot be undone.',
    content: confirmationForm({
      action: `${page}/delete`,
      keep: page,
      name,
      warning: html`Its members, and their keys, lose what it gives them from the next request on. To take it from one
of them, <a href="${page}">take them out</a> instead.`,
      button: 'Delete group',
      takesReason: false,
      problem
    })
  }
}
