/** Unverified applications that the organization has approved. */
import { html } from 'ghtml'
import { may, type ApiRefusal } from '../api.ts'
import { dayOf, nameOrId, textField } from '../elements.ts'
import { endingAt } from '../ending.ts'
import type { Screen } from '../frame.ts'
import { given, listOf, pageSize, type Listing } from '../list.ts'
import { namesOf } from '../choice.ts'
import { attemptField } from '../shown-once.ts'
import { formAt, screenAt, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'
import { applicationsPath, applicationsWay, approvalsPath, tabs } from './tabs.ts'

interface Approval { id: string, client: string, name: string, createdBy: string, createdAt: string }

const empty = `No application is approved. An organization that takes approved applications alone refuses every other
one that nobody has verified.`

export function approvalScreens (app: Dashboard): void {
  screenAt(app, '/applications/approvals', visit => listScreen(visit, null))
  formAt(app, '/applications/approvals', approve, (sent, refusal) => listScreen(sent, refusal))
  endingAt<Approval>(app, '/applications/approvals/:id/end', {
    place: applicationsPath,
    verb: 'end',
    takesReason: false,
    load: async ({ api, parameter }) => await api.get(`/client-approvals/${encodeURIComponent(parameter('id'))}`),
    about: ({ name }) => ({
      name,
      title: `Take the approval of ${name} back`,
      path: [...applicationsWay, { name: 'Approved', href: approvalsPath }],
      lead: 'Where the organization takes approved applications alone, what members allowed it ends.',
      warning: 'Members cannot allow it anything more until it is approved again.',
      button: 'Take approval back',
      keep: approvalsPath,
    }),
    end: async ({ api }, { id }) => {
      await api.change('DELETE', `/client-approvals/${id}`)
      return { to: approvalsPath }
    },
  })
}

async function approve ({ api, me, field }: Submission): Promise<Outcome> {
  await api.change('POST', '/client-approvals', {
    idempotencyKey: field('attempt'),
    body: { organization: me.member.organization, client: field('client').trim() }
  })
  return { to: approvalsPath }
}

async function listScreen (visit: Visit | Submission, refusal: ApiRefusal | null): Promise<Screen> {
  const { api, me, query } = visit
  const after = query('after')
  const listing = await api.get<Listing<Approval>>('/client-approvals', {
    limit: pageSize, ...given({ cursor: after })
  })
  const members = await namesOf(visit, 'members', listing.data.map(({ createdBy }) => createdBy))
  const mayChange = may(me, 'client-approvals:write')
  return {
    title: 'Approved applications',
    path: applicationsWay,
    place: applicationsPath,
    lead: 'An approval holds for the present name and redirect URIs of an application.',
    content: html`!${tabs(approvalsPath, me)}
!${mayChange ? approvalForm('field' in visit ? visit.field('client') : '', refusal) : ''}
!${listOf<Approval>({
  caption: 'Approved applications',
  nouns: ['approval', 'approvals'],
  path: approvalsPath,
  filter: {},
  after,
  columns: [
    { name: 'Application', cell: ({ name, client }) => html`${name}<br><code class="bare">${client}</code>` },
    { name: 'Approved', cell: ({ createdAt }) => dayOf(createdAt) },
    { name: 'By', cell: ({ createdBy }) => nameOrId(createdBy, members) },
  ],
  ...(mayChange
    ? {
        actions: ({ id, name }: Approval) =>
          html`<a href="${approvalsPath}/${id}/end">Take back<span class="unseen"> ${name}</span></a>`
      }
    : {}),
  empty,
}, listing)}`
  }
}

function approvalForm (client: string, refusal: ApiRefusal | null): string {
  return html`<form class="panel" method="post" action="${approvalsPath}">
!${attemptField()}
!${textField({
  name: 'client',
  label: 'Client id',
  value: client,
  required: true,
  hint: 'As the application is known by: its id, or the URL of its document.',
  problem: refusal?.message ?? null,
})}
<p class="actions"><button type="submit" class="primary">Approve application</button></p></form>`
}
