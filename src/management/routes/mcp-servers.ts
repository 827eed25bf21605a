/** MCP servers as resources. A path names one by its id or, URL-encoded, by its identifier. */
import { namedListOrders } from '../../domain/core/list.ts'
import { Type } from '../../http/typebox-lite.ts'
import { createMcpServer, getMcpServer, revokeMcpServer, updateMcpServer } from '../../domain/declaration/mcp-server.ts'
import { registryName } from '../../domain/registries/registry-name.ts'
import { longestListingText } from '../../domain/registries/server-json.ts'
import { skillVersion } from '../../domain/registries/skill-bundle.ts'
import { hostedMetadataUrl, resourceMetadata, type ResourceMetadata } from '../../domain/resources/resource-metadata.ts'
import { tokenScopesOf } from '../../domain/resources/token-scopes.ts'
import type { Resource } from '../../domain/resources/resource.ts'
import type { FailureCode } from '../../base/errors.ts'
import { challenge } from '../../guard/index.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter } from '../conventions/operation.ts'
import { listQuery, sought, wireList } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import { wireScope, readScope, DeclaredScopes, NewScopes } from '../schemas/declared-scopes.ts'
import {
  as, exactly, Id, IdParams, isRevoked, listQuerystring, Moment, Name, nullable, OrganizationId, OwnerOrDeployment,
  ownPage, pageOf, Reason, RevocationStatus, ScopeNames, Texts
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['mcp-servers:read'] }
const writeAccess = { scopes: ['mcp-servers:write'] }

const DefaultScopes = Type.Optional(
  Type.With(ScopeNames, {
    description:
      'Scopes asked of people where a client names none, and granted to clients that register with a registration ' +
        'token of the organization, unless the token names a resource.'
  })
)
const listing = {
  title: Type.Optional(Type.With(nullable(Type.String({ ...Name, maxLength: longestListingText })), {
    description: 'As registries show it. Null: its name stands for it.'
  })),
  description: Type.Optional(Type.With(nullable(Type.String({ ...Name, maxLength: longestListingText })), {
    description: 'As registries show it. Null: none.'
  })),
  version: Type.Optional(
    as(Type.String({ ...skillVersion, description: 'As registries show it: a version of SemVer 2.0.' }), '1.0.0')
  ),
}
const NewServer = exactly({
  organization: OwnerOrDeployment,
  identifier: as(
    Type.String({ maxLength: 512, description: 'The URL of the server, as its clients use it (RFC 8707).' }),
    'https://mcp.acme.test/mcp'
  ),
  name: Type.Optional(Name),
  scopes: NewScopes,
  defaultScopes: DefaultScopes,
  ...listing
})
const ServerChange = exactly({
  name: Type.Optional(Name),
  scopes: Type.Optional(NewScopes),
  defaultScopes: DefaultScopes,
  ...listing
})
const ServerQuerystring = exactly({
  ...listQuerystring({ records: 'MCP servers', found: 'the name, or of the identifier', sorts: namedListOrders }),
  organization: Type.Optional(Id),
  name: Type.Optional(Name),
  identifier: Type.Optional(Id),
  status: Type.Optional(RevocationStatus)
})
const Metadata = Type.Object({}, {
  additionalProperties: true,
  description: 'The metadata document; the server may also serve it at its own well-known path.'
})
export const WireServer = Type.Object({
  id: as(Type.String(), 'res_9sTuVwXyZaBcDeFgHiJkLm'),
  identifier: as(Type.String(), 'https://mcp.acme.test/mcp'),
  name: as(Type.String(), 'tools'),
  title: nullable(as(Type.String(), 'Acme tools')),
  description: nullable(as(Type.String(), 'Looks up orders.')),
  version: as(Type.String(), '1.0.0'),
  registryName: as(
    Type.String({ description: 'Its name in the MCP registry of its organization.' }), 'test.acme.mcp/mcp'
  ),
  organization: nullable(OrganizationId),
  status: RevocationStatus,
  scopes: DeclaredScopes,
  defaultScopes: Texts,
  tokenLifetime: as(Type.Integer({ description: 'Lifetime of its access tokens, in seconds.' }), 3_600),
  metadataUrl: as(
    Type.String({ description: 'URL of its metadata document (RFC 9728).' }),
    'https://auth.acme.test/.well-known/oauth-protected-resource/mcp-servers/res_9sTuVwXyZaBcDeFgHiJkLm'
  ),
  metadata: Type.Unsafe<ResourceMetadata>(Metadata),
  wwwAuthenticate: Type.String({ description: 'The WWW-Authenticate header that the server sends with a 401.' }),
  createdAt: Moment,
  revokedAt: nullable(Moment),
}, { title: 'McpServer' })

/** Failures of declaring scopes. */
const scopeFailures: readonly FailureCode[] = ['unknown_scope', 'scope_api_key_only']

interface Dependencies extends CreationDependencies { issuer: string }

export const mcpServerRoutes = routes<Dependencies>(
  createMcpServerRoute, listMcpServersRoute, getMcpServerRoute, updateMcpServerRoute, deleteMcpServerRoute,
  revokeMcpServerRoute
)

function createMcpServerRoute (app: RouteContext, dependencies: Dependencies): void {
  app.post('/mcp-servers', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', 'conflict', ...scopeFailures] },
    schema: {
      summary: 'Create an MCP server',
      description: 'The answer contains the metadata and the challenge that the server has to serve.',
      body: NewServer,
      response: { 201: WireServer },
    },
  }, async (request, reply) =>
    await created(dependencies, request, reply, async operation => {
      const { organization, scopes, ...input } = request.body
      return wireServer(
        await createMcpServer(operation, { ...input, scopes: scopes.map(readScope), organizationId: organization }),
        dependencies.issuer
      )
    }))
}

function listMcpServersRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/mcp-servers', {
    config: readAccess,
    schema: {
      summary: 'List MCP servers',
      description: ownPage,
      querystring: ServerQuerystring,
      response: { 200: pageOf(WireServer) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = listQuery(request.query)
    const { organization, name, identifier, status } = request.query
    const filter = {
      kind: 'mcp' as const,
      ...organizationFilter(operation, organization),
      ...sought(request.query),
      ...definedMembers({ name, identifier, revoked: isRevoked(status) })
    }
    const page = await operation.store.resources.page(query, filter)
    return wireList(query, page, server => wireServer(server, dependencies.issuer))
  })
}

function getMcpServerRoute (app: RouteContext, dependencies: Dependencies): void {
  app.get('/mcp-servers/:id', {
    config: readAccess,
    schema: {
      summary: 'Read an MCP server',
      description: 'By its id or, URL-encoded, by its identifier.',
      params: IdParams,
      response: { 200: WireServer },
    },
  }, async request =>
    wireServer(await getMcpServer(operationOf(dependencies, request), request.params.id), dependencies.issuer))
}

function updateMcpServerRoute (app: RouteContext, dependencies: Dependencies): void {
  app.patch('/mcp-servers/:id', {
    config: { ...writeAccess, failures: scopeFailures },
    schema: {
      summary: 'Change an MCP server',
      description: 'An omitted scope is removed from every credential for good.',
      params: IdParams,
      body: ServerChange,
      response: { 200: WireServer },
    },
  }, async request => {
    const { scopes, ...change } = request.body
    return wireServer(
      await updateMcpServer(operationOf(dependencies, request), request.params.id, {
        ...change, ...definedMembers({ scopes: scopes?.map(readScope) })
      }),
      dependencies.issuer
    )
  })
}

function deleteMcpServerRoute (app: RouteContext, dependencies: Dependencies): void {
  app.delete('/mcp-servers/:id', {
    config: writeAccess,
    schema: {
      summary: 'Revoke an MCP server',
      description: 'Same as `revoke`; the answer is empty.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, revokeMcpServer(operationOf(dependencies, request), request.params.id)))
}

function revokeMcpServerRoute (app: RouteContext, dependencies: Dependencies): void {
  app.post('/mcp-servers/:id/revoke', {
    config: writeAccess,
    schema: {
      summary: 'Revoke an MCP server',
      description: 'Refuses every token for it. Idempotent.',
      params: IdParams,
      body: Reason,
      response: { 200: WireServer },
    },
  }, async request =>
    wireServer(await revokeMcpServer(operationOf(dependencies, request), request.params.id), dependencies.issuer))
}

function wireServer (server: Resource, issuer: string) {
  const { id, identifier, name, organizationId, scopes, defaultScopes, tokenLifetime, createdAt, revokedAt } = server
  const { title, description, version } = server
  const metadataUrl = hostedMetadataUrl(server, issuer)
  return {
    [revision]: server.revision,
    id,
    identifier,
    name,
    title,
    description,
    version,
    registryName: registryName(server),
    organization: organizationId,
    status: revokedAt === null ? 'active' as const : 'revoked' as const,
    scopes: scopes.map(wireScope),
    defaultScopes,
    tokenLifetime,
    metadataUrl,
    metadata: resourceMetadata(server, issuer),
    // The challenge for a request without a credential (RFC 9728 §5.1).
    wwwAuthenticate: challenge(
      { reason: 'no_credential', presented: null, subject: null, organizationId: null },
      { metadataUrl, scopes: tokenScopesOf(server).initialScopes }
    ),
    createdAt,
    revokedAt,
  }
}
