/** `latchkey doctor mcp`: at MCP servers of others, each with one thing wrong, it names that thing. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import tap, { type Test } from 'tap'
import type { Finding } from '../../src/server/doctor/finding.ts'
import { walk, type WalkOptions } from '../../src/server/doctor/mcp/walk.ts'
import { latchkeyCommand, ownEnvironment, run } from '../support/running-server.ts'

/** `raw`: a body that is no JSON. */
interface Reply { status: number, headers?: Record<string, string>, body?: unknown, raw?: string }

type Route = (request: { url: URL, sent: string, headers: IncomingMessage['headers'] }) => Reply

/** An MCP server with its authorization server, by `METHOD path`; everything is as it should be. */
function sound (origin: string): Record<string, Route> {
  let state = ''
  const token = { access_token: 'good-token-of-a-stranger', token_type: 'Bearer', expires_in: 60 }
  return {
    'POST /mcp': ({ headers: { authorization } }) => authorization === `Bearer ${token.access_token}`
      ? { status: 200, body: { jsonrpc: '2.0', id: 1, result: {} } }
      : {
          status: 401,
          headers: {
            'www-authenticate': `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp", ` +
            'scope="tools:call"'
          }
        },
    'GET /.well-known/oauth-protected-resource/mcp': () => ({
      status: 200, body: { resource: `${origin}/mcp`, authorization_servers: [origin] }
    }),
    'GET /.well-known/oauth-authorization-server': () => ({
      status: 200,
      body: {
        issuer: origin,
        authorization_endpoint: `${origin}/authorize`,
        token_endpoint: `${origin}/token`,
        registration_endpoint: `${origin}/register`,
        revocation_endpoint: `${origin}/revoke`,
        code_challenge_methods_supported: ['S256'],
        authorization_response_iss_parameter_supported: true
      }
    }),
    'POST /register': ({ sent }) => ({
      status: 201,
      body: {
        ...JSON.parse(sent) as object,
        client_id: 'c1',
        registration_client_uri: `${origin}/register/c1`,
        registration_access_token: 't'
      }
    }),
    'DELETE /register/c1': () => ({ status: 204 }),
    'POST /revoke': ({ sent }) => ({ status: sent.includes('client_id=c1') ? 200 : 401 }),
    'GET /authorize': ({ url: { searchParams } }) => {
      const redirect = new URL(searchParams.get('redirect_uri')!)
      if (redirect.hostname !== '127.0.0.1') return { status: 400, body: { error: 'invalid_request' } }
      state = searchParams.get('state')!
      return { status: 200, headers: { 'x-back': `${redirect.href}?code=c&state=${state}&iss=${origin}` } }
    },
    'POST /token': ({ sent }) => /grant_type=refresh_token|&code_verifier=/.test(sent)
      ? { status: 200, body: { ...token, refresh_token: 'r1' } }
      : { status: 400, body: { error: 'invalid_grant' } }
  }
}

/** Serves the routes; `asked`: each request, as `METHOD path`. */
async function serve (
  t: Test, change: (origin: string, routes: Record<string, Route>) => Record<string, Route>
): Promise<{ url: string, asked: string[] }> {
  const asked: string[] = []
  let routes: Record<string, Route> = {}
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => { response.writeHead(500).end(String(error)) })
  })
  async function answer (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url!, 'http://localhost')
    const name = `${request.method} ${url.pathname}`
    const sent = await text(request)
    asked.push(name)
    const { status, headers, body, raw } = routes[name]?.({ url, sent, headers: request.headers }) ?? { status: 404 }
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(body === undefined ? raw ?? '' : JSON.stringify(body))
  }
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  routes = change(origin, sound(origin))
  return { url: `${origin}/mcp`, asked }
}

/** A person that follows the page back to the client at once; `edit`: what arrives there instead. */
function person (edit: (back: string) => string = back => back): WalkOptions['open'] {
  return url => {
    fetch(url).then(async page => await fetch(edit(page.headers.get('x-back')!))).catch(tap.fail)
  }
}

const options: WalkOptions = { clientId: null, scopes: null, open: person(), patience: 30 }

function worst (findings: readonly Finding[]): Finding | undefined {
  return findings.find(({ status }) => status === 'failed') ?? findings.find(({ status }) => status === 'warning')
}

tap.test('at a sound server every step is ok; its tokens are revoked, and the client that it registered is deleted', async t => {
  const { url, asked } = await serve(t, (_origin, routes) => routes)
  const findings = await walk(url, options)
  t.strictSame(findings.filter(({ status }) => status !== 'ok'), [])
  t.strictSame(findings.map(({ check }) => check), [
    'challenge', 'resource metadata', 'authorization server', 'PKCE', 'registration', 'issuer in responses', 'register',
    'authorization request', 'foreign redirect URI', 'authorization response', 'token', 'MCP with the token',
    'MCP with a changed token', 'refresh'
  ])
  t.strictSame(asked.slice(-3), ['POST /revoke', 'POST /revoke', 'DELETE /register/c1'])
})

const metadata = (more: object) => (origin: string, routes: Record<string, Route>): Record<string, Route> => {
  const { body } = routes['GET /.well-known/oauth-authorization-server']!({} as never)
  return {
    ...routes,
    'GET /.well-known/oauth-authorization-server': () => ({ status: 200, body: { ...body as object, ...more } })
  }
}
const route = (name: string, reply: (origin: string) => Reply) =>
  (origin: string, routes: Record<string, Route>): Record<string, Route> =>
    ({ ...routes, [name]: () => reply(origin) })

/** What is wrong, the check that names it, and a part of what it says. */
const wrong: Record<string, [ReturnType<typeof route>, string, RegExp, Partial<WalkOptions>?]> = {
  'no guard': [route('POST /mcp', () => ({ status: 200, body: {} })), 'challenge', /without a credential/],
  'another path': [route('POST /mcp', () => ({ status: 404 })), 'challenge', /404, not by 401/],
  'no challenge': [route('POST /mcp', () => ({ status: 401 })), 'challenge', /no WWW-Authenticate/, { open: null }],
  'no metadata': [
    route('GET /.well-known/oauth-protected-resource/mcp', () => ({ status: 404 })), 'resource metadata', /404/
  ],
  'metadata of another resource': [
    route('GET /.well-known/oauth-protected-resource/mcp', origin => ({
      status: 200, body: { resource: 'https://other.example/mcp', authorization_servers: [origin] }
    })),
    'resource metadata',
    /is about "https:\/\/other/
  ],
  'no authorization server': [
    route('GET /.well-known/oauth-protected-resource/mcp', origin => ({
      status: 200, body: { resource: `${origin}/mcp`, authorization_servers: [] }
    })),
    'resource metadata',
    /no authorization server/
  ],
  'another issuer': [metadata({ issuer: 'https://other.example' }), 'authorization server', /has the issuer/],
  'an endpoint in clear': [
    metadata({ token_endpoint: 'http://other.example/token' }), 'authorization server', /token_endpoint is http/
  ],
  'no code flow': [metadata({ authorization_endpoint: undefined }), 'authorization server', /authorization_endpoint/],
  'PKCE plain alone': [metadata({ code_challenge_methods_supported: ['plain'] }), 'PKCE', /plain/],
  'no registration': [metadata({ registration_endpoint: undefined }), 'registration', /introduce/, { open: null }],
  'no issuer in responses': [
    metadata({ authorization_response_iss_parameter_supported: false }), 'issuer in responses', /not true/
  ],
  'a registration that is refused': [
    route('POST /register', () => ({
      status: 400, body: { error: 'invalid_redirect_uri', error_description: 'no loopback' }
    })),
    'register',
    /400 invalid_redirect_uri: no loopback/
  ],
  'a registration that changes the redirect URI': [
    route('POST /register', () => ({ status: 201, body: { client_id: 'c1', redirect_uris: ['http://x.example'] } })),
    'register',
    /no redirect URI/
  ],
  'a request that is refused': [
    route('GET /authorize', () => ({ status: 400, body: { error: 'invalid_target' } })), 'authorization request',
    /invalid_target/
  ],
  'an open redirector': [
    (_origin, routes) => ({
      ...routes,
      'GET /authorize': ({ url: { searchParams } }) => ({
        status: 302, headers: { location: `${searchParams.get('redirect_uri')}?code=c` }
      })
    }),
    'foreign redirect URI',
    /not registered/,
    { open: null }
  ],
  'a token that is refused': [
    route('POST /token', () => ({ status: 400, body: { error: 'invalid_grant' } })), 'token', /invalid_grant/
  ],
  'a token for another resource': [
    route('POST /token', () => ({
      status: 200, body: { access_token: 'of-another-resource-x', token_type: 'Bearer' }
    })),
    'MCP with the token',
    /401/
  ],
  'a signature that is not verified': [
    (_origin, routes) => ({
      ...routes,
      'POST /mcp': request => request.headers.authorization === undefined
        ? routes['POST /mcp']!(request)
        : { status: 200, body: { result: {} } }
    }),
    'MCP with a changed token',
    /answers 200/
  ],
  'no revocation': [metadata({ revocation_endpoint: undefined }), 'revocation', /no revocation_endpoint/],
  'a revocation that is refused': [
    route('POST /revoke', () => ({ status: 503 })), 'revocation', /revoke answers 503/
  ],
  'no refresh token': [
    route('POST /token', () => ({
      status: 200, body: { access_token: 'good-token-of-a-stranger', token_type: 'bearer' }
    })),
    'refresh',
    /no refresh token/
  ],
  'another state': [
    (_origin, routes) => routes, 'authorization response', /state/,
    { open: person(back => back.replace(/state=[^&]+/, 'state=x')) }
  ],
  'another issuer in the response': [
    (_origin, routes) => routes, 'authorization response', /its iss is/,
    { open: person(back => back.replace(/iss=.+/, 'iss=https://other.example')) }
  ],
  'no issuer in the response': [
    (_origin, routes) => routes, 'authorization response', /no iss/,
    { open: person(back => back.replace(/&iss=.+/, '')) }
  ],
  'a person that denies': [
    (_origin, routes) => routes, 'authorization response', /access_denied/,
    { open: person(back => back.replace('code=c', 'error=access_denied')) }
  ],
  'a person that does nothing': [
    (_origin, routes) => routes, 'authorization response', /none arrived/, { open: () => {}, patience: 1 }
  ]
}

tap.test('a refusal has the remedy of its code, and a page is told by its title and what it alerts of', async t => {
  const refusedBy = async (change: ReturnType<typeof route>, more: Partial<WalkOptions> = {}) => {
    const { url } = await serve(t, change)
    return worst(await walk(url, { ...options, ...more }))!
  }
  const sentBack = async (error: string) => await refusedBy((_origin, routes) => routes, {
    open: person(back => back.replace('code=c', `error=${error}`))
  })
  t.match(await sentBack('invalid_target'), { found: /^invalid_target/, remedy: /Declare http:\/\/127.*\/mcp/ })
  t.match(await sentBack('access_denied'), { found: /^access_denied/, remedy: /Allow the access on the page/ })
  t.match(await sentBack('constructor'), { found: /^constructor/, remedy: /^The message names the parameter/ })
  const headers = { 'content-type': 'text/html; charset=utf-8' }
  const page = (status: number, body: string): Reply => ({ status, headers, raw: body })
  const alerting = '<!doctype html><title>Refused &#38; more</title><p class="a" role="alert">It &lt;is&gt;\n none.</p>'
  t.match(await refusedBy(route('GET /authorize', () => page(400, alerting))), {
    check: 'authorization request', found: /answers 400 with the page “Refused & more”: It <is> none\.$/
  })
  for (const [name, check] of [['POST /register', 'register'], ['POST /token', 'token']] as const) {
    t.match(await refusedBy(route(name, () => page(200, '<html><title>Log in</title>'))), {
      check, found: /answers 200 with the page “Log in”$/, remedy: /^A page came where programs read JSON/
    })
  }
  t.match(await refusedBy(route('GET /.well-known/oauth-authorization-server', () => page(404, '<h1>nginx</h1>'))), {
    check: 'authorization server', found: /answers 404 with a page;/, remedy: /^A page came where programs read JSON/
  })
})

tap.test('its tokens are revoked also where a later step fails', async t => {
  const { url, asked } = await serve(t, wrong['a signature that is not verified']![0])
  await walk(url, options)
  t.strictSame(asked.slice(-3), ['POST /revoke', 'POST /revoke', 'DELETE /register/c1'])
})

for (const [what, [change, check, found, more]] of Object.entries(wrong)) {
  tap.test(`${what}: the check is ${check}, with a remedy`, async t => {
    const { url } = await serve(t, change)
    const finding = worst(await walk(url, { ...options, ...more }))
    t.match(finding, { check, found })
    t.ok(finding!.remedy)
  })
}

tap.test('the command exits with 1 at a failure and with 0 without, and prints no token', async t => {
  const { url } = await serve(t, (_origin, routes) => routes)
  const env = ownEnvironment({})
  const { code, stdout } = await run(process.execPath, [latchkeyCommand, 'doctor', 'mcp', url, '--json'], { env })
  t.equal(code, 0)
  t.match(JSON.parse(stdout), { healthy: true })
  t.match(JSON.parse(stdout).findings.at(-1), { check: 'token', status: 'skipped' })
  const nothing = await run(process.execPath, [latchkeyCommand, 'doctor', 'mcp', 'http://127.0.0.1:1/mcp'], { env })
  t.match(nothing, { code: 1, stdout: /challenge +failed/ })
  const wrongUrl = await run(process.execPath, [latchkeyCommand, 'doctor', 'mcp', 'mcp.example.com'], { env })
  t.match(wrongUrl, { code: 2, stderr: /https:\/\/mcp\.example\.com\/mcp/ })
})
