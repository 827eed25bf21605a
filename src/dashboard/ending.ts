/** The two pages of every end: the question, which needs a name typed, and what is done with the answer. */
import { confirmationForm, problemOf } from './confirmation.ts'
import type { Screen } from './frame.ts'
import { formAt, screenAt, type Dashboard, type Outcome, type Submission, type Visit } from './visit.ts'

/** What is read for either page. */
export type Asked = Omit<Visit, 'api'> & Pick<Submission | Visit, 'api'>

export interface Ending<T> {
  /** The place in the side. */
  place: string
  /** `revoke`. */
  verb: string
  takesReason: boolean
  load (asked: Asked): Promise<T>
  about (record: T, asked: Asked): About
  end (submission: Submission, record: T): Promise<Outcome>
}

/** `name`: what is typed. `warning`: markup. `keep`: the path of `Keep it`. */
export interface About {
  name: string
  title: string
  path: Screen['path']
  lead: string
  warning: string
  button: string
  keep: string
}

/** Both pages at a path below the dashboard. */
export function endingAt<T> (app: Dashboard, path: string, ending: Ending<T>): void {
  screenAt(app, path, async visit => asking(ending, await ending.load(visit), visit, null))
  formAt(app, path, async submission => {
    const record = await ending.load(submission)
    const problem = problemOf(submission, ending.about(record, submission).name, ending.verb)
    if (problem === null) return await ending.end(submission, record)
    return { screen: asking(ending, record, submission, problem, submission.field('reason')), status: 422 }
  })
}

function asking<T> (
  ending: Ending<T>, record: T, asked: Asked, problem: string | null, reason = ''
): Screen {
  const { title, path, lead, ...about } = ending.about(record, asked)
  const { place, takesReason } = ending
  const content = confirmationForm({ ...about, action: asked.url, takesReason, problem, reason })
  return { title, path, lead, place, content }
}
