/** `latchkey client …`: OAuth clients. */
import { readFileSync } from 'node:fs'
import { Command, Option } from 'commander'
import { resourcePath, segment, type Answer, type Api } from '../api.ts'
import {
  allowlistOf,
  allowlistOption,
  anyAddressOption,
  calling,
  pageQuery,
  repeated,
  requireChange,
  scopeOption,
  showPage,
  withPageFlags,
  type ListFlags,
  type Page
} from '../command.ts'
import { CommandError, UsageError } from '../failure.ts'
import { fieldLines, instant, words, type Field } from '../print.ts'
import { readDuration } from '../time.ts'

interface Grant { resource: string, scopes: string[] }

interface Client {
  clientId: string
  organization: string | null
  name: string
  origin: string
  tokenEndpointAuthMethod: string
  grants: Grant[]
  allowlist: string[]
  introspects: string[]
  assertionProfile: string
  secrets: { id: string, hint: string, createdAt: string, expiresAt: string | null }[]
  createdAt: string
  lastUsedAt: string | null
  revokedAt: string | null
  revokedReason: string | null
  clientSecret?: string
}

interface ClientFlags {
  org?: string
  deployment?: boolean
  name?: string
  resource?: string
  scope?: string[]
  allowIp?: string[]
  allowAnyIp?: boolean
  introspect?: string[]
  authMethod?: string
  jwks?: string
  assertionProfile?: string
}

export function clientCommands (): Command {
  const client = new Command('client').description('clients: machines that request access tokens')
  addCreate(client)
  withPageFlags(client.command('list').description('list the clients, newest first'), { org: true })
    .action(calling<Page<Client>, ListFlags>(showClients, (api, flags) => api.get('/clients', pageQuery(flags))))
  client.command('show').description('show a client').argument('<id>')
    .action(calling(showClient, (api, _flags, id) => api.get(pathOf(id))))
  addUpdate(client)
  client.command('rotate-secret').description('give a client a new secret').argument('<id>')
    .option(
      '--overlap <duration>', 'how long the previous secrets stay valid; 0 ends them and every token at once',
      readDuration, readDuration('24h')
    )
    .action(
      calling<Client, { overlap: number }>(showClient, (api, { overlap }, id) =>
        api.post(`${pathOf(id)}/rotate-secret`, { overlapSeconds: overlap }))
    )
  client.command('revoke').description('revoke a client and its tokens at once').argument('<id>').option(
    '--reason <text>', 'the reason, kept with the record'
  )
    .action(
      calling<Client, { reason?: string }>(
        showClient, (api, { reason }, id) => api.post(`${pathOf(id)}/revoke`, { reason })
      )
    )
  return client
}

function addCreate (client: Command): void {
  client.command('create').description('create a client; its secret is shown once')
    .option('--org <id>', 'the organization that it belongs to; default: the token\'s own')
    .addOption(
      new Option('--deployment', 'for the whole deployment; requires a deployment-wide credential').conflicts('org')
    )
    .requiredOption('--name <text>', 'a display name')
    .option('--resource <identifier>', 'the protected API of its tokens')
    .addOption(scopeOption())
    .addOption(allowlistOption())
    .addOption(introspectOption())
    .addOption(profileOption())
    .addOption(
      new Option('--auth-method <name>', 'its authentication method').choices([
        'client_secret_basic', 'client_secret_post', 'private_key_jwt'
      ])
    )
    .option('--jwks <file>', 'its public keys (RFC 7517), for private_key_jwt')
    .action(calling<Client, ClientFlags>(showClient, create))
}

function addUpdate (client: Command): void {
  client.command('update').description('change a client; new scopes or addresses end its tokens at once').argument(
    '<id>'
  )
    .addOption(scopeOption('a scope; replaces the present ones; repeat it for several'))
    .option('--resource <identifier>', 'the API of the scopes, if the client has several or none')
    .addOption(allowlistOption())
    .addOption(anyAddressOption())
    .addOption(introspectOption())
    .addOption(profileOption())
    .option('--name <text>', 'a display name')
    .option('--org <id>', 'claim a client that registered openly for this organization')
    .action(calling<Client, ClientFlags>(showClient, update))
}

function introspectOption (): Option {
  return new Option('--introspect <identifier>', 'an API whose credentials it may introspect; repeat it for several')
    .argParser(repeated)
}

function profileOption (): Option {
  return new Option(
    '--assertion-profile <name>', 'the form of its assertions: strict, or rfc7523 for older libraries'
  ).choices(['strict', 'rfc7523'])
}

function pathOf (id: string): string {
  return `/clients/${segment(id)}`
}

async function create (api: Api, flags: ClientFlags): Promise<Answer<Client>> {
  if (flags.scope !== undefined && flags.resource === undefined) {
    throw new UsageError('Scopes belong to an API: name it with --resource.')
  }
  const method = flags.authMethod ?? (flags.jwks === undefined ? undefined : 'private_key_jwt')
  if ((method === 'private_key_jwt') !== (flags.jwks !== undefined)) {
    throw new UsageError('private_key_jwt and --jwks FILE go together.')
  }
  return await api.post('/clients', {
    organization: flags.deployment ? null : flags.org,
    name: flags.name,
    grants: flags.resource === undefined ? [] : [{ resource: flags.resource, scopes: flags.scope ?? [] }],
    allowlist: flags.allowIp,
    introspects: flags.introspect,
    tokenEndpointAuthMethod: method,
    assertionProfile: flags.assertionProfile,
    jwks: flags.jwks === undefined ? undefined : readPublicKeys(flags.jwks),
  })
}

async function update (api: Api, flags: ClientFlags, id: string): Promise<Answer<Client>> {
  const { scope, name, org, introspect, resource } = flags
  if (resource !== undefined && scope === undefined) {
    throw new UsageError('--resource names the API of the scopes: give --scope too.')
  }
  const change = {
    name,
    organization: org,
    allowlist: allowlistOf(flags),
    introspects: introspect,
    assertionProfile: flags.assertionProfile
  }
  requireChange(
    { scope, ...change }, '--scope, --allow-ip, --allow-any-ip, --introspect, --assertion-profile, --name, --org'
  )
  const grants = scope === undefined ? undefined : await changedGrants(api, id, scope, resource)
  return await api.patch(pathOf(id), { ...change, grants })
}

/** The grants of the client, with the scopes of one replaced: of the named API, else of the first, the default. */
async function changedGrants (api: Api, id: string, scopes: string[], named: string | undefined): Promise<Grant[]> {
  const { grants } = (await api.get<Client>(pathOf(id))).value
  const resource = named === undefined ? grants[0]?.resource : await identifierOf(api, named)
  if (resource === undefined) {
    throw new CommandError(`The client ${id} has no API yet: name the API of the scopes with --resource.`)
  }
  const changed = { resource, scopes }
  return grants.some(grant => grant.resource === resource)
    ? grants.map(grant => grant.resource === resource ? changed : grant)
    : [...grants, changed]
}

async function identifierOf (api: Api, idOrIdentifier: string): Promise<string> {
  return (await api.get<{ identifier: string }>(resourcePath(idOrIdentifier))).value.identifier
}

/** Reads a JWK set, and refuses private keys: none may leave this machine. */
function readPublicKeys (file: string): unknown {
  const set = readJson(file) as { keys?: unknown } | null
  if (!Array.isArray(set?.keys) || set.keys.length === 0) {
    throw new CommandError(`${file} is not a JWK set: it must have the form {"keys": [{"kty": …}]} (RFC 7517 §5).`)
  }
  if (set.keys.some(key => ['d', 'k', 'p', 'q'].some(member => Object.hasOwn(Object(key), member)))) {
    throw new CommandError(`${file} contains a private key: send public keys only. Nothing was sent.`)
  }
  return set
}

function readJson (file: string): unknown {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
  try {
    return JSON.parse(text)
  } catch {
    throw new CommandError(`${file} is not JSON.`)
  }
}

function showClient (client: Client): string {
  return fieldLines([
    ['client id', client.clientId],
    ['name', client.name],
    ['organization', client.organization ?? (client.origin === 'operator'
      ? 'the deployment'
      : 'none: claim it with latchkey client update ID --org ORG')],
    ...client.grants.map((grant): Field => ['may', `${words(grant.scopes) ?? 'nothing'} at ${grant.resource}`]),
    ['introspects', words(client.introspects)],
    ['addresses', words(client.allowlist) ?? 'any'],
    ['authenticates by', client.tokenEndpointAuthMethod],
    ['assertions', client.tokenEndpointAuthMethod === 'private_key_jwt' ? client.assertionProfile : null],
    ...client.secrets.map((
      { hint, expiresAt }
    ): Field => ['secret', expiresAt === null ? hint : `${hint} until ${instant(expiresAt)}`]),
    ['created', instant(client.createdAt)],
    ['last used', instant(client.lastUsedAt)],
    ['revoked', instant(client.revokedAt)],
    ['reason', client.revokedReason],
    ['client secret', client.clientSecret],
  ]) + (client.clientSecret === undefined ? '' : 'Keep the secret: it is not shown again.\n')
}

const showClients = showPage<Client>(
  ['CLIENT ID', 'NAME', 'ORGANIZATION', 'LAST USED', 'REVOKED'],
  client => [client.clientId, client.name, client.organization, instant(client.lastUsedAt), instant(client.revokedAt)],
  'There is no client yet. Create one: npx latchkey client create --org ORG --resource API --scope NAME --name NAME'
)
