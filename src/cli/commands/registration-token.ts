/** `latchkey registration-token …`: tokens for the registration of clients. */
import { Command } from 'commander'
import { segment, type Answer, type Api } from '../api.ts'
import {
  allowlistOption,
  calling,
  expiryOption,

  readAmount,
  requireChange,
  scopeOption,
  showPage,

  type Amount,

  type Page
} from '../command.ts'
import { searchQuery, withSearchFlags, type SearchFlags } from '../flags/list-flags.ts'
import { UsageError } from '../failure.ts'
import { fieldLines, instant, words } from '../print.ts'
import type { Expiry } from '../time.ts'

interface RegistrationToken {
  id: string
  hint: string
  organization: string
  name: string
  resource: string | null
  scopes: string[]
  allowlist: string[]
  usesLeft: number | null
  createdBy: string
  createdAt: string
  expiresAt: string | null
  revokedAt: string | null
  token?: string
}

interface TokenFlags {
  org?: string
  name?: string
  resource?: string
  scope?: string[]
  allowIp?: string[]
  uses?: Amount
  expires?: Expiry
}

export function registrationTokenCommands (): Command {
  const token = new Command('registration-token').description(
    'registration tokens: let clients register themselves, with the scopes of the token'
  )
  token.command('create').description('create a registration token; it is shown once')
    .option('--org <id>', 'the organization of clients that register with it; default: the token\'s own')
    .option('--resource <identifier>', 'the protected API of their scopes')
    .addOption(scopeOption('a scope of the clients; repeat it for several'))
    .addOption(allowlistOption())
    .option('--uses <n>', 'the number of clients that may register with it', readAmount)
    .addOption(expiryOption())
    .option('--name <text>', 'a display name')
    .action(calling<RegistrationToken, TokenFlags>(showToken, create))
  withSearchFlags(
    token.command('list').description('list the registration tokens, newest first'),
    { org: true, found: 'the name or the visible part', sorts: ['name', 'expiresAt'] }
  )
    .action(
      calling<Page<RegistrationToken>, SearchFlags>(showTokens, (api, flags) =>
        api.get('/registration-tokens', searchQuery(flags)))
    )
  token.command('show').description('show a registration token, without its secret').argument('<id>')
    .action(calling(showToken, (api, _flags, id) => api.get(pathOf(id))))
  token.command('update').description('change a registration token').argument('<id>')
    .option('--name <text>', 'a display name')
    .option('--uses <n>', 'the number of further clients that may register with it, or unlimited', readAmount)
    .addOption(expiryOption())
    .action(calling<RegistrationToken, TokenFlags>(showToken, update))
  token.command('revoke').description('revoke a registration token; clients that registered with it stay').argument(
    '<id>'
  )
    .action(calling(showToken, (api, _flags, id) => api.post(`${pathOf(id)}/revoke`)))
  return token
}

function pathOf (id: string): string {
  return `/registration-tokens/${segment(id)}`
}

async function create (api: Api, flags: TokenFlags): Promise<Answer<RegistrationToken>> {
  if (flags.scope !== undefined && flags.resource === undefined) {
    throw new UsageError('Scopes belong to an API: name it with --resource.')
  }
  return await api.post('/registration-tokens', {
    organization: flags.org,
    name: flags.name,
    resource: flags.resource,
    scopes: flags.scope,
    allowlist: flags.allowIp,
    uses: flags.uses?.count,
    expiresAt: flags.expires?.at,
  })
}

async function update (api: Api, { name, uses, expires }: TokenFlags, id: string): Promise<Answer<RegistrationToken>> {
  return await api.patch(
    pathOf(id), requireChange({ name, uses: uses?.count, expiresAt: expires?.at }, '--name, --uses, --expires')
  )
}

function showToken (token: RegistrationToken): string {
  return fieldLines([
    ['id', token.id],
    ['name', token.name],
    ['organization', token.organization],
    ['gives', token.resource === null ? 'no scopes' : `${words(token.scopes) ?? 'no scopes'} at ${token.resource}`],
    ['addresses', words(token.allowlist) ?? 'any'],
    ['uses left', token.usesLeft ?? 'unlimited'],
    ['looks like', token.token === undefined ? token.hint : null],
    ['created', `${instant(token.createdAt)} by ${token.createdBy}`],
    ['expires', instant(token.expiresAt) ?? 'never'],
    ['revoked', instant(token.revokedAt)],
    ['token', token.token],
  ]) + (token.token === undefined ? '' : 'Keep the token: it is not shown again.\n')
}

const showTokens = showPage<RegistrationToken>(
  ['ID', 'NAME', 'ORGANIZATION', 'USES LEFT', 'EXPIRES', 'REVOKED'],
  token => [
    token.id, token.name, token.organization, token.usesLeft ?? 'unlimited', instant(token.expiresAt) ?? 'never',
    instant(token.revokedAt)
  ],
  'There is no registration token yet. Create one: npx latchkey registration-token create --org ORG'
)
