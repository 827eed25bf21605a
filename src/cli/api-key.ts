import { Command, Option } from 'commander'
import { segment, type Answer, type Api } from './api.ts'
import {
  allowlistOf, allowlistOption, answering, anyAddressOption, pageQuery, requireChange, scopeOption, showPage, withPageFlags, type ListFlags, type Page,
} from './command.ts'
import { fieldLines, instant, words } from './print.ts'
import { readExpiry, type Expiry } from './time.ts'
import { keyUsageCommand } from './usage.ts'

interface ApiKey {
  id: string
  hint: string
  organization: string
  resource: string
  environment: string
  name: string
  scopes: string[]
  allowlist: string[]
  createdBy: string
  createdAt: string
  expiresAt: string | null
  revokedAt: string | null
  revokedReason: string | null
  lastUsedAt: string | null
  key?: string
}

interface KeyFlags {
  org?: string
  resource?: string
  env?: string
  name?: string
  scope?: string[]
  allowIp?: string[]
  allowAnyIp?: boolean
  expires?: Expiry
}

/** `latchkey key …` */
export function keyCommands (): Command {
  const key = new Command('key').description('API keys: long-lived secrets for one API')
  key.command('create').description('create an API key; it is shown once')
    .requiredOption('--org <id>', 'the organization it belongs to')
    .requiredOption('--resource <identifier>', 'the protected API it is for')
    .addOption(new Option('--env <name>', 'which environment it is for').choices(['live', 'test']).makeOptionMandatory())
    .requiredOption('--name <text>', 'what people call it')
    .addOption(scopeOption())
    .addOption(allowlistOption())
    .addOption(expiryOption())
    .action(answering<ApiKey, KeyFlags>(show, create))
  withPageFlags(key.command('list').description('list the keys, newest first'), { org: true })
    .action(answering<Page<ApiKey>, ListFlags>(showList, (api, flags) => api.get('/api-keys', pageQuery(flags))))
  key.command('show').description('show a key, without its secret').argument('<id>')
    .action(answering(show, (api, _flags, id) => api.get(pathOf(id))))
  key.command('update').description('change a key; its secret stays').argument('<id>')
    .option('--name <text>', 'what people call it')
    .addOption(scopeOption('a scope; the ones given replace the ones it has; repeat it for several'))
    .addOption(allowlistOption())
    .addOption(anyAddressOption())
    .addOption(expiryOption())
    .action(answering<ApiKey, KeyFlags>(show, update))
  key.command('revoke').description('revoke a key at once').argument('<id>').option('--reason <text>', 'why, for those who look later')
    .action(answering<ApiKey, { reason?: string }>(show, (api, { reason }, id) => api.post(`${pathOf(id)}/revoke`, { reason })))
  key.addCommand(keyUsageCommand())
  return key
}

/** `--expires`, which several kinds of secret take. */
export function expiryOption (): Option {
  return new Option('--expires <when>', 'a duration (90d), a day (2027-01-31), a time or never').argParser(text => readExpiry(text))
}

function pathOf (id: string): string {
  return `/api-keys/${segment(id)}`
}

async function create (api: Api, flags: KeyFlags): Promise<Answer<ApiKey>> {
  return await api.post('/api-keys', {
    organization: flags.org,
    resource: flags.resource,
    environment: flags.env,
    name: flags.name,
    scopes: flags.scope ?? [],
    allowlist: flags.allowIp,
    expiresAt: flags.expires?.at,
  })
}

async function update (api: Api, flags: KeyFlags, id: string): Promise<Answer<ApiKey>> {
  const change = { name: flags.name, scopes: flags.scope, allowlist: allowlistOf(flags), expiresAt: flags.expires?.at }
  return await api.patch(pathOf(id), requireChange(change, '--name, --scope, --allow-ip, --allow-any-ip, --expires'))
}

function show (key: ApiKey): string {
  return fieldLines([
    ['id', key.id],
    ['name', key.name],
    ['organization', key.organization],
    ['may', `${words(key.scopes) ?? 'nothing'} at ${key.resource}`],
    ['environment', key.environment],
    ['addresses', words(key.allowlist) ?? 'any'],
    ['looks like', key.key === undefined ? key.hint : null],
    ['created', `${instant(key.createdAt)} by ${key.createdBy}`],
    ['expires', instant(key.expiresAt) ?? 'never'],
    ['last used', instant(key.lastUsedAt)],
    ['revoked', instant(key.revokedAt)],
    ['reason', key.revokedReason],
    ['key', key.key],
  ]) + (key.key === undefined ? '' : 'Keep the key: it is not shown again.\n')
}

const showList = showPage<ApiKey>(
  ['ID', 'NAME', 'LOOKS LIKE', 'ORGANIZATION', 'EXPIRES', 'LAST USED', 'REVOKED'],
  each => [each.id, each.name, each.hint, each.organization, instant(each.expiresAt) ?? 'never', instant(each.lastUsedAt), instant(each.revokedAt)],
  'There is no key yet. Create one: npx latchkey key create --org ORG --resource API --scope NAME --env live --name NAME'
)
