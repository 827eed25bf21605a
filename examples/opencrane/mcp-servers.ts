/** MCP servers: each is a protected resource of Latchkey, with its transport and the tenants that it is granted to. */
import { Type, type Static } from 'typebox'
import { Refusal, type Latchkey } from './control-plane.ts'
import {
  Ended, exactly, IdParams, pageOf, PageQuerystring, requireOperator, shown, Text, type Collection, type Plane
} from './context.ts'
import { projectPolicies } from './projection.ts'

const transports = ['streamable-http', 'sse', 'websocket'] as const
const Grants = Type.Array(exactly({ tenant: Text }), { maxItems: 200 })
const changeable = {
  transport: Type.Optional(Type.Enum([...transports])),
  grants: Type.Optional(Grants),
  credentials: Type.Optional(Type.Array(Type.Object({}, { additionalProperties: true }), {
    maxItems: 0, description: 'Always empty: clients authenticate with tokens of Latchkey.'
  }))
}
const NewServer = exactly({
  name: Text,
  endpoint: Type.String({ maxLength: 512, description: 'The URL of the server, as its clients use it.' }),
  tenant: Type.Optional(Type.With(Text, { description: 'The tenant that runs it; absent: the platform.' })),
  ...changeable,
  transport: Type.Enum([...transports])
})
const ServerChange = exactly({ name: Type.Optional(Text), ...changeable })
const WireServer = Type.Object({
  id: Type.String(),
  name: Type.String(),
  endpoint: Type.String(),
  transport: Type.String(),
  grants: Type.Array(Type.Object({ tenant: Type.String() })),
  credentials: Type.Array(Type.Object({}))
})

interface Server { id: string, name: string, identifier: string }

/** The servers of the platform are seen by its tenants, too. */
const allServers = '/resources'
const ofServers = { kind: 'mcp', status: 'active' }

/** What a token for a server lets its client do. */
const scopes = [{ name: 'mcp:use', description: 'Use the tools of the server' }]

export const mcpServers: Collection = (app, plane) => {
  const { declared } = plane
  const wire = ({ id, name, identifier }: Server): Static<typeof WireServer> => {
    const { transport, grants } = declared.servers.get(id) ?? { transport: 'streamable-http', grants: [] }
    return { id, name, endpoint: identifier, transport, grants, credentials: [] }
  }
  app.get('/mcp-servers', {
    schema: {
      operationId: 'listMcpServers',
      summary: 'List the MCP servers',
      tags: ['MCP Servers'],
      querystring: PageQuerystring,
      response: { 200: pageOf(WireServer) }
    }
  }, async request =>
    shown(await plane.latchkey(request).page<Server>(allServers, request.query, ofServers), wire))

  app.post('/mcp-servers', {
    schema: {
      operationId: 'createMcpServer',
      summary: 'Register an MCP server',
      tags: ['MCP Servers'],
      body: NewServer,
      response: { 201: WireServer }
    }
  }, async (request, reply) => {
    const latchkey = plane.latchkey(request)
    await requireOperator(latchkey)
    const { name, endpoint: identifier, transport, tenant, grants = [] } = request.body
    requireTenants(plane, grants)
    const organization = tenant === undefined ? null : organizationOf(plane, tenant)
    const server = await declared.change(async () => {
      const made = await latchkey.send<Server>('POST', '/mcp-servers', { organization, name, identifier, scopes })
      declared.servers.set(made.id, { transport, grants })
      await projectPolicies(plane, latchkey)
      return made
    })
    return await reply.code(201).send(wire(server))
  })

  app.get('/mcp-servers/:id', {
    schema: {
      operationId: 'getMcpServer',
      summary: 'Get an MCP server',
      tags: ['MCP Servers'],
      params: IdParams,
      response: { 200: WireServer }
    }
  }, async request => wire(await serverOf(plane.latchkey(request), request.params.id)))

  app.put('/mcp-servers/:id', {
    schema: {
      operationId: 'updateMcpServer',
      summary: 'Update an MCP server; given grants replace all',
      tags: ['MCP Servers'],
      params: IdParams,
      body: ServerChange,
      response: { 200: WireServer }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    await requireOperator(latchkey, 'mcp-servers:write')
    const before = await serverOf(latchkey, request.params.id)
    const { name } = request.body
    requireTenants(plane, request.body.grants ?? [])
    return await declared.change(async () => {
      const { transport, grants } = wire(before)
      const server = name === undefined
        ? before
        : await latchkey.send<Server>('PATCH', `/mcp-servers/${before.id}`, { name })
      declared.servers.set(server.id, {
        transport: request.body.transport ?? transport, grants: request.body.grants ?? grants
      })
      await projectPolicies(plane, latchkey)
      return wire(server)
    })
  })

  app.delete('/mcp-servers/:id', {
    schema: {
      operationId: 'deleteMcpServer',
      summary: 'Delete an MCP server; tokens for it are refused',
      tags: ['MCP Servers'],
      params: IdParams,
      response: { 200: Ended }
    }
  }, async request => {
    const latchkey = plane.latchkey(request)
    await requireOperator(latchkey)
    const { id } = await serverOf(latchkey, request.params.id)
    await declared.change(async () => {
      await latchkey.send('DELETE', `/mcp-servers/${id}`)
      declared.servers.delete(id)
      await projectPolicies(plane, latchkey)
    })
    return { id, status: 'deleted' }
  })
}

/** @throws Refusal MCP_SERVER_NOT_FOUND. */
async function serverOf (latchkey: Latchkey, id: string): Promise<Server> {
  const found = (await latchkey.all<Server>(allServers, ofServers)).find(server => server.id === id)
  if (found === undefined) {
    throw new Refusal(404, 'MCP_SERVER_NOT_FOUND', `There is no MCP server ${JSON.stringify(id)}.`)
  }
  return found
}

function organizationOf ({ declared }: Plane, name: string): string {
  const organization = declared.tenants.get(name)?.organization
  if (organization === undefined) {
    throw new Refusal(404, 'TENANT_NOT_FOUND', `There is no tenant ${JSON.stringify(name)}.`)
  }
  return organization
}

function requireTenants (plane: Plane, grants: readonly { tenant: string }[]): void {
  for (const { tenant } of grants) organizationOf(plane, tenant)
}
