/** `latchkey mcp-server …`: MCP servers as resources. */
import { Command, Option } from 'commander'
import { segment, type Answer, type Api } from '../api.ts'
import {
  calling, repeated, requireChange, showPage, type Page
} from '../command.ts'
import { searchQuery, withSearchFlags, type SearchFlags } from '../flags/list-flags.ts'
import { fieldLines, instant, words } from '../print.ts'
import {
  declaredScopeOption, keepingDescriptions, readDeclaredScope, type DeclaredScope
} from '../flags/scope-flags.ts'

interface McpServer {
  id: string
  identifier: string
  name: string
  title: string | null
  description: string | null
  version: string
  registryName: string
  organization: string
  status: string
  scopes: DeclaredScope[]
  defaultScopes: string[]
  metadataUrl: string
  wwwAuthenticate: string
  createdAt: string
  revokedAt: string | null
}

interface ServerFlags {
  org?: string,
  name?: string,
  scope?: string[],
  defaultScope?: string[],
  withoutDefaults?: boolean
  title?: string,
  description?: string,
  release?: string
}

export function mcpServerCommands (): Command {
  const server = new Command('mcp-server').description(
    'MCP servers: resources that agents discover and register for'
  )
  const create = server.command('create').description('declare an MCP server')
    .argument('<url>', 'the URL that its clients use')
    .requiredOption('--org <id>', 'the organization that it belongs to')
    .option('--name <text>', 'a display name')
    .addOption(declaredScopeOption())
    .addOption(defaultScopeOption())
  withListingFlags(create)
    .action(
      calling<McpServer, ServerFlags>(showServer, (api, { org, name, scope = [], ...flags }, identifier) =>
        api.post('/mcp-servers', {
          organization: org,
          identifier,
          name,
          scopes: scope.map(readDeclaredScope),
          defaultScopes: flags.defaultScope,
          ...listingOf(flags)
        }))
    )
  withSearchFlags(
    server.command('list').description('list the MCP servers, newest first'),
    { org: true, found: 'the name or the URL', sorts: ['name'] }
  )
    .action(calling<Page<McpServer>, SearchFlags>(
      showServers, (api, flags) => api.get('/mcp-servers', searchQuery(flags))
    ))
  server.command('show').description('show an MCP server, and the challenge that it sends to requests without a token')
    .argument('<id>', 'its id or URL')
    .action(calling(showServer, (api, _flags, id) => api.get(pathOf(id))))
  const change = server.command('update')
    .description('change an MCP server; --scope replaces all of its scopes')
    .argument('<id>', 'its id or URL')
    .option('--name <text>', 'a display name')
    .addOption(declaredScopeOption())
    .addOption(defaultScopeOption())
    .addOption(new Option('--without-defaults', 'grant no scopes to clients that register').conflicts('defaultScope'))
  withListingFlags(change).action(calling<McpServer, ServerFlags>(showServer, update))
  server.command('revoke').description('revoke an MCP server: every token for it is refused').argument(
    '<id>', 'its id or URL'
  )
    .action(calling(showServer, (api, _flags, id) => api.post(`${pathOf(id)}/revoke`)))
  return server
}

async function update (
  api: Api, { name, scope, defaultScope, withoutDefaults, ...flags }: ServerFlags, id: string
): Promise<Answer<McpServer>> {
  const defaultScopes = withoutDefaults ? [] : defaultScope
  const listing = listingOf(flags)
  requireChange(
    { name, scope, defaultScopes, ...listing },
    '--name, --scope, --default-scope, --without-defaults, --title, --description, --release'
  )
  const scopes = scope === undefined
    ? undefined
    : keepingDescriptions(scope.map(readDeclaredScope), (await api.get<McpServer>(pathOf(id))).value.scopes)
  return await api.patch(pathOf(id), { name, scopes, defaultScopes, ...listing })
}

/** How registries show the server. `latchkey --version` is about latchkey, so its version has another flag. */
function withListingFlags (command: Command): Command {
  return command
    .option('--title <text>', 'its title in registries; by default its name')
    .option('--description <text>', 'its description in registries')
    .option('--release <version>', 'its version in registries, such as 1.4.0')
}

function listingOf ({ title, description, release }: ServerFlags) {
  return { title, description, version: release }
}

function defaultScopeOption (): Option {
  return new Option(
    '--default-scope <name>',
    'a scope asked of people where a client names none, and granted to clients that register with the organization; ' +
      'repeat it for several'
  ).argParser(repeated)
}

function pathOf (id: string): string {
  return `/mcp-servers/${segment(id)}`
}

function showServer (server: McpServer): string {
  return fieldLines([
    ['id', server.id],
    ['url', server.identifier],
    ['name', server.name === server.identifier ? null : server.name],
    ['organization', server.organization],
    ['listed as', `${server.registryName} ${server.version}`],
    ['scopes', words(server.scopes.map(scope => scope.name)) ?? 'none'],
    ['by default', words(server.defaultScopes) ?? 'nothing'],
    ['metadata', server.metadataUrl],
    ['created', instant(server.createdAt)],
    ['revoked', instant(server.revokedAt)],
    ['401 with', `WWW-Authenticate: ${server.wwwAuthenticate}`],
  ])
}

const showServers = showPage<McpServer>(
  ['ID', 'URL', 'ORGANIZATION', 'STATUS', 'BY DEFAULT'],
  server => [server.id, server.identifier, server.organization, server.status, words(server.defaultScopes)],
  'There is no MCP server yet. Create one: npx latchkey mcp-server create https://mcp.example.com/mcp --org ORG ' +
    '--scope NAME'
)
