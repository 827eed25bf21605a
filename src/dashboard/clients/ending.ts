/** The end of a secret, which another replaces, and of a client. */
import { html } from 'ghtml'
import { reasonOf } from '../confirmation.ts'
import { ago, choices } from '../elements.ts'
import type { Ending } from '../ending.ts'
import type { Screen } from '../frame.ts'
import { attemptField } from '../shown-once.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { apiPathOf, clientOf, clientsPath, clientsWay, hasSecret, pageOf, type Client } from './client.ts'
import { clientShownOnce } from './creation.ts'

const overlaps = [
  { value: '86400', label: 'One day', hint: 'Both secrets work meanwhile.' },
  { value: '604800', label: 'One week', hint: 'Both secrets work meanwhile.' },
  {
    value: '0',
    label: 'Not at all',
    hint: 'For emergencies: the old secret, and the tokens that it was used for, are refused from the next request on.'
  },
]

export function wayTo (client: Client): Screen['path'] {
  return [...clientsWay, { name: client.name, href: pageOf(client) }]
}

export async function rotationScreen (visit: Visit): Promise<Screen> {
  const client = await clientOf(visit)
  return {
    title: `Replace the secret of ${client.name}`,
    path: wayTo(client),
    place: clientsPath,
    lead: 'The client id and all that it may do stay as they are.',
    content: html`<form class="panel" method="post" action="${pageOf(client)}/rotate">
!${attemptField()}
!${choices('The old secret works on for', 'overlap', overlaps, '86400')}
<p class="actions"><button type="submit" class="primary">Replace secret</button>
<a class="button" href="${pageOf(client)}">Keep it</a></p></form>`
  }
}

export async function rotate (submission: Submission): Promise<Outcome> {
  const { api, field } = submission
  const made = await api.change<Client & { clientSecret: string }>('POST', `${apiPathOf(submission)}/rotate-secret`, {
    idempotencyKey: field('attempt'), body: { overlapSeconds: Number(field('overlap')) }
  })
  return { screen: clientShownOnce(made, submission.issuer, submission.field('attempt')), status: 200 }
}

export const revocation: Ending<Client> = {
  place: clientsPath,
  verb: 'revoke',
  takesReason: true,
  load: clientOf,
  about: (client, { now }) => {
    const path = pageOf(client)
    return {
      name: client.name,
      title: `Revoke ${client.name}`,
      path: wayTo(client),
      lead: 'From the next request on, on every server, it and all its tokens are refused. This cannot be undone.',
      warning: html`!${useOf(client, now)} !${hasSecret(client) && client.status === 'active'
        ? html`To change the secret without a gap, <a href="${path}/rotate">replace it instead</a>. `
        : ''}!${client.status === 'active'
        ? html`To stop it for a while, <a href="${path}">disable it</a>.`
        : ''}`,
      button: 'Revoke client',
      keep: path,
    }
  },
  end: async submission => {
    await submission.api.change('POST', `${apiPathOf(submission)}/revoke`, { body: reasonOf(submission) })
    return { to: clientsPath }
  },
}

function useOf ({ lastUsedAt }: Client, now: Date): string {
  return lastUsedAt === null
    ? 'It was never used.'
    : html`It was last used !${ago(lastUsedAt, now)}. Whatever still uses it will fail.`
}
