/** `latchkey client …`: OAuth clients. */
import { Command, Option } from 'commander'
import {
  annotationsOf, notesText, withAnnotationFlags, type AnnotationFlags, type Annotations
} from '../flags/annotation-flags.ts'
import { resourcePath, segment, type Answer, type Api } from '../api.ts'
import {
  descriptionFlagNames, descriptionIn, withDescriptionFlags, type DescriptionFlags
} from '../flags/client-flags.ts'
import {
  credentialQuery, withCredentialFlags, withSearchFlags, type CredentialFlags
} from '../flags/list-flags.ts'
import { readPublicKeys } from '../flags/public-keys.ts'
import {
  allowlistOf,
  allowlistOption,
  anyAddressOption,
  calling,
  repeated,
  requireChange,
  scopeOption,
  showPage,
  type Page
} from '../command.ts'
import { CommandError, UsageError } from '../failure.ts'
import { fieldLines, instant, words, type Field } from '../print.ts'
import { readDuration } from '../time.ts'

interface Grant { resource: string, scopes: string[] }

interface Client extends Annotations {
  clientId: string
  organization: string | null
  status: string
  name: string
  origin: string
  tokenEndpointAuthMethod: string
  redirectUris: string[]
  grantTypes: string[]
  applicationType: string | null
  idTokenSignedResponseAlg: string
  pkceRequired: boolean
  grants: Grant[]
  allowlist: string[]
  introspects: string[]
  assertionProfile: string
  secrets: { id: string, hint: string, createdAt: string, expiresAt: string | null }[]
  createdAt: string
  lastUsedAt: string | null
  revokedAt: string | null
  revokedReason: string | null
  disabledAt: string | null
  disabledReason: string | null
  clientSecret?: string
}

interface ClientFlags extends DescriptionFlags, AnnotationFlags {
  org?: string
  deployment?: boolean
  name?: string
  resource?: string
  scope?: string[]
  allowIp?: string[]
  allowAnyIp?: boolean
  introspect?: string[]
  authMethod?: string
  public?: boolean
  jwks?: string
  assertionProfile?: string
}

/** Scopes of OpenID Connect that are asked of people, and granted to no client. */
const openIdScopes: ReadonlySet<string> = new Set(['openid', 'profile', 'email'])

export function clientCommands (): Command {
  const client = new Command('client').description('clients: machines that request access tokens')
  addCreate(client)
  withCredentialFlags(withSearchFlags(client.command('list').description('list the clients, newest first'), {
    org: true, found: 'the name or the id', sorts: ['name', 'lastUsedAt']
  }))
    .addOption(new Option('--status <name>', 'only with this status').choices(['active', 'disabled', 'revoked']))
    .action(
      calling<Page<Client>, CredentialFlags>(showClients, (api, flags) => api.get('/clients', credentialQuery(flags)))
    )
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
  addEnding(client)
  return client
}

function addEnding (client: Command): void {
  client.command('disable').description('disable a client at once, until it is enabled; its tokens end')
    .argument('<id>')
    .option('--reason <text>', 'the reason, kept with the record')
    .action(
      calling<Client, { reason?: string }>(
        showClient, (api, { reason }, id) => api.post(`${pathOf(id)}/disable`, { reason })
      )
    )
  client.command('enable').description('enable a disabled client: it gets new tokens').argument('<id>')
    .action(calling(showClient, (api, _flags, id) => api.post(`${pathOf(id)}/enable`, {})))
  client.command('revoke').description('revoke a client and its tokens at once').argument('<id>').option(
    '--reason <text>', 'the reason, kept with the record'
  )
    .action(
      calling<Client, { reason?: string }>(
        showClient, (api, { reason }, id) => api.post(`${pathOf(id)}/revoke`, { reason })
      )
    )
}

function addCreate (client: Command): void {
  const create = client.command('create').description('create a client; its secret is shown once')
  withAnnotationFlags(create)
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
        'client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'
      ])
    )
    .option('--jwks <file>', 'its public keys (RFC 7517), for private_key_jwt')
    .addOption(
      new Option('--public', 'without a secret, on the device of a person: authentication method none')
        .conflicts(['authMethod', 'jwks'])
    )
  withDescriptionFlags(create, 'where it receives people back, so that it can act for them')
    .action(calling<Client, ClientFlags>(showClient, createClient))
}

function addUpdate (client: Command): void {
  const update = client.command('update').argument('<id>')
    .description('change a client; new scopes, grants or addresses end its tokens at once')
  withAnnotationFlags(update, 'change')
    .addOption(scopeOption('a scope; replaces the present ones; repeat it for several'))
    .option('--resource <identifier>', 'the API of the scopes, if the client has several or none')
    .addOption(allowlistOption())
    .addOption(anyAddressOption())
    .addOption(introspectOption())
    .addOption(profileOption())
    .option('--name <text>', 'a display name')
    .option('--org <id>', 'claim a client that registered openly for this organization')
  withDescriptionFlags(update, 'where it receives people back; replaces the present ones')
    .action(calling<Client, ClientFlags>(showClient, updateClient))
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

async function createClient (api: Api, flags: ClientFlags): Promise<Answer<Client>> {
  if (flags.scope !== undefined && flags.resource === undefined) {
    const isOpenId = flags.scope.every(scope => openIdScopes.has(scope))
    throw new UsageError(isOpenId
      ? 'openid, profile and email need no --scope and no --resource: every client with a --redirect-uri may ask for ' +
        'them.'
      : 'Scopes belong to an API: name it with --resource.')
  }
  const method = flags.public ? 'none' : flags.authMethod ?? (flags.jwks === undefined ? undefined : 'private_key_jwt')
  if ((method === 'private_key_jwt') !== (flags.jwks !== undefined)) {
    throw new UsageError('private_key_jwt and --jwks FILE go together.')
  }
  if (method === 'none' && flags.redirectUri === undefined) {
    throw new UsageError('A client without a secret acts for people: name its --redirect-uri.')
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
    ...descriptionIn(flags),
    ...annotationsOf(flags),
  })
}

async function updateClient (api: Api, flags: ClientFlags, id: string): Promise<Answer<Client>> {
  const { scope, name, org, introspect, resource } = flags
  if (resource !== undefined && scope === undefined) {
    throw new UsageError('--resource names the API of the scopes: give --scope too.')
  }
  const change = {
    name,
    organization: org,
    allowlist: allowlistOf(flags),
    introspects: introspect,
    assertionProfile: flags.assertionProfile,
    ...descriptionIn(flags),
    ...annotationsOf(flags)
  }
  requireChange(
    { scope, ...change },
    `--scope, --allow-ip, --allow-any-ip, --introspect, --assertion-profile, ${descriptionFlagNames}, --name, --org, ` +
      '--metadata, --clear-metadata, --external-id'
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
    ...client.redirectUris.map((uri): Field => ['redirects to', uri]),
    ['grants', client.redirectUris.length === 0 ? null : words(client.grantTypes)],
    ['application', client.applicationType],
    ['ID tokens by', client.redirectUris.length === 0 ? null : client.idTokenSignedResponseAlg],
    ['PKCE', client.pkceRequired ? null : 'optional'],
    ['authenticates by', client.tokenEndpointAuthMethod],
    ['assertions', client.tokenEndpointAuthMethod === 'private_key_jwt' ? client.assertionProfile : null],
    ...client.secrets.map((
      { hint, expiresAt }
    ): Field => ['secret', expiresAt === null ? hint : `${hint} until ${instant(expiresAt)}`]),
    ['created', instant(client.createdAt)],
    ['last used', instant(client.lastUsedAt)],
    ['notes', notesText(client)],
    ['external id', client.externalId],
    ['disabled', instant(client.disabledAt)],
    ['reason', client.disabledReason],
    ['revoked', instant(client.revokedAt)],
    ['reason', client.revokedReason],
    ['client secret', client.clientSecret],
  ]) + (client.clientSecret === undefined ? '' : 'Keep the secret: it is not shown again.\n')
}

const showClients = showPage<Client>(
  ['CLIENT ID', 'NAME', 'ORGANIZATION', 'LAST USED', 'STATUS'],
  client => [client.clientId, client.name, client.organization, instant(client.lastUsedAt), client.status],
  'There is no client yet. Create one: npx latchkey client create --org ORG --resource API --scope NAME --name NAME'
)
