/**
 * Walks the way of a client from the URL of an MCP server to an answer with a token, at any server, and names the first
 * thing at which it would fail. The tokens that it gets are revoked, and a client that it registers is deleted again.
 */
import { ok, skipped, warning, type Finding } from '../finding.ts'
import { readAuthorizationServer, type AuthorizationServer } from './authorization-server.ts'
import { openCallback, type Callback } from './callback.ts'
import { AuthorizationRequest, register, unregister, type Client } from './client.ts'
import { said, Stuck } from './documents.ts'
import { greet, readChallenge, readResource, type ProtectedResource } from './resource-server.ts'

export interface WalkOptions {
  /** A client that the authorization server knows, or the URL of a metadata document; null: it registers one. */
  clientId: string | null
  /** Asked for instead of those that the server names; null: those. */
  scopes: readonly string[] | null
  /** Brings a person to a page; null: the walk ends where one is needed. */
  open: ((url: string) => void) | null
  /** Seconds for which it waits for the person. */
  patience: number
}

/** The checks in their order, up to the first that fails. Never throws: an error is a finding. */
export async function walk (url: string, options: WalkOptions): Promise<Finding[]> {
  const findings: Finding[] = []
  try {
    await goAsFarAsPossible(url, options, findings)
  } catch (error) {
    if (!(error instanceof Stuck)) throw error
    findings.push(error.finding)
  }
  return findings
}

async function goAsFarAsPossible (url: string, options: WalkOptions, findings: Finding[]): Promise<void> {
  const challenge = await readChallenge(url)
  findings.push(...challenge.findings)
  const { finding, protectedResource } = await readResource(url, challenge.metadataUrl, challenge.scopes)
  findings.push(finding)
  const { findings: found, server } = await readAuthorizationServer(protectedResource.authorizationServer)
  findings.push(...found)
  const resource = { ...protectedResource, scopes: [...options.scopes ?? protectedResource.scopes] }
  const callback = await openCallback()
  let client: Client | null = null
  try {
    client = await introduce(server, options, callback, findings)
    if (client !== null) await signIn(url, { server, client, callback, resource }, options, findings)
  } finally {
    callback.close()
    if (client !== null) await unregister(client)
  }
}

/** Null: the client cannot introduce itself. */
async function introduce (
  { registrationEndpoint }: AuthorizationServer, { clientId }: WalkOptions, { redirectUri }: Callback,
  findings: Finding[]
): Promise<Client | null> {
  if (clientId !== null) return { id: clientId, registration: null }
  if (registrationEndpoint === null) {
    findings.push(skipped('register', 'needs --client-id: this server registers no clients'))
    return null
  }
  const { finding, client } = await register(registrationEndpoint, redirectUri)
  findings.push(finding)
  return client
}

interface SignIn { server: AuthorizationServer, client: Client, callback: Callback, resource: ProtectedResource }

async function signIn (
  url: string, { server, client, callback, resource }: SignIn, { open, patience }: WalkOptions, findings: Finding[]
): Promise<void> {
  const request = new AuthorizationRequest(server, client, callback.redirectUri, resource)
  findings.push(await request.probe(), await request.probeForeign())
  if (open === null) {
    findings.push(skipped('token', 'needs a person: run it in a terminal, with --sign-in'))
    return
  }
  open(request.url())
  try {
    await getToken(url, request, { server, callback, patience }, findings)
  } finally {
    findings.push(...await request.end())
  }
}

async function getToken (
  url: string, request: AuthorizationRequest,
  { server, callback, patience }: Pick<SignIn, 'server' | 'callback'> & Pick<WalkOptions, 'patience'>,
  findings: Finding[]
): Promise<void> {
  const code = request.read(await withPatience(callback.response, patience))
  findings.push(ok('authorization response', server.namesIssuer ? 'a code, with state and iss' : 'a code, with state'))
  const tokens = await request.redeem(code)
  findings.push(ok('token', tokens.found))
  findings.push(await useToken(url, tokens.access), await useTampered(url, tokens.access))
  if (tokens.refresh === null) {
    findings.push(warning(
      'refresh', 'there is no refresh token',
      'Give one to clients that register the grant type refresh_token: they ask the person again when the token ends.'
    ))
  } else findings.push(ok('refresh', (await request.refresh(tokens.refresh)).found))
}

async function withPatience<T> (promise: Promise<T>, seconds: number): Promise<T> {
  const timer = Promise.withResolvers<never>()
  const timeout = setTimeout(() => {
    timer.reject(new Stuck(
      'authorization response', `none arrived within ${seconds} seconds`,
      'Finish on the page that was opened; if it shows an error, that is where clients fail, too.'
    ))
  }, seconds * 1000)
  try {
    return await Promise.race([promise, timer.promise])
  } finally {
    clearTimeout(timeout)
  }
}

async function useToken (url: string, token: string): Promise<Finding> {
  const check = 'MCP with the token'
  const answer = await greet(check, url, token)
  if (answer.status === 200 && typeof answer.json?.result === 'object') return ok(check, 'initialized')
  const challenge = answer.headers.get('www-authenticate')
  throw new Stuck(
    check, `${url} answers ${said(answer)}${challenge === null ? '' : ` (${challenge})`}`,
    'Let the MCP server accept tokens of this issuer whose aud is its own resource.'
  )
}

async function useTampered (url: string, token: string): Promise<Finding> {
  const check = 'MCP with a changed token'
  // In the middle of the signature: the last character of base64url may hold bits that do not count.
  const at = token.length - 10
  const changed = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`
  const { status } = await greet(check, url, changed)
  if (status === 401) return ok(check, 'refused')
  throw new Stuck(check, `${url} answers ${status}`, 'Verify the signature of each token, or introspect it.')
}
