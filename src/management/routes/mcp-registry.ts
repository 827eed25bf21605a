/** The MCP servers of an organization as an MCP registry: registry API v0.1, read-only. */
import { Type } from '../../http/typebox-lite.ts'
import { listRegistry, registryEntry } from '../../domain/registries/mcp-registry.ts'
import { registryAnswer, type Authorizing } from '../../domain/registries/server-json.ts'
import { operationOf, type ManagementDependencies } from '../conventions/operation.ts'
import { defaultLimit } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { as, cursor, exactly, Flag, Moment, OrganizationId, PageQuerystring, Texts } from '../conventions/schemas.ts'

const readAccess = { scopes: ['mcp-servers:read'] }
const base = '/organizations/:id/mcp-registry/v0.1/servers'

interface Dependencies extends ManagementDependencies, Authorizing {}

const Name = as(Type.String({ minLength: 3, maxLength: 200 }), 'test.acme.mcp/mcp')
const Version = as(Type.String({ minLength: 1, maxLength: 255 }), 'latest')
const deleted = { include_deleted: Type.With(Flag, { description: 'Whether to list revoked servers, as deleted.' }) }
const Servers = exactly({ id: OrganizationId })
const Versions = exactly({ id: OrganizationId, name: Name })
const OneVersion = exactly({ id: OrganizationId, name: Name, version: Version })

const ServerJson = Type.Object({
  $schema: as(Type.String(), 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json'),
  name: Name,
  title: as(Type.String(), 'Acme tools'),
  description: as(Type.String(), 'Looks up orders.'),
  version: as(Type.String(), '1.0.0'),
  remotes: Type.Array(Type.Object({
    type: as(Type.String(), 'streamable-http'), url: as(Type.String(), 'https://mcp.acme.test/mcp')
  })),
  _meta: Type.Object({
    'io.modelcontextprotocol.registry/publisher-provided': Type.Object({
      authorizationServer: as(Type.String(), 'https://auth.acme.test'),
      resourceMetadata: as(Type.String(), 'https://mcp.acme.test/.well-known/oauth-protected-resource/mcp'),
      scopes: Texts,
      defaultScopes: Texts,
      registrationEndpoint: Type.Optional(Type.String({ description: 'Absent where no client may register.' })),
    })
  }),
}, { title: 'ServerDetail', description: 'server.json, in the schema of 2025-12-11.' })
const ServerResponse = Type.Object({
  server: ServerJson,
  _meta: Type.Object({
    'io.modelcontextprotocol.registry/official': Type.Object({
      status: Type.Enum(['active', 'deleted']),
      statusChangedAt: Moment,
      publishedAt: Moment,
      isLatest: Type.Boolean(),
    })
  }),
}, { title: 'RegistryServer' })
const ServerList = Type.Object({
  servers: Type.Array(ServerResponse),
  metadata: Type.Object({ count: Type.Integer(), nextCursor: Type.Optional(Type.String()) }),
}, { title: 'RegistryServerList' })

export const mcpRegistryRoutes = routes<Dependencies>(
  listRegistryServersRoute, listRegistryVersionsRoute, getRegistryVersionRoute
)

function listRegistryServersRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get(base, {
    config: { ...readAccess, failures: ['not_found'] },
    schema: {
      operationId: 'listRegistryServers',
      tags: ['mcp-registry'],
      summary: 'List MCP servers as a registry does',
      description: 'MCP registry API v0.1, by name. Each server has one version, the present one.',
      params: Servers,
      querystring: exactly({
        search: Type.Optional(as(Type.String({ maxLength: 200, description: 'A part of the name.' }), 'tools')),
        version: Type.Optional(Version),
        ...deleted,
        limit: PageQuerystring.limit,
        cursor: cursor(512, '`metadata.nextCursor` of the previous page.'),
      }),
      response: { 200: ServerList },
    },
  }, async request => {
    const { search, version, include_deleted: includeDeleted = false } = request.query
    const { limit = defaultLimit, cursor: after } = request.query
    const { entries, hasMore } = await listRegistry(operationOf(dependencies, request), {
      organizationId: request.params.id,
      ...(search === undefined ? {} : { search }),
      ...(version === undefined ? {} : { version }),
      includeDeleted,
      limit,
      after: after === undefined ? null : Buffer.from(after, 'base64url').toString(),
    })
    const nextCursor = hasMore ? { nextCursor: Buffer.from(entries.at(-1)!.name).toString('base64url') } : {}
    return {
      servers: entries.map(entry => registryAnswer(entry, dependencies)),
      metadata: { count: entries.length, ...nextCursor }
    }
  })
}

function listRegistryVersionsRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get(`${base}/:name/versions`, {
    config: { ...readAccess, failures: ['not_found'] },
    schema: {
      operationId: 'listRegistryServerVersions',
      tags: ['mcp-registry'],
      summary: 'List the versions of an MCP server as a registry does',
      description: 'One: the present one. The name is URL-encoded.',
      params: Versions,
      querystring: exactly(deleted),
      response: { 200: ServerList },
    },
  }, async request => {
    const { id: organizationId, name } = request.params
    const includeDeleted = request.query.include_deleted ?? false
    const entry = await registryEntry(operationOf(dependencies, request), { organizationId, name, includeDeleted })
    return { servers: [registryAnswer(entry, dependencies)], metadata: { count: 1 } }
  })
}

function getRegistryVersionRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get(`${base}/:name/versions/:version`, {
    config: { ...readAccess, failures: ['not_found'] },
    schema: {
      operationId: 'getRegistryServerVersion',
      tags: ['mcp-registry'],
      summary: 'Read a version of an MCP server as a registry shows it',
      description: '`latest`, or the present version. The name is URL-encoded.',
      params: OneVersion,
      querystring: exactly(deleted),
      response: { 200: ServerResponse },
    },
  }, async request => {
    const { id: organizationId, ...named } = request.params
    const includeDeleted = request.query.include_deleted ?? false
    const wanted = { organizationId, ...named, includeDeleted }
    return registryAnswer(await registryEntry(operationOf(dependencies, request), wanted), dependencies)
  })
}
