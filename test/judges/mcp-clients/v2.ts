/** `@modelcontextprotocol/client`, version 2 of the TypeScript SDK: it does all of it by itself. */
import { newMcpClient } from '../../support/mcp/client.ts'
import { askPerson, goThrough } from './steps.ts'

const { MCP_URL, REDIRECT_URI, METADATA_URL } = process.env
const client = newMcpClient({
  url: MCP_URL!, redirectUri: REDIRECT_URI!, open: askPerson, ...(METADATA_URL && { metadataUrl: METADATA_URL })
})
await goThrough({
  call: client.call,
  refresh: client.refresh,
  tokens: () => ({ access: client.tokens()!.access_token, refresh: client.tokens()!.refresh_token! }),
  clientId: () => client.clientId()!
})
