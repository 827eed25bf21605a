/** Sign-ins that have to be fresh: what a provider is asked, what it says of the time, what counts for operators. */
import tap from 'tap'
import { newBrowser, type Browser, type Visit } from '../support/browsing.ts'
import { startForgingProvider } from '../support/forging-provider.ts'
import { asPerson } from '../support/people.ts'
import { freePort } from '../support/running-server.ts'
import { startServer, type Answer, type Outgoing } from '../support/test-server.ts'

const idp = await startForgingProvider()
const port = await freePort()
// Passkeys need the name of a host.
const issuer = `http://localhost:${port}`
const server = await startServer({
  bare: true, port, issuer, environment: { ...idp.variables('UP'), LATCHKEY_OIDC_UP_NAME: 'Up' }
})
tap.teardown(async () => {
  await server.close()
  await idp.close()
})

const login = `${issuer}/api/v1/auth/login?provider=up`
const again = `${login}&prompt=login`
const seconds = () => Math.floor(server.clock.now().getTime() / 1000)

/** A member whom the provider vouches for from now on. */
async function member (sub: string, organization: string, more: object = {}): Promise<{ sub: string }> {
  const email = `${sub}@acme.example`
  const made = await server.admin('POST', '/members', { organization, name: sub, role: 'owner', email, ...more })
  await server.admin('POST', '/trusted-providers', { organization, provider: 'up' })
  await server.admin('POST', '/invitations', { organization, member: made.json.id })
  const claims = { sub, email, email_verified: true }
  idp.claims = claims
  return claims
}

function operator (sub: string): Promise<{ sub: string }> {
  return member(sub, 'org_operators', { operator: true })
}

async function open (url: string, claims: object, browser = newBrowser()): Promise<Visit & { browser: Browser }> {
  idp.claims = { ...claims }
  return { ...await browser.open(url), browser }
}

/** A request of a page, with the session of a browser. */
function post (browser: Browser, path: string, body: Outgoing['body']): Promise<Answer> {
  const cookie = `latchkey_session=${browser.cookies.get(new URL(issuer).host)!.get('latchkey_session')}`
  return asPerson(server, { cookie })('POST', path, body)
}

/** The browser keeps the cookies of an answer. */
function remember (browser: Browser, { headers }: Answer): void {
  for (const line of [headers['set-cookie']].flat()) {
    const [, name, value] = /^([^=]+)=([^;]*)/.exec(line!)!
    browser.cookies.get(new URL(issuer).host)!.set(name!, value!)
  }
}

/** The answer to a change of the deployment. */
function change (browser: Browser): Promise<Answer> {
  return post(browser, '/organizations', { name: 'Made' })
}

async function me (browser: Browser): Promise<number> {
  const headers = { accept: 'application/json' }
  return (await browser.send('GET', `${issuer}/api/v1/auth/me`, undefined, headers)).status
}

tap.test('a sign-in asks for a fresh proof only where it has to be fresh, in the words that the provider knows', async t => {
  const claims = await operator('words')
  const asked = async (url: string) => {
    await open(url, { ...claims, auth_time: seconds() })
    const { max_age: maxAge, prompt } = Object.fromEntries(idp.authorized.at(-1)!)
    return [maxAge, prompt]
  }
  t.strictSame(await asked(login), [undefined, undefined])
  t.strictSame(await asked(`${login}&max_age=600`), ['600', undefined])
  t.strictSame(await asked(again), ['0', undefined], 'no prompt that it might refuse')
  t.strictSame(await asked(`${again}&max_age=600`), ['0', undefined])
  server.clock.advance(3_601)
  idp.discovery = { prompt_values_supported: ['none', 'login'] }
  t.strictSame(await asked(again), ['0', 'login'], 'it says that it knows the word')
  t.strictSame(await asked(login), [undefined, undefined])
  idp.discovery = {}
  server.clock.advance(3_601)
  t.strictSame(await asked(again), ['0', undefined], 'nor any more')
  server.clock.advance(-7_202)
  for (const query of ['prompt=none', 'prompt=login&prompt=login', 'max_age=-1', 'max_age=1&max_age=2']) {
    t.equal((await newBrowser().open(`${login}&${query}`)).status, 400, query)
  }
})

tap.test('an operator who signs in again at a provider that says when changes the deployment', async t => {
  const claims = await operator('ada')
  const { browser } = await open(login, { ...claims, auth_time: seconds() - 3_600 })
  const late = await change(browser)
  t.equal(late.status, 401)
  t.match(late.text, /auth\/login\?prompt=login/)
  const shown = await browser.open(`${issuer}/api/v1/auth/login`)
  t.match(shown.text, /The deployment is changed within 10 minutes after a sign-in/)
  t.match(shown.text, 'href="/api/v1/auth/login?prompt&#61;login"')
  const choices = await browser.open(`${issuer}/api/v1/auth/login?prompt=login`)
  t.match(choices.text, /Sign in again/)
  t.match(choices.text, 'provider&#61;up&#38;prompt&#61;login')
  await open(again, { ...claims, auth_time: seconds() }, browser)
  t.equal((await change(browser)).status, 201)
})

tap.test('an operator whose provider does not say when reads, changes nothing, and is shown the way out', async t => {
  const claims = await operator('eve')
  const { browser } = await open(login, claims)
  t.equal(await me(browser), 200)
  t.equal((await change(browser)).status, 401, 'a silent single sign-on is no fresh one')
  const shown = await browser.open(`${issuer}/api/v1/auth/login`)
  t.match(shown.text, /does not say when you signed in there \(auth_time\).*sign in with a passkey, or with a sign-in/s)
  const passkey = await post(browser, '/auth/passkeys/options', {})
  t.match([passkey.status, passkey.text], [401, /Passkeys are changed by an operator only/], 'which would be fresh later')
  const refused = await open(again, claims, browser)
  t.equal(refused.status, 403)
  t.match(refused.text, /For changes as an operator, sign in with a passkey, .* latchkey member sign-in-link mem_/)
  t.equal(await me(browser), 200, 'the session before goes on')
  t.equal((await change(browser)).status, 401)
})

tap.test('a provider that ignores max_age is asked once more by prompt=login, and then refused', async t => {
  const claims = await operator('kay')
  const before = idp.authorized.length
  const stale = { ...claims, auth_time: seconds() - 3_600 }
  const refused = await open(again, stale)
  t.equal(refused.status, 403)
  t.match(refused.text, /Up did not ask you to sign in again/)
  t.notOk(refused.browser.cookies.get(new URL(issuer).host)!.has('latchkey_session'))
  t.strictSame(idp.authorized.slice(before).map(asked => asked.get('prompt')), [null, 'login'])
  const browser = newBrowser()
  idp.answers = (path, request) => {
    if (path === '/authorize' && request.url!.includes('prompt=login')) idp.claims = { ...stale, auth_time: seconds() }
    return false
  }
  await open(again, stale, browser)
  idp.answers = () => false
  t.equal((await change(browser)).status, 201, 'some know prompt=login alone')
})

tap.test('for members who are no operators, a sign-in at a provider that does not say when counts as it is', async t => {
  const { json: { id } } = await server.admin('POST', '/organizations', { name: 'Acme' })
  const claims = await member('lou', id)
  const { browser, status } = await open(again, claims)
  t.not(status, 403)
  t.equal(await me(browser), 200)
})

tap.test('an account is added within ten minutes of a sign-in, from the beginning to the end', async t => {
  const { json: { id } } = await server.admin('POST', '/organizations', { name: 'Acme' })
  const claims = await member('max', id)
  const { browser } = await open(login, claims)
  const begin = () => post(browser, '/auth/identities', new URLSearchParams({ provider: 'up' }))
  const begun = await begin()
  t.equal(begun.status, 200)
  server.clock.advance(600)
  const late = await begin()
  t.match([late.status, late.json.error], [401, /Accounts are added within 10 minutes after a sign-in: sign in again/])
  server.clock.advance(-10)
  const slow = await begin()
  t.equal(slow.status, 200)
  remember(browser, slow)
  server.clock.advance(20)
  const returned = await open(slow.json.url, { sub: 'max-2' }, browser)
  t.equal(returned.status, 401, 'it began in time, and ended late')
  server.clock.advance(-610)
  const third = await begin()
  remember(browser, third)
  t.equal((await open(third.json.url, { sub: 'max-2' }, browser)).status, 200)
})

tap.test('an account that was begun to be added is not added once the member is demoted', async t => {
  const { json: { id: organization } } = await server.admin('POST', '/organizations', { name: 'Acme' })
  await server.admin('POST', '/members', { organization, name: 'Boss', role: 'owner' })
  const claims = await member('pat', organization)
  const { browser } = await open(login, claims)
  const begun = await post(browser, '/auth/identities', new URLSearchParams({ provider: 'up' }))
  remember(browser, begun)
  const { json: { data } } = await server.admin('GET', `/members?organization=${organization}&name=pat`)
  t.equal((await server.admin('PATCH', `/members/${data[0].id}`, { role: 'viewer' })).status, 200)
  t.equal((await open(begun.json.url, { sub: 'pat-2' }, browser)).status, 401)
  t.equal((await server.admin('GET', `/members/${data[0].id}/identities`)).json.data.length, 1)
})
