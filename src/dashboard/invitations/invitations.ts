/** The screens of invitations: by e-mail, for people who sign in at a provider that the organization trusts. */
import { html } from 'ghtml'
import type { ApiRefusal } from '../api.ts'
import { confirmationForm, problemOf, reasonOf } from '../confirmation.ts'
import { alertOf, problemAt, problemIn, type Problem } from '../draft.ts'
import { badge, dayOf, selectField, textField } from '../elements.ts'
import { dashboardPath, type Screen } from '../frame.ts'
import { filterForm, listingOf, listOf, orderOf, type Listing, type Options } from '../list.ts'
import { membersPath, peopleTabs, rolesFor } from '../members/member.ts'
import { searchAt } from '../search.ts'
import { attemptField } from '../shown-once.ts'
import { providersPath } from '../sign-in/paths.ts'
import { formAt, screenAt, type Dashboard, type Outcome, type Submission, type Visit } from '../visit.ts'

const invitationsPath = `${dashboardPath}/invitations`
const way = [{ name: 'Invitations', href: invitationsPath }]

interface Invitation {
  id: string
  email: string
  role: string
  member: string | null
  status: 'open' | 'accepted' | 'expired' | 'revoked'
  createdAt: string
  expiresAt: string
}

const states: Options = [
  ['', 'All invitations'], ['open', 'Open'], ['accepted', 'Accepted'], ['expired', 'Expired'], ['revoked', 'Revoked']
]

const sorts: Options = [['newest', 'Newest first'], ['expiresAt', 'Next to expire']]

const badges = {
  open: badge('warn', 'Open'),
  accepted: badge('ok', 'Accepted'),
  expired: badge('bad', 'Expired'),
  revoked: badge('bad', 'Revoked')
} as const

export function invitationScreens (app: Dashboard): void {
  screenAt(app, '/invitations', listScreen)
  searchAt(app, '/invitations', ['status', 'sort'])
  screenAt(app, '/invitations/new', creationScreen)
  formAt(app, '/invitations', invite, mended)
  screenAt(app, '/invitations/:id/revoke', async visit => await asking(visit, null))
  formAt(app, '/invitations/:id/revoke', revoke)
}

async function listScreen ({ api, me, query, issuer }: Visit): Promise<Screen> {
  const filter = { search: query('search'), status: query('status'), sort: query('sort') }
  const listing = await listingOf<Invitation>(api, '/invitations', filter, query('after'))
  const mayWrite = me.permissions.includes('invitations:write')
  return {
    title: 'Invitations',
    path: [],
    place: membersPath,
    lead: html`No e-mail is sent: tell the people yourself to sign in at <code>${issuer}${dashboardPath}</code> with the
invited e-mail, at a provider that the organization trusts.`,
    ...(mayWrite
      ? { action: html`<a class="button primary" href="${invitationsPath}/new">Invite a person</a>` }
      : {}),
    content: html`!${peopleTabs(me, invitationsPath)}
!${await warningOf(api, me)}
!${filterForm(`${invitationsPath}/search`, [
  { name: 'status', label: 'State', options: states, chosen: filter.status }, orderOf(sorts, filter.sort)
], { label: 'E-mail', text: filter.search })}
!${listOf({
  caption: 'Invitations',
  nouns: ['invitation', 'invitations'],
  path: invitationsPath,
  filter,
  orders: ['sort'],
  after: query('after'),
  columns: [
    {
      name: 'E-mail',
      cell: ({ email, member }) => member === null
        ? html`${email}`
        : html`<a href="${membersPath}/${member}">${email}</a>`
    },
    { name: 'State', cell: ({ status }) => badges[status] },
    { name: 'Role', cell: ({ role }) => html`${role}` },
    { name: 'Made', cell: ({ createdAt }) => dayOf(createdAt) },
    { name: 'Open until', cell: ({ expiresAt }) => dayOf(expiresAt) }
  ],
  ...(mayWrite
    ? {
        actions: ({ id, email, status }: Invitation) => status !== 'open'
          ? ''
          : html`<a href="${invitationsPath}/${id}/revoke">Revoke<span class="unseen"> ${email}</span></a>`
      }
    : {}),
  hasEnded: ({ status }) => status === 'revoked' || status === 'expired',
  empty: 'No invitations yet. With one, the first sign-in with its e-mail at a trusted provider makes a member.'
}, listing)}`
  }
}

/** An invitation waits for a sign-in at a trusted provider: without any, it waits in vain. As markup. */
async function warningOf (api: Visit['api'], { permissions, member }: Visit['me']): Promise<string> {
  if (!permissions.includes('identity-providers:read')) return ''
  const { data } = await api.get<Listing<unknown>>(
    '/trusted-providers', { organization: member.organization, limit: 1 }
  )
  if (data.length > 0) return ''
  return html`<p class="alert">Your organization trusts no provider, so that no invitation can be accepted.
<a href="${providersPath}">Trust a provider</a>, or <a href="${membersPath}/new">add a member</a> and give them a sign-in
link.</p>`
}

interface Draft { email: string, role: string }

async function creationScreen ({ me }: Visit): Promise<Screen> {
  return form(me, { email: '', role: 'member' }, null)
}

async function mended (submission: Submission, refusal: ApiRefusal): Promise<Screen> {
  return form(submission.me, draftOf(submission), problemIn(refusal), submission.field('attempt'))
}

function draftOf ({ field }: Submission): Draft {
  return { email: field('email').trim(), role: field('role') }
}

async function invite (submission: Submission): Promise<Outcome> {
  const { api, me, field } = submission
  await api.change('POST', '/invitations', {
    idempotencyKey: field('attempt'), body: { ...draftOf(submission), organization: me.member.organization }
  })
  return { to: invitationsPath }
}

function form (me: Visit['me'], { email, role }: Draft, problem: Problem | null, attempt?: string): Screen {
  return {
    title: 'Invite a person',
    path: way,
    place: membersPath,
    lead: 'Whoever signs in with this e-mail, verified by a trusted provider, becomes a member. It is open for 7 days.',
    content: html`<form class="panel" method="post" action="${invitationsPath}">!${attemptField(attempt)}
!${alertOf(problem, ['email'])}
!${textField({ name: 'email', label: 'E-mail', value: email, required: true, problem: problemAt(problem, 'email') })}
!${selectField({ name: 'role', label: 'Role', options: rolesFor(me), chosen: role })}
<p class="actions"><button type="submit" class="primary">Invite</button>
<a class="button" href="${invitationsPath}">Cancel</a></p></form>`
  }
}

function apiPathOf ({ parameter }: Pick<Visit, 'parameter'>): string {
  return `/invitations/${encodeURIComponent(parameter('id'))}`
}

async function asking (visit: Pick<Visit, 'api' | 'parameter'>, problem: string | null): Promise<Screen> {
  const { id, email } = await visit.api.get<Invitation>(apiPathOf(visit))
  return {
    title: `Revoke the invitation of ${email}`,
    path: way,
    place: membersPath,
    lead: 'It lets nobody in any more. You can invite the same person again.',
    content: confirmationForm({
      action: `${invitationsPath}/${id}/revoke`,
      keep: invitationsPath,
      name: email,
      warning: 'Whoever was told of it cannot join with it.',
      button: 'Revoke invitation',
      takesReason: true,
      problem
    })
  }
}

async function revoke (submission: Submission): Promise<Outcome> {
  const { email } = await submission.api.get<Invitation>(apiPathOf(submission))
  const problem = problemOf(submission, email, 'revoke')
  if (problem !== null) return { screen: await asking(submission, problem), status: 422 }
  await submission.api.change('POST', `${apiPathOf(submission)}/revoke`, { body: reasonOf(submission) })
  return { to: invitationsPath }
}
