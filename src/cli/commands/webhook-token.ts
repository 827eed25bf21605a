import { Command } from 'commander'
import { segment } from '../api.ts'
import { answering, pageQuery, showPage, withPageFlags, type ListFlags, type Page } from '../command.ts'
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

/** `latchkey webhook-token …` */
export function webhookTokenCommands (): Command {
  const token = new Command('webhook-token').description(
    'webhook tokens: secrets for the path of a webhook, each for one object'
  )
  token.command('create').description('create a webhook token; it is shown once')
    .requiredOption('--key <id>', 'the API key in whose name it acts')
    .requiredOption('--type <name>', 'the type of its object: templates')
    .requiredOption('--object <id>', 'the one object that it reaches')
    .action(answering<WebhookToken, TokenFlags>(show, (api, { key, type, object }) =>
      api.post('/webhook-tokens', { apiKey: key, object: { type, id: object } })))
  withPageFlags(token.command('list').description('list the webhook tokens, newest first'), { org: true })
    .action(
      answering<Page<WebhookToken>, ListFlags>(showList, (api, flags) => api.get('/webhook-tokens', pageQuery(flags)))
    )
  token.command('show').description('show a webhook token, without its secret').argument('<id>')
    .action(answering(show, (api, _flags, id) => api.get(pathOf(id))))
  token.command('revoke').description('revoke a webhook token at once').argument('<id>').option(
    '--reason <text>', 'why, for those who look later'
  )
    .action(
      answering<WebhookToken, { reason?: string }>(show, (api, { reason }, id) =>
        api.post(`${pathOf(id)}/revoke`, { reason }))
    )
  return token
}

function pathOf (id: string): string {
  return `/webhook-tokens/${segment(id)}`
}

function show (token: WebhookToken): string {
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

const showList = showPage<WebhookToken>(
  ['ID', 'REACHES', 'IN THE NAME OF', 'ORGANIZATION', 'REVOKED'],
  each => [each.id, `${each.object.type} ${each.object.id}`, each.apiKey, each.organization, instant(each.revokedAt)],
  'There is no webhook token yet. Create one: npx latchkey webhook-token create --key KEY --type TYPE --object ID'
)
