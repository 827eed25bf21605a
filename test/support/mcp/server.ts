/** An MCP server by the TypeScript SDK with two tools, behind a remote guard: notes are read, and written. */
import { mcpAuthMetadataRouter } from '@modelcontextprotocol/sdk/server/auth/router.js'
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { expressGuard, type ExpressRequest } from '../../../packages/guard/src/express.ts'
import { openGuard } from '../../../packages/guard/src/index.ts'
import type { Principal } from '../../../src/domain/access/principal.ts'

export const readScope = 'notes:read'
export const writeScope = 'notes:write'

/** The scopes that the resource of this server declares. */
export const noteScopes = [
  { name: readScope, description: 'Read your notes' }, { name: writeScope, description: 'Write notes for you' }
]

export interface McpServerOptions {
  /** The authorization server. */
  issuer: string
  port: number
  /** A client that may introspect the resource `http://localhost:PORT/mcp`. */
  clientId: string
  clientSecret: string
  /** PEM, besides those of the system. */
  ca?: string
}

export interface McpServerUnderGuard {
  url: string
  stop (): Promise<void>
}

type Request = ExpressRequest & { body: { method?: string, params?: { name?: string } } }

/** Starts one. Its metadata name the scope for reading; a call that writes is refused with the scopes that it needs. */
export async function startMcpServer (
  { issuer, port, clientId, clientSecret, ca }: McpServerOptions
): Promise<McpServerUnderGuard> {
  const url = new URL(`http://localhost:${port}/mcp`)
  const guard = await openGuard({ server: issuer, clientId, clientSecret, resource: url.href, ...(ca && { ca }) })
  const reading = expressGuard(guard, { scopes: [readScope] })
  const writing = expressGuard(guard, { scopes: [readScope, writeScope] })
  const metadata = await (await fetch(`${issuer}/.well-known/oauth-authorization-server`)).json() as never
  const app = createMcpExpressApp()
  app.use(mcpAuthMetadataRouter({ oauthMetadata: metadata, resourceServerUrl: url, scopesSupported: [readScope] }))
  app.post('/mcp', (request: Request, response: ServerResponse, next: () => void) => {
    const { method, params } = request.body
    const guarded = method === 'tools/call' && params?.name === 'add_note' ? writing : reading
    return guarded(request, response, next)
  }, async (request: Request, response: ServerResponse) => {
    await answer(request, response, request.principal!)
  })
  // No stream beside the answers.
  app.all('/mcp', (_request: Request, response: ServerResponse) => { response.writeHead(405, { allow: 'POST' }).end() })
  const server: Server = await new Promise(resolve => {
    const listening: Server = app.listen(port, '127.0.0.1', () => resolve(listening))
  })
  return {
    url: url.href,
    async stop () {
      server.close()
      server.closeAllConnections()
      await guard.stop()
    }
  }
}

async function answer (request: Request, response: ServerResponse, principal: Principal): Promise<void> {
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true })
  response.on('close', () => { transport.close().catch(() => {}) })
  const { id, actingFor } = principal
  const added = `${actingFor?.clientId} wrote for ${id}`
  const server = new McpServer({ name: 'notes', version: '1.0.0' })
  const text = (said: string) => ({ content: [{ type: 'text' as const, text: said }] })
  server.registerTool('list_notes', { description: 'Your notes.' }, () => text(`the notes of ${id}`))
  server.registerTool('add_note', { description: 'Write a note.' }, () => text(added))
  await server.connect(transport as never)
  await transport.handleRequest(request as IncomingMessage, response, request.body)
}
