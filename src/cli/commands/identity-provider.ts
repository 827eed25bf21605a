/** `latchkey identity-provider …`: identity providers, the organizations that trust them, and e-mail domains. */
import { Command, InvalidArgumentError, Option } from 'commander'
import { segment, type Api } from '../api.ts'
import {
  calling, pageQuery, removed, requireChange, showPage, withPageFlags, type ListFlags, type Page
} from '../command.ts'
import { fieldLines, instant, tableLines } from '../print.ts'

interface Provider { id: string, name: string, issuer: string }

interface Rule { value: string, group: string }

interface Trusted {
  id: string
  organization: string
  provider: string
  joinsAs: string | null
  groupsClaim: string
  groupMapping: Rule[]
  createdBy: string
  createdAt: string
}

interface Domain { id: string, organization: string, domain: string, createdAt: string }

interface TrustFlags { org?: string, joinAs?: string | false, groupsClaim?: string, map?: Rule[], noGroups?: boolean }

export function identityProviderCommands (): Command {
  const provider = new Command('identity-provider').description(
    'identity providers: whom people sign in with, and the organizations that trust them'
  )
  provider.command('list').description('list the identity providers of the deployment')
    .action(calling<{ data: Provider[] }, object>(showProviders, api => api.get('/identity-providers')))
  withTrustFlags(
    provider.command('trust').description('let a provider vouch for the members of an organization')
      .argument('<provider>').option('--org <id>', 'the organization; default: the token\'s own')
  ).action(calling<Trusted, TrustFlags>(showTrusted, (api, flags, id) =>
    api.post('/trusted-providers', { organization: flags.org, provider: id, ...changeOf(flags) })))
  withPageFlags(provider.command('trusted').description('list the trusted providers, newest first'), { org: true })
    .action(calling<Page<Trusted>, ListFlags>(showAllTrusted, (api, flags) =>
      api.get('/trusted-providers', pageQuery(flags))))
  provider.command('show').description('show a trusted provider').argument('<id>')
    .action(calling(showTrusted, (api, _flags, id) => api.get(pathOf(id))))
  withTrustFlags(provider.command('update').description('change what a trusted provider may do').argument('<id>'))
    .action(calling<Trusted, TrustFlags>(showTrusted, (api, flags, id) =>
      api.patch(pathOf(id), requireChange(changeOf(flags), '--join-as, --no-join, --groups-claim, --map'))))
  provider.command('distrust').description('take the trust back: its sessions end').argument('<id>')
    .action(calling(showTrusted, distrust))
  addDomains(provider)
  return provider
}

function addDomains (provider: Command): void {
  withPageFlags(provider.command('domains').description('list the e-mail domains of organizations'), { org: true })
    .action(calling<Page<Domain>, ListFlags>(showDomains, (api, flags) => api.get('/email-domains', pageQuery(flags))))
  provider.command('add-domain').description('give an e-mail domain to an organization').argument('<domain>')
    .option('--org <id>', 'the organization')
    .action(calling<Domain, { org?: string }>(showDomain, (api, { org }, domain) =>
      api.post('/email-domains', { organization: org, domain })))
}

function withTrustFlags (command: Command): Command {
  return command
    .addOption(
      new Option('--join-as <role>', 'the role of people with an e-mail in a domain of the organization').choices([
        'member', 'viewer'
      ])
    )
    .option('--no-join', 'only the invited get in')
    .option('--groups-claim <name>', 'the claim, or the path to it, whose values --map names')
    .addOption(
      new Option('--map <value=group>', 'a value of the claim and the id of the group that it gives; repeat it')
        .argParser(readRule)
    )
}

function readRule (text: string, before: Rule[] = []): Rule[] {
  const end = text.lastIndexOf('=')
  if (end < 1) throw new InvalidArgumentError('Write VALUE=GROUP, such as engineering=grp_…')
  return [...before, { value: text.slice(0, end), group: text.slice(end + 1) }]
}

function changeOf ({ joinAs, groupsClaim, map, ...flags }: TrustFlags & { join?: boolean }) {
  return { joinsAs: flags.join === false ? null : joinAs, groupsClaim, groupMapping: map }
}

async function distrust (api: Api, _flags: object, id: string) {
  return await removed<Trusted>(api, pathOf(id))
}

function pathOf (id: string): string {
  return `/trusted-providers/${segment(id)}`
}

function showProviders ({ data }: { data: Provider[] }): string {
  if (data.length === 0) return 'There is no identity provider. Configure one: LATCHKEY_OIDC_<ID>_ISSUER\n'
  return tableLines(['ID', 'NAME', 'ISSUER'], data.map(({ id, name, issuer }) => [id, name, issuer]))
}

function showTrusted (trusted: Trusted): string {
  return fieldLines([
    ['id', trusted.id],
    ['provider', trusted.provider],
    ['organization', trusted.organization],
    ['lets join', trusted.joinsAs === null ? 'the invited alone' : `people of its domains, as ${trusted.joinsAs}`],
    ['groups claim', trusted.groupsClaim],
    ...trusted.groupMapping.map(({ value, group }): [string, string] => ['maps', `${value} to ${group}`]),
    ['created', `${instant(trusted.createdAt)} by ${trusted.createdBy}`],
  ])
}

const showAllTrusted = showPage<Trusted>(
  ['ID', 'PROVIDER', 'ORGANIZATION', 'JOIN AS', 'CREATED'],
  ({ id, provider, organization, joinsAs, createdAt }) => [id, provider, organization, joinsAs, instant(createdAt)],
  'No organization trusts a provider yet: npx latchkey identity-provider trust PROVIDER --org ORG'
)

function showDomain ({ id, domain, organization, createdAt }: Domain): string {
  return fieldLines([['id', id], ['domain', domain], ['organization', organization], ['created', instant(createdAt)]])
}

const showDomains = showPage<Domain>(
  ['ID', 'DOMAIN', 'ORGANIZATION', 'CREATED'],
  ({ id, domain, organization, createdAt }) => [id, domain, organization, instant(createdAt)],
  'No organization has an e-mail domain yet: npx latchkey identity-provider add-domain DOMAIN --org ORG'
)
