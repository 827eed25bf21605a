/** An organization that is suspended, and resumed. */
import { confirmationForm, problemOf, reasonOf } from '../confirmation.ts'
import type { Screen } from '../frame.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { apiPathOf, pageOf, organizationsPath, organizationsWay, type Organization } from './list.ts'

export async function suspensionScreen (visit: Visit): Promise<Screen> {
  return await asking(visit, null)
}

export async function suspend (submission: Submission): Promise<Outcome> {
  const { name } = await submission.api.get<Organization>(apiPathOf(submission))
  const problem = problemOf(submission, name, 'suspend')
  if (problem !== null) {
    return { screen: await asking(submission, problem, submission.field('reason')), status: 422 }
  }
  await submission.api.change('POST', `${apiPathOf(submission)}/suspend`, { body: reasonOf(submission) })
  return pageOf(submission)
}

export async function resume (submission: Submission): Promise<Outcome> {
  await submission.api.change('POST', `${apiPathOf(submission)}/resume`)
  return pageOf(submission)
}

async function asking (
  visit: Pick<Visit, 'api' | 'parameter'>, problem: string | null, reason = ''
): Promise<Screen> {
  const { id, name } = await visit.api.get<Organization>(apiPathOf(visit))
  const page = `${organizationsPath}/${id}`
  return {
    title: `Suspend ${name}`,
    path: [...organizationsWay, { name, href: page }],
    place: organizationsPath,
    lead: 'From the next request on, on every server, every credential of it is refused, until it is resumed.',
    content: confirmationForm({
      action: `${page}/suspend`,
      keep: page,
      name,
      warning: 'Its programs fail, and its members cannot sign in. Nothing is lost: resuming it lets them go on.',
      button: 'Suspend organization',
      takesReason: true,
      problem,
      reason
    })
  }
}
