/** Logout tokens of a provider: a good one ends the sessions that it vouched for, once; any other ends none. */
import tap from 'tap'
import { newBrowser, type Browser } from '../support/browsing.ts'
import { newKeys, startForgingProvider } from '../support/forging-provider.ts'
import { startOnEachDatabase, type TestServer } from '../support/test-server.ts'

const idp = await startForgingProvider()
const started = await startOnEachDatabase({ bare: true, environment: idp.variables('UP') })
tap.teardown(async () => {
  await started.close()
  await idp.close()
})

const event = 'http://schemas.openid.net/event/backchannel-logout'
let tokens = 0

function claimsOf (change: Record<string, unknown> = {}): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000)
  return {
    iss: idp.issuer,
    aud: 'latchkey',
    iat: now,
    exp: now + 120,
    jti: `jti-${tokens++}`,
    sub: 'ada',
    events: { [event]: {} },
    ...change
  }
}

for (const { name, server } of started.servers) {
  const logOut = (token: string, from = server) => from.send({
    method: 'POST', path: '/api/v1/auth/backchannel-logout', body: new URLSearchParams({ logout_token: token })
  })

  tap.test(`[${name}] a provider signs people out`, async t => {
    const organization = (await server.admin('POST', '/organizations', { name: 'Acme' })).json.id
    await server.admin('POST', '/trusted-providers', { organization, provider: 'up' })
    await server.admin('POST', '/invitations', { organization, email: 'ada@acme.example', role: 'member' })
    const signIn = async (sid?: string) => {
      idp.claims = { sub: 'ada', email: 'ada@acme.example', email_verified: true, ...(sid && { sid }) }
      const browser = newBrowser()
      await browser.open(`${server.url}/api/v1/auth/login?provider=up`)
      return browser
    }

    await t.test('OC-03 by `sid` one session ends, by `sub` all of the person', async t => {
      const [one, two, three] = [await signIn('s-1'), await signIn('s-2'), await signIn()]
      t.equal((await logOut(await idp.sign(claimsOf({ sid: 's-1' }), 'logout+jwt'))).status, 200)
      t.strictSame(await Promise.all([one, two, three].map(each => statusOf(server, each))), [401, 200, 200])
      t.equal((await logOut(await idp.sign(claimsOf({ sid: 's-2', sub: 'other' }), 'logout+jwt'))).status, 200)
      t.equal(await statusOf(server, two), 200, 'the subject has to fit')
      t.equal((await logOut(await idp.sign(claimsOf({ sid: 's-2', sub: undefined }), 'logout+jwt'))).status, 200)
      t.strictSame(await Promise.all([one, two, three].map(each => statusOf(server, each))), [401, 401, 200])
      const answer = await logOut(await idp.sign(claimsOf(), 'logout+jwt'))
      t.match(answer, { status: 200, text: '' })
      t.equal(answer.headers['cache-control'], 'no-store')
      t.equal(await statusOf(server, three), 401)
    })

    await t.test('OC-03 the type of a logout token is recommended alone: some providers set none, or JWT', async t => {
      for (const typ of [undefined, 'JWT', 'logout+jwt', 'application/logout+jwt', 'Logout+JWT']) {
        const browser = await signIn('s-t')
        const token = await idp.sign(claimsOf({ sid: 's-t', typ: 'Logout' }), typ)
        t.equal((await logOut(token)).status, 200, String(typ))
        t.equal(await statusOf(server, browser), 401, String(typ))
      }
    })

    await t.test('W1 a token that is not to be trusted ends nothing', async t => {
      const browser = await signIn('s-9')
      const now = Math.floor(Date.now() / 1000)
      const others = await newKeys()
      const cases: [string, string][] = [
        ['the type of an access token', await idp.sign(claimsOf(), 'at+jwt')],
        ['the type of a security event', await idp.sign(claimsOf(), 'secevent+jwt')],
        ['an ID token', await idp.sign(claimsOf({ nonce: 'n', events: undefined, sid: 's-9' }))],
        ['an ID token without a nonce', await idp.sign(claimsOf({ events: undefined, sid: 's-9' }), 'JWT')],
        ['a nonce', await idp.sign(claimsOf({ nonce: 'n' }), 'logout+jwt')],
        ['events as a text', await idp.sign(claimsOf({ events: Object.keys(claimsOf().events as object)[0] }))],
        ['another issuer', await idp.sign(claimsOf({ iss: 'https://evil.example' }), 'logout+jwt')],
        ['another audience', await idp.sign(claimsOf({ aud: 'other' }), 'logout+jwt')],
        ['no events', await idp.sign(claimsOf({ events: undefined }), 'logout+jwt')],
        ['another event', await idp.sign(claimsOf({ events: { x: {} } }), 'logout+jwt')],
        ['no jti', await idp.sign(claimsOf({ jti: undefined }), 'logout+jwt')],
        ['neither sub nor sid', await idp.sign(claimsOf({ sub: undefined }), 'logout+jwt')],
        ['too old', await idp.sign(claimsOf({ iat: now - 3_600, exp: now + 60 }), 'logout+jwt')],
        ['from the future', await idp.sign(claimsOf({ iat: now + 3_600, exp: now + 7_200 }), 'logout+jwt')],
        ['expired', await idp.sign(claimsOf({ exp: now - 3_600 }), 'logout+jwt')],
        ['a number as sub', await idp.sign(claimsOf({ sub: 7 }), 'logout+jwt')],
        ['no JWT', 'x.y.z'],
        ['nothing', ''],
      ]
      const before = idp.keys
      idp.keys = others
      cases.push(['keys that were never published', await idp.sign(claimsOf(), 'logout+jwt')])
      idp.keys = before
      for (const [what, token] of cases) {
        const { status, json } = await logOut(token)
        t.equal(status, 400, what)
        t.strictSame(Object.keys(json), ['error', 'error_description'], what)
        t.equal(json.error, 'invalid_request', what)
      }
      t.equal(await statusOf(server, browser), 200)
    })

    await t.test('W1 a token works once; a clock may be two minutes off', async t => {
      const now = Math.floor(Date.now() / 1000)
      const token = await idp.sign(claimsOf({ sub: 'nobody' }), 'logout+jwt')
      const answers = await Promise.all(Array.from({ length: 20 }, () => logOut(token)))
      t.equal(answers.filter(({ status }) => status === 200).length, 1)
      t.ok(answers.every(({ status }) => status === 200 || status === 400))
      for (const off of [-120, 120]) {
        const shifted = await idp.sign(claimsOf({ sub: 'nobody', iat: now + off, exp: now + off + 60 }), 'logout+jwt')
        t.equal((await logOut(shifted)).status, 200, `${off} s`)
      }
    })
  })
}

async function statusOf (server: TestServer, browser: Browser): Promise<number> {
  return (await browser.send('GET', `${server.url}/api/v1/auth/me`, undefined, { accept: 'application/json' })).status
}
