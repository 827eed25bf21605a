/**
 * A token to try an API with. Only the digest of a secret is kept, so no page can ask for a token on a client's behalf,
 * and one that could would let a person act as every client that they may change. So the person sends the secret: it
 * goes to the token endpoint of this very server, once, and neither into a page nor into a row. The command that asks
 * in the same way stands beside it.
 */
import { html } from 'ghtml'
import { codes, textField } from '../elements.ts'
import type { Screen } from '../frame.ts'
import type { Outcome, Submission, Visit } from '../visit.ts'
import { clientOf, clientsPath, hasSecret, pageOf, type Client } from './client.ts'
import { wayTo } from './ending.ts'
import { tokenCommand } from './token-command.ts'

export async function tokenScreen (visit: Visit): Promise<Screen> {
  return asking(await clientOf(visit), visit, null)
}

export async function askToken (submission: Submission): Promise<Outcome> {
  const { api, field } = submission
  const client = await clientOf(submission)
  const resource = field('resource')
  const answer = await api.askToken({ id: client.clientId, secret: field('secret') }, {
    grant_type: 'client_credentials', ...(resource === '' ? {} : { resource })
  })
  if ('error' in answer) {
    const problem = `${answer.error_description ?? 'The token endpoint refused.'} (${answer.error})`
    return { screen: asking(client, submission, problem), status: 422 }
  }
  return {
    screen: {
      title: 'Test token',
      path: wayTo(client),
      place: clientsPath,
      lead: `It works for ${Math.round(answer.expires_in / 60)} minutes, or until the client is disabled or revoked.`,
      content: html`<div class="panel"><p><label for="token">Access token of ${client.name}</label>
<output id="token" class="secret">${answer.access_token}</output></p>
<p>Scopes: !${codes((answer.scope ?? '').split(' ').filter(Boolean))}</p>
<p>Send it as <code>Authorization: Bearer</code>.</p>
<p class="actions"><a class="button primary" href="${pageOf(client)}">Done</a></p></div>`
    },
    status: 200
  }
}

function asking (client: Client, { issuer }: Pick<Visit, 'issuer'>, problem: string | null): Screen {
  return {
    title: 'Get a test token',
    path: wayTo(client),
    place: clientsPath,
    lead: 'Only the digest of a secret is kept, so a token takes the secret itself. It is used for this once and not ' +
      'kept.',
    content: html`!${hasSecret(client) ? secretForm(client, problem) : ''}
<section class="panel"><h2>By a command</h2>
<pre tabindex="0">${tokenCommand(client, issuer)}</pre></section>`
  }
}

function secretForm (client: Client, problem: string | null): string {
  return html`<form class="panel" method="post" action="${pageOf(client)}/token">
!${textField({
  name: 'secret', label: `Secret of ${client.name}`, required: true, type: 'password', isFocused: true, problem
})}
!${client.grants.length < 2
? ''
: html`<div class="field"><label for="resource">API</label><select id="resource" name="resource">
!${client.grants.map(({ resource }) => html`<option>${resource}</option>`)}</select></div>`}
<p class="actions"><button type="submit" class="primary">Get token</button>
<a class="button" href="${pageOf(client)}">Back</a></p></form>`
}
