/** What an MCP server says to a client without a token: the challenge, and the metadata of the resource (RFC 9728). */
import { ok, warning, type Finding } from '../finding.ts'
import { ask, said, Stuck, texts, wellKnown, type Answer } from './documents.ts'

/** What a client learns: where its tokens come from, for which resource, and with which scopes. */
export interface ProtectedResource { resource: string, authorizationServer: string, scopes: string[] }

/** The first message of every client of MCP. */
const initialize = {
  jsonrpc: '2.0',
  id: 1,
  method: 'initialize',
  params: {
    protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'latchkey doctor', version: '1' }
  }
}

/** Sends the first message of a client; `token` null: without a credential. */
export function greet (check: string, url: string, token: string | null): Promise<Answer> {
  return ask(check, url, {
    method: 'POST',
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` })
    },
    body: JSON.stringify(initialize)
  })
}

/** Reads the challenge of the server. `metadataUrl` null: it names none. @throws Stuck */
export async function readChallenge (
  url: string
): Promise<{ findings: Finding[], metadataUrl: string | null, scopes: string[] }> {
  const check = 'challenge'
  const answer = await greet(check, url, null)
  if (answer.status === 200) {
    throw new Stuck(
      check, `${url} answers without a credential`,
      'Guard the route of the MCP server: clients begin to sign in when they meet a 401.'
    )
  }
  if (answer.status !== 401) {
    throw new Stuck(
      check, `${url} answers a message without a credential by ${said(answer)}, not by 401`,
      'Name the URL that clients connect to, such as https://mcp.example.com/mcp, and answer 401 there.'
    )
  }
  const challenge = answer.headers.get('www-authenticate') ?? ''
  const metadataUrl = /\bresource_metadata\s*=\s*"([^"]+)"/i.exec(challenge)?.[1] ?? null
  const scopes = /\bscope\s*=\s*"([^"]*)"/i.exec(challenge)?.[1]?.split(' ').filter(scope => scope !== '') ?? []
  if (/^bearer\b/i.test(challenge) && metadataUrl !== null) {
    return { findings: [ok(check, `401 with resource_metadata ${metadataUrl}`)], metadataUrl, scopes }
  }
  const found = challenge === '' ? 'has no WWW-Authenticate' : `has no resource_metadata: ${challenge}`
  const example = `WWW-Authenticate: Bearer resource_metadata="${wellKnown(url, 'oauth-protected-resource')}"`
  return {
    findings: [warning(check, `the 401 ${found}`, `Send ${example}: some clients look nowhere else.`)],
    metadataUrl,
    scopes
  }
}

/** Reads the metadata of the resource, where the challenge or the well-known paths have it. @throws Stuck */
export async function readResource (
  url: string, named: string | null, challenged: readonly string[]
): Promise<{ finding: Finding, protectedResource: ProtectedResource }> {
  const check = 'resource metadata'
  const places = named === null
    ? [...new Set([url, new URL(url).origin].map(identifier => wellKnown(identifier, 'oauth-protected-resource')))]
    : [new URL(named, url).href]
  const answers: Answer[] = []
  for (const place of places) {
    const answer = await ask(check, place)
    answers.push(answer)
    if (answer.status === 200) break
  }
  const { status, json, url: place } = answers.at(-1)!
  if (status !== 200 || json === null) {
    const tried = answers.map(answer => `${answer.url} answers ${said(answer)}`).join('; ')
    throw new Stuck(check, tried, 'Serve a JSON object there with resource and authorization_servers (RFC 9728 §3.2).')
  }
  const { resource } = json
  if (typeof resource !== 'string' || !isResourceOf(resource, url)) {
    throw new Stuck(
      check, `${place} is about ${JSON.stringify(resource)}, not about ${url}`,
      `Set resource to ${url}: clients refuse the metadata of another resource (RFC 9728 §3.3).`
    )
  }
  const [authorizationServer] = texts(json.authorization_servers)
  if (authorizationServer === undefined || URL.parse(authorizationServer) === null) {
    throw new Stuck(check, `${place} names no authorization server`, 'Name its issuer in authorization_servers.')
  }
  const scopes = challenged.length > 0 ? [...challenged] : texts(json.scopes_supported)
  return {
    finding: ok(check, `${resource} takes tokens of ${authorizationServer}`),
    protectedResource: { resource, authorizationServer, scopes }
  }
}

/** Whether metadata of this resource is about a URL: the URL itself, or a path above it on the same origin. */
function isResourceOf (resource: string, url: string): boolean {
  const [named, asked] = [URL.parse(resource), new URL(url)]
  if (named === null || named.origin !== asked.origin) return false
  const above = named.pathname.replace(/\/$/, '')
  return asked.pathname === named.pathname || asked.pathname === above || asked.pathname.startsWith(`${above}/`)
}
