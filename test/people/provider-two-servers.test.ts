/** Sign-in with a provider on two servers with one database: what one begins, the other finishes and ends. */
import tap from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { newBrowser, type Browser } from '../support/browsing.ts'
import { startIdentityProvider } from '../support/identity-provider.ts'
import { freshDatabase } from '../support/postgres.ts'
import { freePort } from '../support/running-server.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const database = await freshDatabase()
const [portOfA, portOfB] = [await freePort(), await freePort()]
const issuer = `http://127.0.0.1:${portOfA}`
const idp = await startIdentityProvider([`${issuer}/api/v1/auth/callback`], {
  // The provider talks to the other server.
  logoutUri: `http://127.0.0.1:${portOfB}/api/v1/auth/backchannel-logout`
})
const environment = {
  LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}`, ...idp.variables('UP')
}
const a = await startServer({ database: database.url, bare: true, environment, issuer, port: portOfA })
const b = await startServer({ database: database.url, bare: true, environment, issuer, port: portOfB })
tap.teardown(async () => {
  await Promise.all([a.close(), b.close()])
  await idp.close()
  await database.drop()
})
const organization = (await a.admin('POST', '/organizations', { name: 'Acme' })).json.id
await a.admin('POST', '/trusted-providers', { organization, provider: 'up' })

/** Gives a browser's cookies of A to B too, as a balancer in front of both does. */
function behindBalancer ({ cookies }: Browser): void {
  const hosts = [a, b].map(({ url }) => new URL(url).host)
  const shared = new Map(hosts.flatMap(host => [...cookies.get(host) ?? []]))
  for (const host of hosts) cookies.set(host, shared)
}

async function statusOf (server: TestServer, browser: Browser): Promise<number> {
  return (await browser.send('GET', `${server.url}/api/v1/auth/me`, undefined, { accept: 'application/json' })).status
}

tap.test('OC-03 a sign-in that one server began is finished by the other, once, and ends on both [postgresql]', async t => {
  for (let round = 0; round < 10; round++) {
    const sub = `person-${round}`
    await a.admin('POST', '/invitations', { organization, email: `${sub}@acme.example`, role: 'member' })
    idp.person = { sub, email: `${sub}@acme.example`, email_verified: true }
    const browser = newBrowser()
    const { url } = await browser.open(`${a.url}/api/v1/auth/login?provider=up`, to => to.includes('/auth/callback'))
    behindBalancer(browser)
    const copies = Array.from({ length: 4 }, () => {
      const copy = newBrowser()
      for (const [host, own] of browser.cookies) copy.cookies.set(host, new Map(own))
      return copy
    })
    const answers = await Promise.all(copies.map((each, i) =>
      each.send('GET', url.replace(issuer, [a, b][i % 2]!.url))))
    t.strictSame(answers.map(({ status }) => status).sort(), [303, 400, 400, 400], 'one of four at once')
    const winner = copies[answers.findIndex(({ status }) => status === 303)]!
    behindBalancer(winner)
    t.strictSame(await Promise.all([a, b].map(server => statusOf(server, winner))), [200, 200])
    t.strictSame(await idp.signOut(sub), [200])
    t.strictSame(await Promise.all([a, b].map(server => statusOf(server, winner))), [401, 401])
  }
})

tap.test('an invitation is accepted once, however many sign in by it at once [postgresql]', async t => {
  await a.admin('POST', '/invitations', { organization, email: 'race@acme.example', role: 'member' })
  const urls: { browser: Browser, url: string }[] = []
  for (let i = 0; i < 6; i++) {
    idp.person = { sub: `racer-${i}`, email: 'race@acme.example', email_verified: true }
    const browser = newBrowser()
    const { url } = await browser.open(`${a.url}/api/v1/auth/login?provider=up`, to => to.includes('/auth/callback'))
    behindBalancer(browser)
    urls.push({ browser, url })
  }
  const answers = await Promise.all(urls.map(({ browser, url }, i) =>
    browser.send('GET', url.replace(issuer, [a, b][i % 2]!.url))))
  t.strictSame(answers.map(({ status }) => status).sort(), [303, 403, 403, 403, 403, 403])
  const members = await a.admin('GET', `/members?organization=${organization}&limit=200`)
  t.equal(members.json.data.filter((each: any) => each.email === 'race@acme.example').length, 1)
})
