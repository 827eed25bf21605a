/** How a member signs in: passkeys, accounts at providers, and links. */
import { html } from 'ghtml'
import { ApiRefusal } from '../api.ts'
import { confirmationForm, problemOf } from '../confirmation.ts'
import { ago, badge, dayOf } from '../elements.ts'
import type { Screen } from '../frame.ts'
import { attemptField, shownOnce } from '../shown-once.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { membersPath, membersWay, type Member } from './member.ts'

interface Passkey { id: string, name: string, backedUp: boolean, createdAt: string, lastUsedAt: string | null }
interface Account { id: string, provider: string | null, issuer: string, subject: string, linkedAt: string }

function ownPath (collection: 'passkeys' | 'identities', { parameter }: Pick<Visit, 'parameter'>): string {
  return `/members/${encodeURIComponent(parameter('id'))}/${collection}`
}

/** As markup. `mayWrite`: whether the person may take them away. */
export async function waysIn (visit: Visit, member: Member, mayWrite: boolean): Promise<string> {
  if (member.removedAt !== null) return ''
  const { api, now } = visit
  const [{ data: passkeys }, { data: accounts }] = await Promise.all([
    api.get<{ data: Passkey[] }>(ownPath('passkeys', visit)),
    api.get<{ data: Account[] }>(ownPath('identities', visit))
  ])
  const removal = (path: string, verb: string, name: string) =>
    mayWrite ? html` <a href="${membersPath}/${member.id}/${path}">${verb}<span class="unseen"> ${name}</span></a>` : ''
  return html`<section class="panel"><h2>How they sign in</h2>
!${passkeys.length + accounts.length === 0
? html`<p class="muted">With a link alone: they have no passkey and no account at a provider yet.</p>`
: ''}
<ul class="records">!${passkeys.map(({ id, name, backedUp, createdAt, lastUsedAt }) => html`<li>
<strong><bdi>${name}</bdi></strong> !${badge('plain', 'Passkey')}
<p class="muted">${backedUp ? 'Synchronized' : 'On one device'}, added !${dayOf(createdAt)},
last used !${ago(lastUsedAt, now)}!${removal(`passkeys/${id}`, 'Remove', name)}</p></li>
`)}!${accounts.map(({ id, provider, issuer, subject, linkedAt }) => html`<li>
<strong>${provider ?? issuer}</strong> !${badge(provider === null ? 'warn' : 'plain', provider === null
  ? 'Provider not configured'
  : 'Account')}
<p class="muted"><code class="bare">${subject}</code> at ${issuer}, linked !${dayOf(linkedAt)}!${
  removal(`identities/${id}`, 'Unlink', provider ?? issuer)}</p></li>
`)}</ul></section>`
}

/** A passkey or an account that is asked about before it is taken away. */
interface Way { id: string, name: string, verb: string, warning: string, apiPath: string }

/** @throws ApiRefusal 404. */
async function wayOf (
  visit: Pick<Visit, 'api' | 'parameter'>, collection: 'passkeys' | 'identities'
): Promise<Way & { member: Member }> {
  const { api, parameter } = visit
  const path = ownPath(collection, visit)
  const [member, { data }] = await Promise.all([
    api.get<Member>(path.slice(0, path.lastIndexOf('/'))), api.get<{ data: (Passkey & Account)[] }>(path)
  ])
  const found = data.find(({ id }) => id === parameter('way'))
  if (found === undefined) {
    const noun = collection === 'passkeys' ? 'passkey' : 'account'
    throw new ApiRefusal(404, { code: 'NOT_FOUND', error: `This member has no such ${noun}.` })
  }
  return {
    member,
    id: found.id,
    name: found.name ?? found.provider ?? found.issuer,
    verb: collection === 'passkeys' ? 'Remove' : 'Unlink',
    warning: 'Their sessions end, and it does not sign them in any more. A sign-in link lets them in again.',
    apiPath: `${path}/${encodeURIComponent(found.id)}`
  }
}

export function wayEnding (collection: 'passkeys' | 'identities') {
  const ask = async (visit: Pick<Visit, 'api' | 'parameter'>, problem: string | null): Promise<Screen> => {
    const { member, id, name, verb, warning } = await wayOf(visit, collection)
    const keep = `${membersPath}/${member.id}`
    return {
      title: `${verb} ${name}`,
      path: [...membersWay, { name: member.name, href: keep }],
      place: membersPath,
      content: confirmationForm({
        action: `${keep}/${collection}/${encodeURIComponent(id)}`,
        keep,
        name,
        warning: html`${warning}`,
        button: collection === 'passkeys' ? 'Remove passkey' : 'Unlink account',
        takesReason: false,
        problem
      })
    }
  }
  return {
    ask: async (visit: Visit) => await ask(visit, null),
    end: async (submission: Submission): Promise<Outcome> => {
      const { member, name, verb, apiPath } = await wayOf(submission, collection)
      const problem = problemOf(submission, name, verb.toLowerCase())
      if (problem !== null) return { screen: await ask(submission, problem), status: 422 }
      await submission.api.change('DELETE', apiPath)
      return { to: `${membersPath}/${member.id}` }
    }
  }
}

export async function linkScreen ({ api, parameter }: Visit): Promise<Screen> {
  const { id, name } = await api.get<Member>(`/members/${encodeURIComponent(parameter('id'))}`)
  const page = `${membersPath}/${id}`
  return {
    title: 'Make a sign-in link',
    path: [...membersWay, { name, href: page }],
    place: membersPath,
    lead: html`It signs ${name} in, once, within ten minutes. Give it to nobody else: it is as good as a password.`,
    content: html`<form class="panel" method="post" action="${page}/link">!${attemptField()}
<p>With it they can add a passkey, with which they sign in from then on.</p>
<p class="actions"><button type="submit" class="primary">Make sign-in link</button>
<a class="button" href="${page}">Cancel</a></p></form>`
  }
}

export async function makeLink ({ api, field, parameter }: Submission): Promise<Outcome> {
  const path = `/members/${encodeURIComponent(parameter('id'))}`
  const { name } = await api.get<Member>(path)
  const { url } = await api.change<{ url: string }>(
    'POST', `${path}/sign-in-links`, { idempotencyKey: field('attempt') }
  )
  const page = `${membersPath}/${encodeURIComponent(parameter('id'))}`
  return {
    screen: shownOnce({
      noun: 'link',
      path: [...membersWay, { name, href: page }],
      place: membersPath,
      values: [{ label: `Sign-in link of ${name}`, text: url }],
      attempt: field('attempt'),
      next: page
    }),
    status: 201
  }
}
