/** Clients that ask for a fresh sign-in: what counts as one, what the client is told of its time, and what ends it. */
import tap, { type Test } from 'tap'
import {
  answerPage, authorizationUrl, browserOf, createAskingClient, isCallback, newPkce, redeem, returned, type AskingClient
} from '../support/authorizing.ts'
import { newBrowser, type Browser, type Visit } from '../support/browsing.ts'
import { startForgingProvider } from '../support/forging-provider.ts'
import { createMember, fromOwnPages, signIn } from '../support/people.ts'
import { decodeJwt, startServer } from '../support/test-server.ts'

tap.setTimeout(600_000)
const idp = await startForgingProvider()
const server = await startServer({ environment: { ...idp.variables('UP'), LATCHKEY_OIDC_UP_NAME: 'Up' } })
tap.teardown(async () => {
  await server.close()
  await idp.close()
})
const login = `${server.url}/api/v1/auth/login?provider=up`
const seconds = () => Math.floor(server.clock.now().getTime() / 1000)
const asked = { resource: server.issuer, scope: 'openid invoices:read' }

/** For the length of a test: questions are put by the clock of the system. */
function later (t: Test, by: number): void {
  server.clock.advance(by)
  t.teardown(() => { server.clock.advance(-by) })
}

/** A member whom the provider vouches for from now on. */
async function vouched (sub: string): Promise<{ sub: string, email: string }> {
  const email = `${sub}@acme.example`
  const { organization, id } = await createMember(server, { name: sub, email })
  await server.admin('POST', '/trusted-providers', { organization, provider: 'up' })
  await server.admin('POST', '/invitations', { organization, member: id })
  return { sub, email }
}

/** Signs in at the provider, which says of the time what `at` says; null: nothing. */
async function arrive (
  person: { sub: string }, at: number | null, browser: Browser, query = '', until = isCallback
): Promise<Visit> {
  idp.claims = { ...person, email_verified: true, ...(at !== null && { auth_time: at }) }
  return await browser.open(login + query, url => !url.startsWith(idp.issuer) && until(url))
}

function pathBack ({ url }: Visit): string {
  return new URL(url).searchParams.get('return_to')!
}

async function ask (client: AskingClient, browser: Browser, more: Record<string, string>) {
  const { verifier, challenge } = newPkce()
  return { verifier, page: await openAt(browser, authorizationUrl(server, client, challenge, { ...asked, ...more })) }
}

/** Opens a URL, and remembers the address of the page that it ends at. */
async function openAt (browser: Browser, url: string): Promise<Visit> {
  let at = url
  const visit = await browser.open(url, location => {
    at = location
    return isCallback(location)
  })
  return { ...visit, url: at }
}

const ways: Record<string, string>[] = [{ prompt: 'login' }, { max_age: '60' }, { prompt: 'login', max_age: '0' }]

for (const more of ways) {
  const name = new URLSearchParams(more).toString()

  tap.test(`a silent single sign-on at an unknown time is no fresh one for ${name}: a page says so, and no loop begins`, async t => {
    const ada = await vouched(`ada-${name.replace(/\W/g, '')}`)
    const client = await createAskingClient(server)
    const browser = newBrowser()
    await arrive(ada, null, browser)
    const { page } = await ask(client, browser, more)
    t.match(page.text, 'Sign in again')
    later(t, 2)
    const back = pathBack(page)
    const again = await arrive(ada, null, browser, `&prompt=login&return_to=${encodeURIComponent(back)}`)
    t.match([again.status, again.text], [403, /asks for a new sign-in.*does not say when you signed in there/s])
    t.match(again.headers['content-security-policy'], "default-src 'none'")
    t.match(again.text, `return_to&#61;${encodeURIComponent(back)}`, 'a way to another proof')
    const end = await browser.send('POST', server.url + back, { decision: 'deny' }, fromOwnPages)
    const told = await browser.open(new URL(end.headers.location!, server.url).href, isCallback)
    t.match(returned(told), { error: 'login_required', state: 'a-state', iss: server.issuer })
  })

  tap.test(`a sign-in at a known time after ${name} goes on, and auth_time is that time`, async t => {
    const eve = await vouched(`eve-${name.replace(/\W/g, '')}`)
    const client = await createAskingClient(server)
    const browser = newBrowser()
    await arrive(eve, null, browser)
    const { page, verifier } = await ask(client, browser, more)
    later(t, 5)
    const at = seconds()
    const consent = await arrive(eve, at, browser, `&prompt=login&return_to=${encodeURIComponent(pathBack(page))}`)
    t.match(consent.text, 'wants to act for you')
    const { code } = returned(await answerPage(server, browser, consent, 'allow'))
    const { json } = await redeem(server, client, { code: code!, verifier })
    if (more.max_age !== undefined) t.equal(decodeJwt(json.id_token).payload.auth_time, at)
  })
}

tap.test('a link or a passkey is a way out where the provider does not say when', async t => {
  const kay = await vouched('kay')
  const client = await createAskingClient(server)
  const browser = newBrowser()
  await arrive(kay, null, browser)
  const { page } = await ask(client, browser, { prompt: 'login' })
  later(t, 2)
  const back = pathBack(page)
  const stuck = await arrive(kay, null, browser, `&prompt=login&return_to=${encodeURIComponent(back)}`)
  t.equal(stuck.status, 403)
  const { json } = await server.admin('GET', '/members?name=kay')
  browserOf(server, await signIn(server, json.data[0].id), withCookies(browser))
  t.match((await browser.open(server.url + back, isCallback)).text, 'wants to act for you')
})

/** The browser, whose cookies are added to and not replaced. */
function withCookies (browser: Browser): Browser {
  const own = browser.cookies.get(new URL(server.url).host)!
  const set = (_host: string, more: Map<string, string>) => {
    for (const [name, value] of more) own.set(name, value)
  }
  return { ...browser, cookies: { set } as unknown as Browser['cookies'] }
}

tap.test('an older session that takes the place of the fresh one while the person decides does not do', async t => {
  const member = await createMember(server)
  const old = await signIn(server, member.id, { authenticatedAt: new Date(server.clock.now().getTime() - 3_600_000) })
  const silent = await signIn(server, member.id, { authTimeKnown: false })
  const client = await createAskingClient(server)
  for (const more of ways) {
    later(t, 1)
    const browser = browserOf(server, await signIn(server, member.id))
    const first = (await ask(client, browser, { max_age: '60' })).page
    t.match(first.text, 'wants to act for you', JSON.stringify(more))
    for (const other of [old, silent]) {
      browserOf(server, other, withCookies(browser))
      const { text } = await openAt(browser, first.url)
      t.match(text, 'Sign in again')
      t.notMatch(text, 'value="allow"')
    }
  }
})

tap.test('without a wish for a fresh sign-in, one at an unknown time will do, and no auth_time is told', async t => {
  const lou = await vouched('lou')
  const client = await createAskingClient(server, { require_auth_time: true })
  const browser = newBrowser()
  await arrive(lou, null, browser)
  const { page, verifier } = await ask(client, browser, {})
  t.match(page.text, 'wants to act for you')
  const { code } = returned(await answerPage(server, browser, page, 'allow'))
  const { json } = await redeem(server, client, { code: code!, verifier })
  t.equal(decodeJwt(json.id_token).payload.auth_time, undefined)
})
