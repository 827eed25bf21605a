/** Answers of a provider that are not to be trusted, and providers that fail: nobody is signed in, and others go on. */
import type { ServerResponse } from 'node:http'
import tap from 'tap'
import { newBrowser, type Browser, type Visit } from '../support/browsing.ts'
import { newKeys, startForgingProvider } from '../support/forging-provider.ts'
import { startServer } from '../support/test-server.ts'

const idp = await startForgingProvider()
const second = await startForgingProvider()
const server = await startServer({
  bare: true, environment: { ...idp.variables('UP'), ...second.variables('SECOND') }
})
tap.teardown(async () => {
  await server.close()
  await idp.close()
  await second.close()
})
const organization = (await server.admin('POST', '/organizations', { name: 'Acme' })).json.id
for (const provider of ['up', 'second']) {
  await server.admin('POST', '/trusted-providers', { organization, provider })
}
await server.admin('POST', '/invitations', { organization, email: 'ada@acme.example', role: 'member' })

const login = `${server.url}/api/v1/auth/login?provider=up`
const good = { sub: 'ada', email: 'ada@acme.example', email_verified: true }

function isSignedIn (browser: Browser): boolean {
  return browser.cookies.get(new URL(server.url).host)?.has('latchkey_session') === true
}

/** A sign-in while `change` holds. */
async function signIn (
  change: Partial<typeof idp> = {}, browser = newBrowser()
): Promise<Visit & { browser: Browser }> {
  const before = { ...idp }
  Object.assign(idp, change)
  try {
    return { ...await browser.open(login), browser }
  } finally {
    Object.assign(idp, before)
  }
}

/** The URL of a callback that is not opened yet. */
async function callbackOf (browser: Browser): Promise<string> {
  return (await browser.open(login, url => url.startsWith(server.url) && url.includes('/callback'))).url
}

tap.test('OC-03 the honest answer signs in', async t => {
  const { status, browser } = await signIn()
  t.equal(status, 200)
  t.ok(isSignedIn(browser))
})

tap.test('W1 no forged answer signs anybody in', async t => {
  const otherKeys = await newKeys()
  const ec = await newKeys('ES256')
  const secret = new TextEncoder().encode(idp.clientSecret)
  const now = Math.floor(Date.now() / 1000)
  const cases: [string, Partial<typeof idp>][] = [
    ['another iss beside the code', { callback: { iss: 'https://evil.example' } }],
    ['no iss beside the code, though it was promised', { callback: { iss: null } }],
    ['another state', { callback: { state: 'other' } }],
    ['no state', { callback: { state: null } }],
    ['no code', { callback: { code: null } }],
    ['another nonce', { claims: { ...good, nonce: 'other' } }],
    ['no nonce', { claims: { ...good, nonce: undefined } }],
    ['another issuer', { claims: { ...good, iss: second.issuer } }],
    ['another audience', { claims: { ...good, aud: 'other' } }],
    ['several audiences and another authorized party', { claims: { ...good, aud: ['latchkey', 'x'], azp: 'x' } }],
    ['an ID token that has expired', { claims: { ...good, iat: now - 7200, exp: now - 3600 } }],
    ['no subject', { claims: { ...good, sub: undefined } }],
    ['keys that were never published', { keys: otherKeys }],
    ['an algorithm that the provider does not have', { keys: ec, published: [ec.jwk] }],
    ['an HMAC with the client secret', {
      keys: { privateKey: secret, jwk: { kid: 'x' }, alg: 'HS256' } as never,
      discovery: { id_token_signing_alg_values_supported: ['HS256', 'RS256'] }
    }],
  ]
  for (const [what, change] of cases) {
    const { status, text, browser } = await signIn(change)
    t.equal(status, 400, what)
    t.match(text, /sign-in|signs/i, what)
    t.notOk(isSignedIn(browser), what)
  }
})

tap.test('W1 the words of a provider appear as text, and a refusal there is one here', async t => {
  const { status, text, browser } = await signIn({
    callback: { code: null, error: 'access_denied', error_description: '<svg onload=alert(1)>' }
  })
  t.equal(status, 403)
  t.match(text, 'access_denied')
  t.notMatch(text, '<svg')
  t.notOk(isSignedIn(browser))
})

tap.test('OC-03 a provider changes its keys between two sign-ins, and a clock may be two minutes off', async t => {
  const keys = await newKeys()
  const now = Math.floor(Date.now() / 1000)
  t.equal((await signIn({ keys, published: [keys.jwk] })).status, 200, 'the next sign-in asks for the present keys')
  t.equal((await signIn()).status, 200, 'and so does the one after it')
  for (const off of [-120, 120]) {
    const claims = { ...good, iat: now + off, exp: now + off + 60, nbf: now + off, auth_time: now + off }
    t.equal((await signIn({ claims })).status, 200, `${off} s`)
  }
})

tap.test('W1 a callback works once, in the browser that began it, for as long as it was begun for', async t => {
  const browser = newBrowser()
  const first = await callbackOf(browser)
  const copy = structuredClone(browser.cookies)
  t.equal((await newBrowser().open(first)).status, 400, 'another browser')
  t.notOk(isSignedIn(browser))
  t.equal((await browser.open(first)).status, 200)
  t.equal((await browser.open(first)).status, 400, 'twice')
  const copied = newBrowser()
  for (const [host, own] of copy) copied.cookies.set(host, own)
  t.equal((await copied.open(first)).status, 400, 'with a copy of the cookie')
  const late = newBrowser()
  const url = await callbackOf(late)
  server.clock.advance(601)
  t.equal((await late.open(url)).status, 400, 'after ten minutes')
  server.clock.advance(-601)
})

tap.test('OC-03 several tabs sign in at once, and a hundred beginnings fill no request', async t => {
  const browser = newBrowser()
  const [one, two] = [await callbackOf(browser), await callbackOf(browser)]
  t.equal((await browser.open(two)).status, 200)
  t.equal((await browser.open(one)).status, 200)
  for (let i = 0; i < 20; i++) await callbackOf(browser)
  const own = browser.cookies.get(new URL(server.url).host)!
  t.ok([...own.keys()].filter(name => name.startsWith('latchkey_login_')).length <= 7)
})

tap.test('W1 each sign-in is another session, whatever cookie the browser had', async t => {
  const browser = newBrowser()
  const host = new URL(server.url).host
  browser.cookies.set(host, new Map([['latchkey_session', 'fixed']]))
  await signIn({}, browser)
  const first = browser.cookies.get(host)!.get('latchkey_session')
  t.not(first, 'fixed')
  await signIn({}, browser)
  const again = browser.cookies.get(host)!.get('latchkey_session')
  t.not(again, first)
  const old = await browser.send('GET', `${server.url}/api/v1/auth/me`, undefined, {
    accept: 'application/json', cookie: `latchkey_session=${first}`
  })
  t.equal(old.status, 401, 'the session before has ended')
})

tap.test('OC-03 a provider that is down is a 503 page with a way out, and others go on', async t => {
  const down: [string, typeof idp.answers][] = [
    ['an error', (path, _request, response) => path === '/token' && Boolean(response.writeHead(500).end())],
    ['too large an answer', (path, _request, response) => path === '/token' && Boolean(
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ x: 'x'.repeat(600_000) }))
    )],
    ['a connection that breaks', (path, request) => path === '/jwks' && Boolean(request.socket.destroy())],
  ]
  for (const [what, answers] of down) {
    const { status, text, browser, headers } = await signIn({ answers })
    t.equal(status, 503, what)
    t.match(text, '/api/v1/auth/login')
    t.ok(headers['retry-after'])
    t.notOk(isSignedIn(browser))
  }
  server.clock.advance(3_601)
  const { status } = await signIn({ answers: (_path, request) => Boolean(request.socket.destroy()) })
  t.equal(status, 503, 'discovery')
  t.equal((await newBrowser().open(login.replace('=up', '=second'))).status, 403, 'another provider answers')
  t.match((await newBrowser().open(`${server.url}/api/v1/auth/login`)).text, 'provider&#61;up', 'and the page is there')
  t.equal((await signIn()).status, 200, 'as soon as it answers again')
  server.clock.advance(-3_601)
})

tap.test('only an answer that may come of a move makes the next sign-in discover the provider anew', async t => {
  const discoveries = () => idp.asked.get('/.well-known/openid-configuration')!
  const answering = (status: number, body: string, type = 'application/json') => (
    path: string, _request: unknown, response: ServerResponse
  ) => path === '/token' && Boolean(response.writeHead(status, { 'content-type': type }).end(body))
  const otherKeys = await newKeys()
  const cases: [string, Partial<typeof idp>, number][] = [
    ['a code of a stranger', { answers: answering(400, '{"error":"invalid_grant"}') }, 0],
    ['another state', { callback: { state: 'other' } }, 0],
    ['another iss', { callback: { iss: 'https://evil.example' } }, 0],
    ['another nonce', { claims: { ...good, nonce: 'other' } }, 0],
    ['another audience', { claims: { ...good, aud: 'other' } }, 0],
    ['a refusal', { callback: { code: null, error: 'access_denied' } }, 0],
    ['the provider does not know us', { answers: answering(401, '{"error":"invalid_client"}') }, 1],
    ['an endpoint that is gone', { answers: answering(404, '{"error":"not_found"}') }, 1],
    ['an endpoint that is a page', { answers: answering(200, '<html>', 'text/html') }, 1],
    ['a failure', { answers: answering(500, '') }, 1],
    ['an unknown key', { keys: otherKeys }, 1],
  ]
  for (const [what, change, anew] of cases) {
    await signIn()
    const before = discoveries()
    t.not((await signIn(change)).status, 200, what)
    await signIn()
    t.equal(discoveries() - before, anew, what)
  }
})

tap.test('W1 a discovery document of another provider is none', async t => {
  server.clock.advance(7_300)
  t.equal((await signIn({ discovery: { issuer: second.issuer } })).status, 503)
  t.equal((await signIn({ discovery: { jwks_uri: 'http://keys.example/jwks' } })).status, 503, 'http elsewhere')
  server.clock.advance(7_300)
  t.equal((await signIn()).status, 200)
  server.clock.advance(-14_600)
})

tap.test('W2 a sign-in leads to a path of this site, and nowhere else', async t => {
  const refused = [
    '//evil.example', '/\\evil.example', '/..//evil.example', '/%2e%2e//evil.example', 'https://evil.example/',
    '/\t/evil.example', `/${'a'.repeat(10_000)}`, 'javascript:alert(1)', 'evil',
  ]
  for (const path of refused) {
    const { status, text } = await newBrowser().open(`${login}&return_to=${encodeURIComponent(path)}`)
    t.equal(status, 400, path.slice(0, 30))
    t.match(text, 'return_to')
  }
  const visit = await newBrowser().open(`${login}&return_to=${encodeURIComponent('/reference?a=b')}`, url =>
    url.startsWith(`${server.url}/reference`))
  t.equal(visit.url, `${server.url}/reference?a=b`)
})

tap.test('the same e-mail at two providers signs in with the first alone', async t => {
  Object.assign(second.claims, { sub: 'ada-there' })
  const { status, text } = await newBrowser().open(`${login.replace('=up', '=second')}&organization=${organization}`)
  t.equal(status, 403)
  t.match(text, 'ask an administrator')
})

tap.test('OC-03 an e-mail and its verification are of one source', async t => {
  server.clock.advance(20_000)
  const sub = 'eve'
  const [email, other] = ['eve@acme.example', 'other@acme.example']
  await server.admin('POST', '/invitations', { organization, email, role: 'viewer' })
  await server.admin('POST', '/invitations', { organization, email: other, role: 'viewer' })
  const discovery = { userinfo_endpoint: `${idp.issuer}/userinfo` }
  const told = (claims: object, userInfo: object) =>
    signIn({ discovery, claims: { sub, ...claims }, userInfo: { sub, ...userInfo } })
  const refused: [string, object, object][] = [
    ['verified there, the e-mail here', { email_verified: true }, { email }],
    ['said to be unverified here', { email_verified: true }, { email, email_verified: false }],
    ['the e-mail there, verified here', { email }, { email_verified: true }],
    ['another e-mail is verified here', { email, email_verified: false }, { email: other, email_verified: true }],
  ]
  for (const [what, claims, userInfo] of refused) {
    const { status, text, browser } = await told(claims, userInfo)
    t.match([status, text], [403, /does not say that your e-mail address is verified/], what)
    t.notOk(isSignedIn(browser), what)
  }
  t.equal((await told({}, { sub: 'mallory', email, email_verified: true })).status, 400, 'of another person')
  const { browser } = await told({ email_verified: false }, { email, email_verified: true, name: 'Eve' })
  t.ok(isSignedIn(browser), 'both of the user info')
  server.clock.advance(-20_000)
})

tap.test('L1 no line of the log holds a code, a state, a nonce, a token or the client secret', async t => {
  t.ok(server.lines.length > 100)
  const log = server.lines.join('')
  for (const { clientSecret } of [idp, second]) t.notOk(log.includes(clientSecret))
  t.ok(idp.secrets.length > 100)
  t.strictSame(idp.secrets.filter(secret => log.includes(secret)), [])
})
