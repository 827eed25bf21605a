/** `latchkey publishable-key …`: publishable keys. */
import { Command, Option } from 'commander'
import { segment } from '../api.ts'
import { calling, scopeOption, showPage, type Page } from '../command.ts'
import { searchQuery, withSearchFlags, type SearchFlags } from '../flags/list-flags.ts'
import { block, fieldLines, instant, words } from '../print.ts'

interface PublishableKey {
  id: string
  publishableKey: string
  organization: string
  resource: string
  environment: string
  name: string
  scopes: string[]
  createdBy: string
  createdAt: string
  revokedAt: string | null
  signingKey?: { pem: string }
}

interface KeyFlags { org?: string, resource?: string, env?: string, name?: string, scope?: string[] }

export function publishableKeyCommands (): Command {
  const key = new Command('publishable-key').description(
    'publishable keys: public; their signing keys start sessions for end users'
  )
  key.command('create').description('create a publishable key; its signing key is shown once')
    .option('--org <id>', 'the organization that it belongs to; default: the token\'s own')
    .requiredOption('--resource <identifier>', 'the protected API of its sessions')
    .addOption(
      new Option('--env <name>', 'its environment').choices(['live', 'test']).makeOptionMandatory()
    )
    .requiredOption('--name <text>', 'a display name')
    .addOption(scopeOption('a scope of its sessions; repeat it for several'))
    .action(calling<PublishableKey, KeyFlags>(showKey, (api, { org, resource, env, name, scope = [] }) =>
      api.post('/publishable-keys', { organization: org, resource, environment: env, name, scopes: scope })))
  withSearchFlags(
    key.command('list').description('list the publishable keys, newest first'),
    { org: true, found: 'the name or the key', sorts: ['name'] }
  )
    .action(
      calling<Page<PublishableKey>, SearchFlags>(
        showKeys, (api, flags) => api.get('/publishable-keys', searchQuery(flags))
      )
    )
  key.command('show').description('show a publishable key, without its signing key').argument('<id>')
    .action(calling(showKey, (api, _flags, id) => api.get(pathOf(id))))
  key.command('revoke').description('revoke a publishable key and its sessions at once').argument('<id>').option(
    '--reason <text>', 'the reason, kept with the record'
  )
    .action(
      calling<PublishableKey, { reason?: string }>(showKey, (api, { reason }, id) =>
        api.post(`${pathOf(id)}/revoke`, { reason }))
    )
  return key
}

function pathOf (id: string): string {
  return `/publishable-keys/${segment(id)}`
}

function showKey (key: PublishableKey): string {
  return fieldLines([
    ['id', key.id],
    ['name', key.name],
    ['organization', key.organization],
    ['sessions may', `${words(key.scopes) ?? 'nothing'} at ${key.resource}`],
    ['environment', key.environment],
    ['created', `${instant(key.createdAt)} by ${key.createdBy}`],
    ['revoked', instant(key.revokedAt)],
    ['publishable key', key.publishableKey]
  ]) +
    (key.signingKey === undefined ? '' : `${block(key.signingKey.pem)}Keep the signing key: it is not shown again.\n`)
}

const showKeys = showPage<PublishableKey>(
  ['ID', 'NAME', 'PUBLISHABLE KEY', 'ORGANIZATION', 'REVOKED'],
  key => [key.id, key.name, key.publishableKey, key.organization, instant(key.revokedAt)],
  'There is no publishable key yet. Create one: npx latchkey publishable-key create --org ORG --resource API --scope ' +
    'NAME --env live --name NAME'
)
