// The server by the TypeScript SDK of docs/guides/mcp.md as it was: anyone may call its tool.
import { createMcpExpressApp } from '@modelcontextprotocol/sdk/server/express.js'
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js'
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js'

function tools () {
  const server = new McpServer({ name: 'tools', version: '1.0.0' })
  server.registerTool('whoami', { description: 'Who calls.' }, () => ({
    content: [{ type: 'text', text: 'anyone' }]
  }))
  return server
}

const app = createMcpExpressApp()
app.all('/mcp', async (request, response) => {
  if (request.method !== 'POST') return response.status(405).end()
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined })
  response.on('close', () => transport.close())
  await tools().connect(transport)
  await transport.handleRequest(request, response, request.body)
})
app.listen(8000, '127.0.0.1')
