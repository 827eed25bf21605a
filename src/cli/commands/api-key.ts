/** `latchkey key …`: API keys. */
import { Command, Option } from 'commander'
import { notesText, withAnnotationFlags, type Annotations } from '../flags/annotation-flags.ts'
import { segment } from '../api.ts'
import { anyAddressOption, calling, requireChange, showPage, type Page } from '../command.ts'
import {
  keyChangeOf, newKeyOf, withAuthorityFlags, withNewKeyFlags, type KeyFlags, type Objects
} from '../flags/key-flags.ts'
import {
  credentialQuery, keyNarrowingQuery, withCredentialFlags, withKeyNarrowingFlags, withSearchFlags, type CredentialFlags,
  type KeyNarrowingFlags
} from '../flags/list-flags.ts'
import { limitsText } from '../flags/limit-flags.ts'
import { fieldLines, instant, words } from '../print.ts'
import { readDuration } from '../time.ts'

interface ApiKey extends Annotations {
  id: string
  hint: string
  status: string
  organization: string
  organizations: string[]
  resource: string
  environment: string
  name: string
  access: string
  scopes: string[]
  objects: Objects
  allowlist: string[]
  callsPerMonth: number | null
  creditsPerMonth: number | null
  callsPerMinute: number | null
  createdBy: string
  creator: string | null
  vouchedBy: string | null
  portal: { template: string | null, ceiling: string } | null
  imported: boolean
  rotatedFrom: string | null
  rotatedTo: string | null
  createdAt: string
  expiresAt: string | null
  revokedAt: string | null
  revokedReason: string | null
  disabledAt: string | null
  disabledReason: string | null
  lastUsedAt: string | null
  key?: string
}

interface ImportFlags extends KeyFlags { digest: string, hint: string }

export function keyCommands (): Command {
  const key = new Command('key').description('API keys: long-lived secrets for one API')
  withNewKeyFlags(key.command('create').description('create an API key; it is shown once'))
    .action(calling<ApiKey, KeyFlags>(showKey, (api, flags) => api.post('/api-keys', newKeyOf(flags))))
  withNewKeyFlags(
    key.command('import').description(
      'import a key that was made elsewhere, by its SHA-256; its holder keeps using it'
    )
  )
    .requiredOption('--digest <sha256>', 'the SHA-256 of the key, hex or base64url')
    .requiredOption('--hint <text>', 'its visible part, such as its last four characters')
    .action(
      calling<ApiKey, ImportFlags>(showKey, (api, { digest, hint, ...flags }) =>
        api.post('/api-keys/import', { ...newKeyOf(flags), digest, hint }))
    )
  addList(key)
  key.command('show').description('show a key, without its secret').argument('<id>')
    .action(calling(showKey, (api, _flags, id) => api.get(pathOf(id))))
  addUpdate(key)
  key.command('rotate').description('replace a key with a new one, which is shown once').argument('<id>')
    .option(
      '--overlap <duration>', 'how long the old key stays valid; 0 ends it at once', readDuration, readDuration('24h')
    )
    .action(
      calling<ApiKey, { overlap: number }>(showKey, (api, { overlap }, id) =>
        api.post(`${pathOf(id)}/rotate`, { overlapSeconds: overlap }))
    )
  addEnding(key)
  return key
}

function addEnding (key: Command): void {
  key.command('disable').description('disable a key at once, until it is enabled; its sessions and webhooks end')
    .argument('<id>')
    .option('--reason <text>', 'the reason, kept with the record')
    .action(
      calling<ApiKey, { reason?: string }>(
        showKey, (api, { reason }, id) => api.post(`${pathOf(id)}/disable`, { reason })
      )
    )
  key.command('enable').description('enable a disabled key: it works again').argument('<id>')
    .action(calling(showKey, (api, _flags, id) => api.post(`${pathOf(id)}/enable`, {})))
  key.command('revoke').description('revoke a key at once').argument('<id>').option(
    '--reason <text>', 'the reason, kept with the record'
  )
    .action(
      calling<ApiKey, { reason?: string }>(
        showKey, (api, { reason }, id) => api.post(`${pathOf(id)}/revoke`, { reason })
      )
    )
}

function addList (key: Command): void {
  const list = withSearchFlags(key.command('list').description('list the keys, newest first'), {
    org: true, found: 'the name or the visible part', sorts: ['name', 'lastUsedAt', 'expiresAt']
  })
  withKeyNarrowingFlags(withCredentialFlags(list))
    .addOption(
      new Option('--status <name>', 'only with this status').choices([
        'active', 'disabled', 'expired', 'rotated', 'revoked'
      ])
    )
    .action(
      calling<Page<ApiKey>, CredentialFlags & KeyNarrowingFlags>(showKeys, (api, flags) =>
        api.get('/api-keys', { ...credentialQuery(flags), ...keyNarrowingQuery(flags) }))
    )
}

function addUpdate (key: Command): void {
  const update = key.command('update').description('change a key; its secret does not change').argument('<id>')
  withAuthorityFlags(update, 'a scope or a pattern; replaces the present ones; repeat it for several')
  withAnnotationFlags(update, 'change')
    .option('--name <text>', 'a display name')
    .addOption(new Option('--any-object', 'remove its restriction to objects').conflicts('object'))
    .addOption(new Option('--only-own-org', 'let it reach only its own organization').conflicts('alsoOrg'))
    .addOption(anyAddressOption())
    .action(
      calling<ApiKey, KeyFlags>(showKey, (api, flags, id) =>
        api.patch(pathOf(id), requireChange(keyChangeOf(flags), 'the flags in --help')))
    )
}

function pathOf (id: string): string {
  return `/api-keys/${segment(id)}`
}

function showKey (key: ApiKey): string {
  return fieldLines([
    ['id', key.id],
    ['name', key.name],
    ['organization', key.organization],
    ['reaches also', words(key.organizations.filter(id => id !== key.organization))],
    ['may', `${authorityOf(key)} at ${key.resource}`],
    ['objects', words(Object.entries(key.objects).map(([type, ids]) => `${type}:${ids.join(',') || 'none'}`))],
    ['bounded by', key.creator],
    ['ends with', key.vouchedBy],
    ['provisions by', key.portal?.template ?? null],
    ['mints links up to', key.portal?.ceiling ?? null],
    ['environment', key.environment],
    ['addresses', words(key.allowlist) ?? 'any'],
    ['limits', limitsText(key)],
    ['looks like', key.key === undefined ? key.hint : null],
    ['created', `${instant(key.createdAt)} by ${key.createdBy}${key.imported ? ', from a digest' : ''}`],
    ['expires', instant(key.expiresAt) ?? 'never'],
    ['replaces', key.rotatedFrom],
    ['replaced by', key.rotatedTo],
    ['last used', instant(key.lastUsedAt)],
    ['notes', notesText(key)],
    ['external id', key.externalId],
    ['disabled', instant(key.disabledAt)],
    ['reason', key.disabledReason],
    ['revoked', instant(key.revokedAt)],
    ['reason', key.revokedReason],
    ['key', key.key],
  ]) + (key.key === undefined ? '' : 'Keep the key: it is not shown again.\n')
}

function authorityOf ({ access, scopes }: ApiKey): string {
  if (access === 'custom') return words(scopes) ?? 'nothing'
  return access === 'full' ? 'everything' : 'read everything'
}

const showKeys = showPage<ApiKey>(
  ['ID', 'NAME', 'LOOKS LIKE', 'ORGANIZATION', 'STATUS', 'EXPIRES', 'LAST USED'],
  key => [
    key.id, key.name, key.hint, key.organization, key.status, instant(key.expiresAt) ?? 'never',
    instant(key.lastUsedAt)
  ],
  'There is no key yet. Create one: npx latchkey key create --org ORG --resource API --scope NAME --env live --name ' +
    'NAME'
)
