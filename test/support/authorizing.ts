/** The authorization code grant in tests: clients that ask people, people who answer, and the tokens that result. */
import { createHash, randomBytes } from 'node:crypto'
import { allow } from '../../src/domain/authorizations/allow.ts'
import type { Authorization } from '../../src/domain/authorizations/authorization.ts'
import type { Consent } from '../../src/domain/authorizations/consent.ts'
import { hostResourceId } from '../../src/domain/resources/resource.ts'
import type { Client, ClientMetadata } from '../../src/domain/credentials/client.ts'
import { newClientSecret } from '../../src/domain/credentials/client.ts'
import { newId, newSecret } from '../../src/secrets/random.ts'
import { fromOwnPages } from './people.ts'
import { newBrowser, type Browser, type Visit } from './browsing.ts'
import type { Answer, Json, TestServer } from './test-server.ts'

export const callback = 'https://app.example.test/callback'

export interface AskingClient { id: string, secret: string | null, redirectUri: string }

/** A client that asks people; a public one on the web unless told otherwise. */
export async function createAskingClient (
  { latchkey: { operation: { store } }, clock }: Pick<TestServer, 'latchkey' | 'clock'>,
  metadata: Partial<ClientMetadata> = {}, more: Partial<Client> = {}
): Promise<AskingClient> {
  const { token_endpoint_auth_method: method = 'none' } = metadata
  const secret = method.startsWith('client_secret') ? newSecret() : null
  const redirectUris = (metadata.redirect_uris ?? [callback]) as string[]
  const client: Client = {
    id: newId('cli'),
    organizationId: null,
    name: 'Weather Agent',
    origin: 'operator',
    metadata: {
      token_endpoint_auth_method: method,
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      redirect_uris: redirectUris,
      ...metadata
    },
    secrets: secret === null ? [] : [newClientSecret(secret, clock.now())],
    grants: [],
    allowlist: [],
    introspects: [],
    assertionProfile: 'strict',
    pkceRequired: true,
    generation: 1,
    registrationAccessDigest: null,
    registrationTokenId: null,
    creatorId: null,
    createdAt: clock.now(),
    lastUsedAt: null,
    revokedAt: null,
    revokedReason: null,
    disabledAt: null,
    disabledReason: null,
    annotations: {},
    externalId: null,
    revision: 1,
    ...more
  }
  await store.clients.insert(client)
  return { id: client.id, secret, redirectUri: redirectUris[0]! }
}

/** What a member allows a client at the API of the server, without the pages. */
export async function allowedBy (
  { latchkey: { operation } }: Pick<TestServer, 'latchkey'>, memberId: string, clientId: string,
  scopes: readonly string[] = []
): Promise<{ authorization: Authorization, consent: Consent }> {
  const { store } = operation
  const [member, client] = [(await store.members.get(memberId))!, (await store.clients.get(clientId))!]
  const resourceId = hostResourceId
  const allowed = { member, client, resourceId, scopes, identityScopes: [], isRemembered: false }
  const authorization = await allow(operation, allowed)
  return { authorization, consent: (await store.consents.about({ memberId, clientId, resourceId }))! }
}

/** Registers a client by RFC 7591, openly; `change` replaces members of its metadata by RFC 7592, `remove` ends it. */
export async function registerAskingClient (server: Pick<TestServer, 'send'>, more: Json = {}) {
  const metadata = {
    client_name: 'Weather Agent', redirect_uris: [callback], token_endpoint_auth_method: 'none', ...more
  }
  const { status, text, json } = await server.send({ method: 'POST', path: '/api/v1/oauth/register', body: metadata })
  if (status !== 201) throw new Error(text)
  const manage = async (method: string, body?: Json) => {
    const answer = await server.send({
      method,
      path: new URL(json.registration_client_uri).pathname,
      headers: { authorization: `Bearer ${json.registration_access_token}` },
      ...(body === undefined ? {} : { body })
    })
    if (answer.status >= 300) throw new Error(answer.text)
  }
  const client: AskingClient = { id: json.client_id, secret: null, redirectUri: metadata.redirect_uris[0]! }
  return {
    client,
    change: (members: Json) => manage('PUT', { client_id: client.id, ...metadata, ...members }),
    remove: () => manage('DELETE')
  }
}

export interface Pkce { verifier: string, challenge: string }

export function newPkce (): Pkce {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

/** The URL that a client sends a browser to; a parameter that is '' is left out. */
export function authorizationUrl (
  { url }: Pick<TestServer, 'url'>, client: AskingClient, challenge: string, more: Record<string, string> = {}
): string {
  const parameters = {
    response_type: 'code',
    client_id: client.id,
    redirect_uri: client.redirectUri,
    code_challenge: challenge,
    code_challenge_method: 'S256',
    state: 'a-state',
    ...more
  }
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== ''))
  return `${url}/api/v1/oauth/authorize?${query}`
}

/** A browser with the session of a person. */
export function browserOf (
  { url }: Pick<TestServer, 'url'>, { cookie }: { cookie: string }, browser: Browser = newBrowser()
): Browser {
  const [name, value] = cookie.split('=') as [string, string]
  browser.cookies.set(new URL(url).host, new Map([[name, value]]))
  return browser
}

export const isCallback = (location: string): boolean => !location.startsWith('http://127.0.0.1')

/** Answers the consent page, and goes on as far as the client or another page. */
export async function answerPage (
  server: Pick<TestServer, 'url' | 'issuer'>, browser: Browser, page: Visit, decision: 'allow' | 'deny',
  until = isCallback
): Promise<Visit> {
  const action = /<form method="post" action="(\/api\/v1\/auth\/consent\/[^"]+)"/.exec(page.text)?.[1]
  const shown = /name="shown" value="([^"]*)"/.exec(page.text)?.[1]
  if (action === undefined || shown === undefined) throw new Error(`no consent page: ${page.status} ${page.text}`)
  const answer = await browser.send('POST', server.url + action, { decision, shown }, fromOwnPages)
  const location = answer.headers.location
  if (location === undefined) return answer
  const next = new URL(location, server.url).href
  return until(next) ? { ...answer, url: next } : await browser.open(next, until)
}

/** The parameters that the client gets back. */
export function returned ({ url }: Visit): Record<string, string> {
  const { searchParams, hash } = new URL(url)
  return Object.fromEntries([...searchParams, ...new URLSearchParams(hash.slice(1))])
}

/** Asks a person, who allows it; returns what the client gets back. */
export async function authorize (
  server: TestServer, client: AskingClient, person: { cookie: string }, more: Record<string, string> = {},
  until = isCallback
): Promise<Record<string, string> & { verifier: string }> {
  const { verifier, challenge } = newPkce()
  const browser = browserOf(server, person)
  const page = await browser.open(authorizationUrl(server, client, challenge, more), until)
  const end = until(page.url) ? page : await answerPage(server, browser, page, 'allow', until)
  return { ...returned(end), verifier }
}

/** Sends a token request as the client. */
export async function tokenAs (
  server: Pick<TestServer, 'send'>, { id, secret }: AskingClient, parameters: Record<string, string>
): Promise<Answer> {
  const form = new URLSearchParams({ client_id: id, ...(secret !== null && { client_secret: secret }), ...parameters })
  return await server.send({ method: 'POST', path: '/api/v1/auth/token', body: form })
}

/** Redeems a code. */
export async function redeem (
  server: Pick<TestServer, 'send'>, client: AskingClient, { code, verifier }: { code?: string, verifier: string },
  more: Record<string, string> = {}
): Promise<Answer> {
  return await tokenAs(server, client, {
    grant_type: 'authorization_code',
    code: code ?? '',
    code_verifier: verifier,
    redirect_uri: client.redirectUri,
    ...more
  })
}
