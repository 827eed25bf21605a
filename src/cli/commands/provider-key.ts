/** `latchkey provider-key …`: keys of AI providers, which only gateways read. */
import { text as contentOf } from 'node:stream/consumers'
import { Command, Option } from 'commander'
import { segment } from '../api.ts'
import { calling, pageQuery, showPage, withPageFlags, type ListFlags, type Page } from '../command.ts'
import { UsageError } from '../failure.ts'
import { fieldLines, instant } from '../print.ts'

interface ProviderKey {
  id: string
  organization: string | null
  provider: string
  fingerprint: string
  hint: string
  createdAt: string
  replacedAt: string | null
  lastLeasedAt: string | null
}

interface SetFlags { org?: string, deployment?: boolean }

export function providerKeyCommands (): Command {
  const key = new Command('provider-key').description('keys of AI providers: set here, and leased by gateways alone')
  withPageFlags(key.command('list').description('list the keys, newest first'), { org: true })
    .option('--provider <name>', 'only of this provider')
    .action(calling<Page<ProviderKey>, ListFlags & { provider?: string }>(showKeys, (api, { provider, ...flags }) =>
      api.get('/provider-keys', { ...pageQuery(flags), provider })))
  key.command('show').description('show a key: its fingerprint and last four characters').argument('<id>')
    .action(calling<ProviderKey, object>(showKey, (api, _flags, id) => api.get(`/provider-keys/${segment(id)}`)))
  key.command('set').description('set the key of a provider, whose text is read from standard input')
    .argument('<provider>')
    .option('--org <id>', 'the organization that it belongs to; default: the token\'s own')
    .addOption(new Option('--deployment', 'for organizations without a key of their own').conflicts('org'))
    .action(calling<ProviderKey, SetFlags>(showKey, async (api, { org, deployment }, provider) =>
      await api.post('/provider-keys', { organization: deployment ? null : org, provider, key: await readText() })))
  key.command('replace').description('replace a key by the text on standard input').argument('<id>')
    .action(calling<ProviderKey, object>(showKey, async (api, _flags, id) =>
      await api.patch(`/provider-keys/${segment(id)}`, { key: await readText() })))
  key.command('remove').description('remove a key; revoke it at the provider too').argument('<id>')
    .action(calling<unknown, object>(() => 'The key is removed.\n', (api, _flags, id) =>
      api.delete(`/provider-keys/${segment(id)}`)))
  return key
}

/** Not a flag: those are kept in the history of a shell, and shown to every user of the machine. */
async function readText (): Promise<string> {
  const text = (await contentOf(process.stdin)).trim()
  if (text === '') throw new UsageError('The key is read from standard input, and that is empty.')
  return text
}

function showKey (key: ProviderKey): string {
  return fieldLines([
    ['id', key.id],
    ['organization', key.organization ?? 'the deployment'],
    ['provider', key.provider],
    ['fingerprint', key.fingerprint],
    ['ends in', key.hint],
    ['set', instant(key.createdAt)],
    ['replaced', instant(key.replacedAt)],
    ['last leased', instant(key.lastLeasedAt)],
  ])
}

const showKeys = showPage<ProviderKey>(
  ['ID', 'PROVIDER', 'ORGANIZATION', 'FINGERPRINT', 'ENDS IN', 'LAST LEASED'],
  ({ id, provider, organization, fingerprint, hint, lastLeasedAt }) => [
    id, provider, organization ?? 'the deployment', fingerprint, hint, instant(lastLeasedAt)
  ],
  'No provider key is set.'
)
