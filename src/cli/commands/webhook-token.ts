/** `latchkey webhook-token …`: tokens for the URLs of webhooks. */
import { Command } from 'commander'
import { segment } from '../api.ts'
import { calling, showPage, type Page } from '../command.ts'
import { searchQuery, withSearchFlags, type SearchFlags } from '../flags/list-flags.ts'
import { fieldLines, instant } from '../print.ts'

interface WebhookToken {
  id: string
  hint: string
  organization: string
  resource: string
  apiKey: string
  object: { type: string, id: string }
  createdBy: string
  createdAt: string
  revokedAt: string | null
  token?: string
}

interface TokenFlags { key?: string, type?: string, object?: string }

export function webhookTokenCommands (): Command {
  const token = new Command('webhook-token').description(
    'webhook tokens: secrets for the URL of a webhook, each for one object'
  )
  token.command('create').description('create a webhook token; it is shown once')
    .requiredOption('--key <id>', 'the API key that it acts for')
    .requiredOption('--type <name>', 'the type of its object, such as templates')
    .requiredOption('--object <id>', 'the id of its object')
    .action(calling<WebhookToken, TokenFlags>(showToken, (api, { key, type, object }) =>
      api.post('/webhook-tokens', { apiKey: key, object: { type, id: object } })))
  withSearchFlags(
    token.command('list').description('list the webhook tokens, newest first'),
    { org: true, found: 'the visible part or the id of the object' }
  )
    .action(
      calling<Page<WebhookToken>, SearchFlags>(showTokens, (api, flags) =>
        api.get('/webhook-tokens', searchQuery(flags)))
    )
  token.command('show').description('show a webhook token, without its secret').argument('<id>')
    .action(calling(showToken, (api, _flags, id) => api.get(pathOf(id))))
  token.command('revoke').description('revoke a webhook token at once').argument('<id>').option(
    '--reason <text>', 'the reason, kept with the record'
  )
    .action(
      calling<WebhookToken, { reason?: string }>(showToken, (api, { reason }, id) =>
        api.post(`${pathOf(id)}/revoke`, { reason }))
    )
  return token
}

function pathOf (id: string): string {
  return `/webhook-tokens/${segment(id)}`
}

function showToken (token: WebhookToken): string {
  return fieldLines([
    ['id', token.id],
    ['organization', token.organization],
    ['reaches', `${token.object.type} ${token.object.id} at ${token.resource}`],
    ['in the name of', token.apiKey],
    ['looks like', token.token === undefined ? token.hint : null],
    ['created', `${instant(token.createdAt)} by ${token.createdBy}`],
    ['revoked', instant(token.revokedAt)],
    ['token', token.token],
  ]) + (token.token === undefined ? '' : 'Keep the token: it is not shown again.\n')
}

const showTokens = showPage<WebhookToken>(
  ['ID', 'REACHES', 'IN THE NAME OF', 'ORGANIZATION', 'REVOKED'],
  token => [
    token.id, `${token.object.type} ${token.object.id}`, token.apiKey, token.organization, instant(token.revokedAt)
  ],
  'There is no webhook token yet. Create one: npx latchkey webhook-token create --key KEY --type TYPE --object ID'
)
