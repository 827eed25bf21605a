/** Keycloak as the identity provider of two servers with one database: sign-in, sign-out, and what is refused. */
import tap, { type Test } from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { newBrowser, type Browser, type Visit } from '../support/browsing.ts'
import { freshDatabase } from '../support/postgres.ts'
import { freePort } from '../support/running-server.ts'
import { startServer, type Json, type TestServer } from '../support/test-server.ts'
import { eventually, until } from '../support/waiting.ts'
import { password, realmsWith } from './keycloak/realms.ts'
import { keycloakDistribution, startKeycloak, type Keycloak } from './keycloak/server.ts'

interface Served {
  a: TestServer
  b: TestServer
  keycloak: Keycloak
  organization: string
  /** The status of each answer to a logout token so far. */
  logouts: readonly number[]
  /** The group that the role `pilot` is mapped to. */
  pilots: string
}

const signIn = '/api/v1/auth/login?provider=kc'

/** Sends the one form of a page of Keycloak, with its hidden fields, and follows where it leads. */
async function submit (browser: Browser, { text, status, url }: Visit, fields: Record<string, string>): Promise<Visit> {
  const action = /<form[^>]+action="([^"]+)"/.exec(text)?.[1]
  if (action === undefined) throw new Error(`no form in the answer ${status}: ${text}`)
  const hidden = [...text.matchAll(/<input type="hidden" name="(\w+)" value="([^"]*)"/g)].map(found => found.slice(1, 3))
  const target = new URL(action.replaceAll('&amp;', '&'), url).href
  const sent = await browser.send('POST', target, { ...Object.fromEntries(hidden), ...fields })
  const { location } = sent.headers
  return location === undefined ? sent : await browser.open(new URL(location, target).href)
}

/** Signs a person in by Keycloak's own form. `path` begins the sign-in. */
async function signedIn (
  { a }: Served, username: string, { browser = newBrowser(), path = signIn } = {}
): Promise<Visit & { browser: Browser }> {
  const page = await browser.open(a.url + path)
  return { ...await submit(browser, page, { username, password, credentialId: '' }), browser }
}

/** What both servers say of a browser, as a balancer in front of them would ask. */
async function whoIs ({ a, b }: Served, { cookies }: Browser): Promise<{ status: number, json: Json }[]> {
  const cookie = [...cookies.get(new URL(a.url).host) ?? []].map(pair => pair.join('=')).join('; ')
  return await Promise.all([a, b].map(server => server.send({ path: '/api/v1/auth/me', headers: { cookie } })))
}

async function statuses (served: Served, browser: Browser): Promise<number[]> {
  return (await whoIs(served, browser)).map(({ status }) => status)
}

async function invite ({ a, organization }: Served, username: string, more: Json = {}): Promise<Json> {
  return (await a.admin('POST', '/invitations', {
    organization, email: `${username}@acme.example`, role: 'member', ...more
  })).json
}

async function userId ({ keycloak }: Served, username: string, realm = 'acme'): Promise<string> {
  return (await keycloak.admin('GET', `/${realm}/users?exact=true&username=${username}`))[0].id
}

async function start (t: Test, distribution: string): Promise<Served> {
  const database = await freshDatabase()
  const [portOfA, portOfB] = [await freePort(), await freePort()]
  const issuer = `http://127.0.0.1:${portOfA}`
  const client = {
    clientId: 'latchkey',
    clientSecret: newSecret(),
    redirectUri: `${issuer}/api/v1/auth/callback`,
    // Keycloak tells the other server.
    logoutUri: `http://127.0.0.1:${portOfB}/api/v1/auth/backchannel-logout`
  }
  const keycloak = await startKeycloak(distribution, realmsWith(client))
  t.teardown(keycloak.stop)
  const variables = (id: string, upstream: string) => ({
    [`LATCHKEY_OIDC_${id}_ISSUER`]: upstream,
    [`LATCHKEY_OIDC_${id}_CLIENT_ID`]: client.clientId,
    [`LATCHKEY_OIDC_${id}_CLIENT_SECRET`]: client.clientSecret,
  })
  const environment = {
    LATCHKEY_SECRET: newSecret(),
    LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}`,
    ...variables('KC', keycloak.issuerOf('acme')),
    // The same realm by another name than the issuer of its documents.
    ...variables('ALIAS', keycloak.issuerOf('acme').replace('127.0.0.1', 'localhost')),
  }
  const shared = { database: database.url, bare: true, environment, issuer }
  const a = await startServer({ ...shared, port: portOfA })
  const logouts: number[] = []
  const b = await startServer({
    ...shared,
    port: portOfB,
    mount: async app => {
      app.addHook('onResponse', async ({ url }, { statusCode }) => {
        if (url === '/api/v1/auth/backchannel-logout') logouts.push(statusCode)
      })
    }
  })
  t.teardown(async () => {
    await Promise.all([a.close(), b.close()])
    await database.drop()
  })
  const organization = (await a.admin('POST', '/organizations', { name: 'Acme' })).json.id
  const pilots = (await a.admin('POST', '/groups', { organization, name: 'Pilots', scopes: [] })).json.id
  const trusted = await a.admin('POST', '/trusted-providers', {
    organization, provider: 'kc', groupsClaim: 'realm_access.roles', groupMapping: [{ value: 'pilot', group: pilots }]
  })
  t.equal(trusted.status, 201, trusted.text)
  return { a, b, keycloak, organization, pilots, logouts }
}

async function judge (t: Test): Promise<void> {
  const served = await start(t, distribution.path)
  const { a, keycloak, organization, pilots, logouts } = served

  await t.test('an invited person signs in, gets the groups of their roles, and is known by both servers', async t => {
    const invitation = await invite(served, 'ada')
    const visit = await signedIn(served, 'ada')
    t.equal(visit.status, 200, visit.text)
    const [onA, onB] = await whoIs(served, visit.browser)
    t.match(onA, {
      status: 200, json: { member: { name: 'Ada Lovelace', role: 'member', organization }, session: { provider: 'kc' } }
    })
    t.strictSame(onB!.json.member, onA!.json.member)
    const { id } = onA!.json.member
    t.match((await a.admin('GET', `/invitations/${invitation.id}`)).json, { status: 'accepted', member: id })
    t.match((await a.admin('GET', `/groups/${pilots}/members`)).json.data, [{ id }])
    const again = await signedIn(served, 'ada')
    t.equal((await whoIs(served, again.browser))[0]!.json.member.id, id, 'by the subject, in another browser')
  })

  await t.test('people who are not invited, or whose e-mail is not verified, get no session', async t => {
    await invite(served, 'mal')
    for (const [username, sentence] of [['eve', /ask an administrator/], ['mal', /not say that your e-mail/]] as const) {
      const visit = await signedIn(served, username)
      t.equal(visit.status, 403, username)
      t.match(visit.text, sentence)
      t.strictSame(await statuses(served, visit.browser), [401, 401])
    }
  })

  await t.test('sign-out here ends the session on both servers; Keycloak\'s own signs in again without its form', async t => {
    const { browser } = await signedIn(served, 'ada')
    const before = (await whoIs(served, browser))[0]!.json.session
    const left = await browser.send('POST', `${a.url}/api/v1/auth/logout`, {}, { 'sec-fetch-site': 'same-origin' })
    t.equal(left.status, 303)
    t.strictSame(await statuses(served, browser), [401, 401])
    const back = await browser.open(a.url + signIn)
    t.equal(back.status, 200, back.text)
    const { session } = (await whoIs(served, browser))[0]!.json
    t.not(session.id, before.id)
    t.equal(session.authenticatedAt, before.authenticatedAt, 'the instant at which Keycloak asked for the password')
    const page = await eventually(
      () => browser.open(`${a.url}${signIn}&max_age=0`), ({ text }) => text.includes('kc-form-login'), 500
    )
    t.match(page.text, 'kc-form-login', 'asked for a sign-in of this second, Keycloak shows its form again')
  })

  await t.test('a person who signs out at Keycloak is signed out of both servers, in that browser alone', async t => {
    const [here, elsewhere] = [await signedIn(served, 'ada'), await signedIn(served, 'ada')]
    const page = await here.browser.open(`${keycloak.issuerOf('acme')}/protocol/openid-connect/logout`)
    await submit(here.browser, page, { confirmLogout: 'Logout' })
    await until('both refuse', async () => (await statuses(served, here.browser)).every(status => status === 401))
    t.strictSame(await statuses(served, elsewhere.browser), [200, 200])
    const events = await a.admin('GET', '/audit?type=person_session.ended')
    t.equal(events.json.data[0].detail.reason, 'provider-sign-out')
  })

  await t.test('an administrator who ends all sessions of a person at Keycloak ends them on both servers', async t => {
    await invite(served, 'grace')
    const grace = await signedIn(served, 'grace')
    const two = [await signedIn(served, 'ada'), await signedIn(served, 'ada')]
    await keycloak.admin('POST', `/acme/users/${await userId(served, 'ada')}/logout`)
    for (const { browser } of two) {
      await until('both refuse', async () => (await statuses(served, browser)).every(status => status === 401))
    }
    t.strictSame(await statuses(served, grace.browser), [200, 200], 'another person goes on')
  })

  await t.test('another realm vouches for nobody: neither its answers nor its logout tokens are taken', async t => {
    const ada = await signedIn(served, 'ada')
    const browser = newBrowser()
    const begun = await browser.open(a.url + signIn, to => to.includes('/openid-connect/auth'))
    const page = await browser.open(begun.url.replace('/realms/acme/', '/realms/other/'))
    const visit = await submit(browser, page, { username: 'ada', password, credentialId: '' })
    t.equal(visit.status, 400, 'with the code and the iss of the other realm')
    t.match(visit.text, 'cannot be trusted')
    t.strictSame(await statuses(served, browser), [401, 401])
    const before = logouts.length
    await keycloak.admin('POST', `/other/users/${await userId(served, 'ada', 'other')}/logout`)
    t.strictSame(await eventually(() => logouts.slice(before), ({ length }) => length > 0), [400])
    t.strictSame(await statuses(served, ada.browser), [200, 200])
  })

  await t.test('a provider whose documents name another issuer than configured is a 503 page, and the other goes on', async t => {
    const visit = await newBrowser().open(`${a.url}/api/v1/auth/login?provider=alias`)
    t.equal(visit.status, 503)
    t.match(visit.text, 'IDENTITY_PROVIDER_UNAVAILABLE')
    t.equal((await signedIn(served, 'ada')).status, 200)
  })

  await t.test('Keycloak changes its signing key between two sign-ins', async t => {
    const { id: parentId } = await keycloak.admin('GET', '/acme')
    await keycloak.admin('POST', '/acme/components', {
      name: 'next',
      parentId,
      providerId: 'rsa-generated',
      providerType: 'org.keycloak.keys.KeyProvider',
      config: { priority: ['1000'], enabled: ['true'], active: ['true'], algorithm: ['RS256'], keySize: ['2048'] }
    })
    t.equal((await signedIn(served, 'ada')).status, 200)
  })

  await t.test('while Keycloak is down sign-in is a 503 page, and sessions go on', async t => {
    const { browser } = await signedIn(served, 'ada')
    const begun = newBrowser()
    const { url } = await begun.open(a.url + signIn, to => to.includes('/openid-connect/auth'))
    const state = new URL(url).searchParams.get('state')!
    await keycloak.stop()
    const callback = new URLSearchParams({ state, code: 'any', iss: keycloak.issuerOf('acme') })
    const page = await begun.open(`${a.url}/api/v1/auth/callback?${callback}`)
    t.equal(page.status, 503, page.text)
    t.strictSame(await statuses(served, browser), [200, 200])
  })
}

const distribution = await keycloakDistribution()
tap.setTimeout(900_000)
tap.test('OC-03: people sign in with Keycloak, on two servers [postgresql]', distribution, judge)
