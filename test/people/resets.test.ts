/** Connections that are reset in the middle of a sign-in: to the browser, the provider and the database. */
import { request } from 'node:http'
import tap from 'tap'
import { newBrowser, type Browser } from '../support/browsing.ts'
import { startFaultyProxy } from '../support/faulty-proxy.ts'
import { startForgingProvider } from '../support/forging-provider.ts'
import { createMember, fromOwnPages } from '../support/people.ts'
import { freshDatabase } from '../support/postgres.ts'
import { startServer, type Answer } from '../support/test-server.ts'
import { until } from '../support/waiting.ts'

const database = await freshDatabase()
const proxy = await startFaultyProxy(database.url)
const idp = await startForgingProvider()
const server = await startServer({ bare: true, database: proxy.url, environment: idp.variables('UP') })
tap.teardown(async () => {
  proxy.mend()
  await server.close()
  await idp.close()
  await proxy.close()
  await database.drop()
})

const { json: { id: organization } } = await server.admin('POST', '/organizations', { name: 'Acme' })
await server.admin('POST', '/trusted-providers', { organization, provider: 'up' })
await server.admin('POST', '/invitations', { organization, email: 'ada@acme.example', role: 'member' })
const login = `${server.url}/api/v1/auth/login?provider=up`
await newBrowser().open(login)

/** A new member and a link for them. */
async function linkOf (): Promise<{ id: string, token: string }> {
  const { id } = await createMember(server as never, { organization, role: 'viewer' })
  const { json } = await server.admin('POST', `/members/${id}/sign-in-links`)
  return { id, token: json.url.split('#')[1] }
}

function open (token: string): Promise<Answer> {
  return server.send({
    method: 'POST', path: '/api/v1/auth/link', headers: fromOwnPages, body: new URLSearchParams({ token })
  })
}

async function sessionsOf (memberId: string): Promise<number> {
  const { store } = server.latchkey.operation
  return (await store.personSessions.ofMember(memberId, server.clock.now())).length
}

async function isSignedIn (browser: Browser): Promise<boolean> {
  const headers = { accept: 'application/json' }
  return (await browser.send('GET', `${server.url}/api/v1/auth/me`, undefined, headers)).status === 200
}

tap.test('a database that fails at any question of a link signs in once or not at all', async t => {
  for (const fault of ['lost question', 'lost answer'] as const) {
    for (let n = 1, happened = true; happened; n++) {
      const { id, token } = await linkOf()
      proxy.failAt(n, fault)
      const first = await open(token)
      happened = proxy.disarm()
      const what = `${fault} at ${n}`
      t.ok([204, 503].includes(first.status), `${what}: ${first.status} ${first.text}`)
      if (first.status === 204) t.ok(first.headers['set-cookie'], what)
      else t.notOk(first.headers['set-cookie'], what)
      const again = await open(token)
      t.ok([204, 400].includes(again.status), `${what}, then ${again.status}`)
      t.equal(await sessionsOf(id), 1, `${what}: one session`)
      t.ok(n < 40, 'it ends')
    }
  }
})

tap.test('a database that fails at any question of a callback leaves a sign-in that works anew', async t => {
  for (let n = 1, happened = true; happened; n++) {
    const browser = newBrowser()
    const { url } = await browser.open(login, to => to.startsWith(server.url) && to.includes('/callback'))
    proxy.failAt(n, 'lost question')
    const { status } = await browser.open(url)
    happened = proxy.disarm()
    t.ok(status === 503 || await isSignedIn(browser), `at ${n}: ${status}`)
    await browser.open(login)
    t.ok(await isSignedIn(browser), `after ${n}`)
    t.ok(n < 60, 'it ends')
  }
})

tap.test('a provider that resets any connection of a sign-in is a 503 page, and the next sign-in works', async t => {
  const paths = ['/token', '/jwks', '/.well-known/openid-configuration']
  for (const path of paths) {
    server.clock.advance(3_601)
    const browser = newBrowser()
    idp.answers = (asked, request) => asked === path && Boolean(request.socket.resetAndDestroy())
    const { status, text } = await browser.open(login)
    t.equal(status, 503, path)
    t.match(text, '/api/v1/auth/login')
    idp.answers = () => false
    await browser.open(login)
    t.ok(await isSignedIn(browser), path)
  }
  server.clock.advance(-3_601 * paths.length)
})

tap.test('a browser that goes away uses its link up, and nothing else is held up', async t => {
  const { id, token } = await linkOf()
  await new Promise<void>(resolve => {
    const body = new URLSearchParams({ token }).toString()
    const outgoing = request(`${server.url}/api/v1/auth/link`, {
      method: 'POST',
      headers: { ...fromOwnPages, 'content-type': 'application/x-www-form-urlencoded', 'content-length': body.length }
    })
    outgoing.on('error', () => { resolve() })
    outgoing.end(body, () => { outgoing.socket!.resetAndDestroy() })
  })
  const other = await linkOf()
  t.equal((await open(other.token)).status, 204)
  // What was sent may have arrived, or not: the link is used up with a session, or good.
  const left = (await open(token)).status
  t.ok([204, 400].includes(left), String(left))
  await until('one session', async () => await sessionsOf(id) === 1)
})
