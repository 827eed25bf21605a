/** `latchkey resource …`: protected APIs. */
import { Command, Option } from 'commander'
import { resourcePath, type Answer, type Api } from '../api.ts'
import {
  algorithmOption, calling, readWhole, requireChange, showPage, type Page
} from '../command.ts'
import { searchQuery, withSearchFlags, type SearchFlags } from '../flags/list-flags.ts'
import { fieldLines, instant } from '../print.ts'
import {
  declaredScopeOption, keepingDescriptions, readDeclaredScope, type DeclaredScope
} from '../flags/scope-flags.ts'

interface Resource {
  id: string
  identifier: string
  name: string
  organization: string | null
  scopes: DeclaredScope[]
  style: string
  keyPrefix: string
  tokenLifetime: number
  signingAlgorithm: string
  mostCredits: number
  createdAt: string
  revokedAt: string | null
}

interface ResourceFlags {
  name?: string,
  org?: string,
  scope?: string[],
  style?: string,
  keyPrefix?: string,
  algorithm?: string,
  mostCredits?: number
}

/** The styles of the API; test/cli/choices.test.ts compares the two. */
const styleNames = ['ledgerbee', 'crane-ledger', 'craftkit', 'craftdesk', 'opencrane', 'rfc9457']

const keyOnlySuffix = ':key-only'

export function resourceCommands (): Command {
  const resource = new Command('resource').description('resources: the protected APIs, with their scopes')
  withResourceFlags(
    resource.command('create').description('declare a protected API').argument('<identifier>', 'its URL')
  )
    .option('--org <id>', 'the organization that it belongs to; default: none, so that every organization can have ' +
      'credentials for it')
    .action(calling<Resource, ResourceFlags>(showResource, create))
  withSearchFlags(
    resource.command('list').description('list the resources, newest first'),
    { org: false, found: 'the name or the identifier', sorts: ['name'] }
  )
    .action(calling<Page<Resource>, SearchFlags>(showResources, (api, flags) =>
      api.get('/resources', searchQuery(flags))))
  resource.command('show').description('show a resource').argument('<id>', 'its id or identifier')
    .action(calling(showResource, (api, _flags, id) => api.get(resourcePath(id))))
  withResourceFlags(
    resource.command('update').description('change a resource; --scope replaces all of its scopes').argument(
      '<id>', 'its id or identifier'
    )
  )
    .action(calling<Resource, ResourceFlags>(showResource, update))
  resource.command('revoke').description('revoke a resource: every credential for it is refused').argument(
    '<id>', 'its id or identifier'
  )
    .action(calling(showResource, (api, _flags, id) => api.post(`${resourcePath(id)}/revoke`)))
  return resource
}

function withResourceFlags (command: Command): Command {
  return command
    .addOption(declaredScopeOption(`; the suffix "${keyOnlySuffix}" of the name excludes OAuth clients`))
    .option('--name <text>', 'a display name')
    .addOption(new Option('--style <name>', 'the style of credentials and errors').choices(styleNames))
    .option('--key-prefix <text>', 'the prefix of its API keys')
    .addOption(algorithmOption('the algorithm that signs its access tokens'))
    .option('--most-credits <n>', 'the most credits that one call may cost by POST /api/v1/verify', readWhole)
}

async function create (api: Api, flags: ResourceFlags, identifier: string): Promise<Answer<Resource>> {
  return await api.post('/resources', {
    identifier,
    name: flags.name,
    organization: flags.org,
    scopes: (flags.scope ?? []).map(readScope),
    style: flags.style,
    keyPrefix: flags.keyPrefix,
    signingAlgorithm: flags.algorithm,
    mostCredits: flags.mostCredits,
  })
}

async function update (api: Api, flags: ResourceFlags, id: string): Promise<Answer<Resource>> {
  const { name, scope, style, keyPrefix, algorithm: signingAlgorithm, mostCredits } = flags
  requireChange(
    { name, scope, style, keyPrefix, signingAlgorithm, mostCredits },
    '--scope, --name, --style, --key-prefix, --algorithm, --most-credits'
  )
  const scopes = scope === undefined
    ? undefined
    : keepingDescriptions(scope.map(readScope), (await api.get<Resource>(resourcePath(id))).value.scopes)
  return await api.patch(resourcePath(id), { name, scopes, style, keyPrefix, signingAlgorithm, mostCredits })
}

/** Scopes may contain colons; only this suffix has a meaning. */
function readScope (text: string): DeclaredScope {
  const scope = readDeclaredScope(text)
  return scope.name.endsWith(keyOnlySuffix)
    ? { ...scope, name: scope.name.slice(0, -keyOnlySuffix.length), keyOnly: true }
    : scope
}

function showResource (resource: Resource): string {
  return fieldLines([
    ['id', resource.id],
    ['identifier', resource.identifier],
    ['name', resource.name === resource.identifier ? null : resource.name],
    ['organization', resource.organization],
    ['scopes', scopesOf(resource)],
    ['style', resource.style],
    ['key prefix', resource.keyPrefix],
    ['tokens signed by', resource.signingAlgorithm === 'ES256' ? null : resource.signingAlgorithm],
    ['credits per call', resource.mostCredits === 0 ? null : String(resource.mostCredits)],
    ['created', instant(resource.createdAt)],
    ['revoked', instant(resource.revokedAt)],
  ])
}

function scopesOf ({ scopes }: Resource): string {
  return scopes.map(scope => scope.keyOnly ? `${scope.name} (API keys only)` : scope.name).join(', ') || 'none'
}

const showResources = showPage<Resource>(
  ['ID', 'IDENTIFIER', 'STYLE', 'REVOKED', 'SCOPES'],
  resource => [resource.id, resource.identifier, resource.style, instant(resource.revokedAt), scopesOf(resource)],
  'There is no resource yet. Create one: npx latchkey resource create https://api.example.com --scope NAME'
)
