/**
 * `@modelcontextprotocol/sdk`, version 1 of the TypeScript SDK. Two things are left to the program: the issuer of the
 * authorization response, which the SDK does not see, and a 403, where the SDK tries the refresh token, which gives no
 * more than before.
 */
import { auth, type OAuthClientProvider } from '@modelcontextprotocol/sdk/client/auth.js'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport, StreamableHTTPError } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { clientMetadata } from '../../support/mcp/client.ts'
import { askPerson, goThrough } from './steps.ts'

const { MCP_URL, REDIRECT_URI, METADATA_URL } = process.env
const kept: Record<string, any> = {}
const provider: OAuthClientProvider = {
  redirectUrl: REDIRECT_URI!,
  ...(METADATA_URL && { clientMetadataUrl: METADATA_URL }),
  clientMetadata: clientMetadata(REDIRECT_URI!),
  state: () => {
    kept.state = crypto.randomUUID()
    return kept.state
  },
  clientInformation: () => kept.client,
  saveClientInformation: client => { kept.client = client },
  tokens: () => kept.tokens,
  saveTokens: tokens => { kept.tokens = tokens },
  codeVerifier: () => kept.verifier,
  saveCodeVerifier: verifier => { kept.verifier = verifier },
  discoveryState: () => kept.discovery,
  saveDiscoveryState: discovery => { kept.discovery = discovery },
  invalidateCredentials: scope => { if (scope === 'tokens' || scope === 'all') delete kept.tokens },
  async redirectToAuthorization (url) {
    const { searchParams } = await askPerson(url)
    if (searchParams.get('state') !== kept.state) throw new Error('the state is another one')
    const { issuer } = kept.discovery.authorizationServerMetadata
    if (searchParams.get('iss') !== issuer) throw new Error(`the issuer is not ${issuer}`)
    kept.code = searchParams.get('code')
  }
}

async function call (tool: string): Promise<string> {
  const transport = new StreamableHTTPClientTransport(new URL(MCP_URL!), { authProvider: provider })
  const client = new Client({ name: 'desk', version: '1.0.0' })
  try {
    await client.connect(transport as never)
    const { content } = await client.callTool({ name: tool, arguments: {} })
    return (content as { text: string }[])[0]!.text
  } catch (error) {
    const { code } = kept
    delete kept.code
    if (code !== undefined) {
      await transport.finishAuth(code)
      return await call(tool)
    }
    if (!(error instanceof StreamableHTTPError && error.code === 403) || kept.tokens.refresh_token === undefined) {
      throw error
    }
    delete kept.tokens.refresh_token
    return await call(tool)
  } finally {
    await client.close()
  }
}

await goThrough({
  call,
  refresh: async () => { await auth(provider, { serverUrl: MCP_URL! }) },
  tokens: () => ({ access: kept.tokens.access_token, refresh: kept.tokens.refresh_token }),
  clientId: () => kept.client.client_id
})
