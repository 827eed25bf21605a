/** The end of an API or an MCP server. */
import { html } from 'ghtml'
import { confirmationForm, problemOf, reasonOf } from '../confirmation.ts'
import type { Screen } from '../frame.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { apiPathOf, wayTo, type Declared, type Kind } from './declared-api.ts'

export async function revocationScreen (kind: Kind, visit: Visit): Promise<Screen> {
  return confirming(kind, await visit.api.get<Declared>(apiPathOf(kind, visit)), null)
}

export async function revoke (kind: Kind, submission: Submission): Promise<Outcome> {
  const declared = await submission.api.get<Declared>(apiPathOf(kind, submission))
  const problem = problemOf(submission, declared.name, 'revoke')
  if (problem !== null) {
    return { screen: confirming(kind, declared, problem, submission.field('reason')), status: 422 }
  }
  await submission.api.change('POST', `${apiPathOf(kind, submission)}/revoke`, { body: reasonOf(submission) })
  return { to: kind.path }
}

function confirming (kind: Kind, declared: Declared, problem: string | null, reason = ''): Screen {
  const path = `${kind.path}/${declared.id}`
  return {
    title: `Revoke ${declared.name}`,
    path: wayTo(kind, declared),
    place: kind.path,
    lead: 'From the next request on, on every server, each key and token for it is refused. This cannot be undone.',
    content: confirmationForm({
      action: `${path}/revoke`,
      keep: path,
      name: declared.name,
      warning: html`Its address cannot be declared again. To end single callers, revoke their keys or clients instead;
to take single rights away, <a href="${path}">remove scopes</a>.`,
      button: `Revoke ${kind.nouns[0]}`,
      takesReason: true,
      problem,
      reason,
    })
  }
}
