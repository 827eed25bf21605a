/** E-mail domains, which operators give to organizations. */
import { html } from 'ghtml'
import type { ApiRefusal } from '../api.ts'
import { choiceField, choosable, chosenId, organizations } from '../choice.ts'
import { confirmationForm, problemOf } from '../confirmation.ts'
import { alertOf, problemAt, problemIn, type Problem } from '../draft.ts'
import { textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { attemptField } from '../shown-once.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { providersPath, signInPath } from './paths.ts'

interface Domain { id: string, domain: string }

const way = [{ name: 'Sign-in', href: providersPath }]

export async function givingScreen (visit: Visit): Promise<Screen> {
  return await giving(visit, { domain: '', organization: '' }, null)
}

export async function mended (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  return await giving(submission, draftOf(submission), problemIn(refusal))
}

function draftOf ({ field }: Submission): { domain: string, organization: string } {
  return { domain: field('domain').trim(), organization: field('organization').trim() }
}

export async function give (submission: Submission): Promise<Outcome> {
  const { api, field } = submission
  const { domain, organization } = draftOf(submission)
  await api.change('POST', '/email-domains', {
    idempotencyKey: field('attempt'),
    body: { domain, organization: await chosenId(api, organizations, organization) }
  })
  return { to: providersPath }
}

async function giving (
  { api }: Pick<Visit, 'api'>, { domain, organization }: ReturnType<typeof draftOf>, problem: Problem | null
): Promise<Screen> {
  const choice = await choosable(api, organizations)
  return {
    title: 'Give a domain',
    path: way,
    place: signInPath,
    lead: 'Prove first that it belongs to the organization: providers that it trusts may let people of it join.',
    content: html`<form class="panel" method="post" action="${providersPath}/domains">!${attemptField()}
!${alertOf(problem, ['domain'])}
!${choiceField(organizations, choice, { name: 'organization', label: 'Organization', chosen: organization })}
!${textField({
  name: 'domain',
  label: 'Domain',
  value: domain,
  required: true,
  placeholder: 'acme.example',
  problem: problemAt(problem, 'domain')
})}
<p class="actions"><button type="submit" class="primary">Give domain</button>
<a class="button" href="${providersPath}">Cancel</a></p></form>`
  }
}

function apiPathOf ({ parameter }: Pick<Visit, 'parameter'>): string {
  return `/email-domains/${encodeURIComponent(parameter('id'))}`
}

export async function takingScreen (visit: Visit): Promise<Screen> {
  return await taking(visit, null)
}

export async function take (submission: Submission): Promise<Outcome> {
  const { domain } = await submission.api.get<Domain>(apiPathOf(submission))
  const problem = problemOf(submission, domain, 'take away')
  if (problem !== null) return { screen: await taking(submission, problem), status: 422 }
  await submission.api.change('DELETE', apiPathOf(submission))
  return { to: providersPath }
}

async function taking (visit: Pick<Visit, 'api' | 'parameter'>, problem: string | null): Promise<Screen> {
  const { id, domain } = await visit.api.get<Domain>(apiPathOf(visit))
  return {
    title: `Take away ${domain}`,
    path: way,
    place: signInPath,
    content: confirmationForm({
      action: `${providersPath}/domains/${id}/end`,
      keep: providersPath,
      name: domain,
      warning: 'Nobody joins by it any more. Members who joined by it stay.',
      button: 'Take domain away',
      takesReason: false,
      problem
    })
  }
}
