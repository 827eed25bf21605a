/** An MCP client by the TypeScript SDK, version 2, that knows the URL of a server and keeps all else in memory. */
import {
  auth, Client, StreamableHTTPClientTransport, UnauthorizedError,
  type OAuthClientMetadata, type OAuthClientProvider, type StoredOAuthTokens
} from '@modelcontextprotocol/client'

export interface McpClientOptions {
  url: string
  redirectUri: string
  /** The URL of its metadata document; left out: it registers itself where it has to. */
  metadataUrl?: string
  /** Brings the person to the authorization server; returns the URL that they come back to. */
  open (url: URL): Promise<URL>
  fetch?: typeof fetch
}

export interface McpClient {
  /** The text that a tool answers; the person is asked where they have to be. @throws what the SDK throws. */
  call (tool: string): Promise<string>
  /** Gets another access token by its refresh token. */
  refresh (): Promise<void>
  tokens (): StoredOAuthTokens | undefined
  clientId (): string | undefined
}

/** What it registers, and has in its document. */
export function clientMetadata (redirectUri: string): OAuthClientMetadata {
  return {
    client_name: 'Notes on the Desk',
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none'
  }
}

type Provider = OAuthClientProvider & { callback: URL | null }

function newProvider ({ redirectUri, metadataUrl, open }: McpClientOptions): Provider {
  const kept: Record<string, any> = {}
  return {
    callback: null,
    redirectUrl: redirectUri,
    ...(metadataUrl !== undefined && { clientMetadataUrl: metadataUrl }),
    clientMetadata: clientMetadata(redirectUri),
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
    invalidateCredentials: scope => {
      if (scope === 'tokens' || scope === 'all') delete kept.tokens
      if (scope === 'client' || scope === 'all') delete kept.client
    },
    async redirectToAuthorization (url) {
      const callback = await open(url)
      if (callback.searchParams.get('state') !== kept.state) throw new Error('the state is another one')
      this.callback = callback
    }
  }
}

export function newMcpClient (options: McpClientOptions): McpClient {
  const provider = newProvider(options)
  const attempt = async (tool: string): Promise<string> => {
    const transport = new StreamableHTTPClientTransport(new URL(options.url), {
      authProvider: provider, ...(options.fetch && { fetch: options.fetch })
    })
    const client = new Client({ name: 'desk', version: '1.0.0' })
    try {
      await client.connect(transport)
      const { content } = await client.callTool({ name: tool, arguments: {} })
      return content[0]?.type === 'text' ? content[0].text : ''
    } catch (error) {
      const { callback } = provider
      provider.callback = null
      if (!(error instanceof UnauthorizedError) || callback === null) throw error
      await transport.finishAuth(callback.searchParams)
      return await attempt(tool)
    } finally {
      await client.close()
    }
  }
  return {
    call: attempt,
    refresh: async () => { await auth(provider, { serverUrl: options.url }) },
    tokens: () => provider.tokens() as StoredOAuthTokens | undefined,
    clientId: () => (provider.clientInformation() as { client_id: string } | undefined)?.client_id
  }
}
