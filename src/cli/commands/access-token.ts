/** `latchkey access-token …`: access tokens of the management API. */
import { Command, Option } from 'commander'
import { segment, type Answer, type Api } from '../api.ts'
import {
  allowlistOf,
  allowlistOption,
  anyAddressOption,
  calling,
  expiryOption,
  pageQuery,
  requireChange,
  scopeOption,
  showPage,
  withPageFlags,
  type ListFlags,
  type Page
} from '../command.ts'
import { UsageError } from '../failure.ts'
import { fieldLines, instant, words } from '../print.ts'
import type { Expiry } from '../time.ts'

interface AccessToken {
  id: string
  hint: string
  status: string
  organization: string | null
  name: string
  scopes: string[]
  allowlist: string[]
  createdBy: string
  creator: string | null
  createdAt: string
  expiresAt: string | null
  revokedAt: string | null
  revokedReason: string | null
  lastUsedAt: string | null
  token?: string
}

interface TokenFlags {
  org?: string
  deployment?: boolean
  name?: string
  scope?: string[]
  allowIp?: string[]
  allowAnyIp?: boolean
  creator?: string
  expires?: Expiry
}
interface TokenListFlags extends ListFlags { status?: string, name?: string }

export function accessTokenCommands (): Command {
  const token = new Command('access-token').description(
    'access tokens of the management API, for automation; pass one in --token or LATCHKEY_TOKEN'
  )
  token.command('create').description('create an access token; it is shown once')
    .option('--org <id>', 'the organization that it is confined to')
    .addOption(
      new Option('--deployment', 'for the whole deployment; requires a deployment-wide credential').conflicts('org')
    )
    .requiredOption('--name <text>', 'a display name')
    .addOption(scopeOption('a scope of the management API, or a pattern: clients:read, *:read; repeat it for several'))
    .addOption(allowlistOption())
    .option('--creator <id>', 'the member whose permissions bound it')
    .addOption(expiryOption())
    .action(calling<AccessToken, TokenFlags>(showToken, create))
  withPageFlags(token.command('list').description('list the access tokens, newest first'), { org: true })
    .addOption(
      new Option('--status <name>', 'only with this status').choices(['active', 'expired', 'revoked'])
    )
    .option('--name <text>', 'only with exactly this name')
    .action(
      calling<Page<AccessToken>, TokenListFlags>(showTokens, (api, { status, name, ...flags }) =>
        api.get('/access-tokens', { ...pageQuery(flags), status, name }))
    )
  token.command('show').description('show an access token, without its secret').argument('<id>')
    .action(calling(showToken, (api, _flags, id) => api.get(pathOf(id))))
  token.command('update').description('change an access token; its secret does not change').argument('<id>')
    .option('--name <text>', 'a display name')
    .addOption(scopeOption('a scope; replaces the present ones; repeat it for several'))
    .addOption(allowlistOption())
    .addOption(anyAddressOption())
    .addOption(expiryOption())
    .action(calling<AccessToken, TokenFlags>(showToken, update))
  token.command('revoke').description('revoke an access token at once').argument('<id>').option(
    '--reason <text>', 'the reason, kept with the record'
  )
    .action(
      calling<AccessToken, { reason?: string }>(showToken, (api, { reason }, id) =>
        api.post(`${pathOf(id)}/revoke`, { reason }))
    )
  return token
}

function pathOf (id: string): string {
  return `/access-tokens/${segment(id)}`
}

async function create (api: Api, flags: TokenFlags): Promise<Answer<AccessToken>> {
  const { org, deployment, name, scope = [], creator, expires } = flags
  if (org === undefined && !deployment) {
    throw new UsageError('Give --org ORG, or --deployment for the whole deployment.')
  }
  return await api.post('/access-tokens', {
    organization: deployment ? null : org,
    name,
    scopes: scope,
    allowlist: flags.allowIp,
    creator,
    expiresAt: expires?.at
  })
}

async function update (api: Api, flags: TokenFlags, id: string): Promise<Answer<AccessToken>> {
  const change = { name: flags.name, scopes: flags.scope, allowlist: allowlistOf(flags), expiresAt: flags.expires?.at }
  return await api.patch(pathOf(id), requireChange(change, '--name, --scope, --allow-ip, --allow-any-ip, --expires'))
}

function showToken (token: AccessToken): string {
  return fieldLines([
    ['id', token.id],
    ['name', token.name],
    ['reaches', token.organization ?? 'the whole deployment'],
    ['may', words(token.scopes) ?? 'nothing'],
    ['bounded by', token.creator],
    ['addresses', words(token.allowlist) ?? 'any'],
    ['looks like', token.token === undefined ? token.hint : null],
    ['created', `${instant(token.createdAt)} by ${token.createdBy}`],
    ['expires', instant(token.expiresAt) ?? 'never'],
    ['last used', instant(token.lastUsedAt)],
    ['revoked', instant(token.revokedAt)],
    ['reason', token.revokedReason],
    ['token', token.token],
  ]) + (token.token === undefined ? '' : 'Keep the token: it is not shown again.\n')
}

const showTokens = showPage<AccessToken>(
  ['ID', 'NAME', 'REACHES', 'STATUS', 'EXPIRES', 'LAST USED'],
  token => [
    token.id, token.name, token.organization ?? 'everything', token.status, instant(token.expiresAt) ?? 'never',
    instant(token.lastUsedAt)
  ],
  'There is no access token yet. Create one: npx latchkey access-token create --org ORG --scope NAME --name NAME'
)
