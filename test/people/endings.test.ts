/** How a question to a person can end: each time a page of this server says why, and leads nowhere it should not. */
import tap from 'tap'
import {
  authorizationUrl, browserOf, createAskingClient, isCallback, newPkce, returned, type AskingClient
} from '../support/authorizing.ts'
import { newBrowser, type Browser, type Visit } from '../support/browsing.ts'
import { createPerson, fromOwnPages, signIn, type Person } from '../support/people.ts'
import { startOnEachDatabase } from '../support/test-server.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

for (const { name, server } of servers) {
  const { store } = server.latchkey.operation
  const asked = { resource: server.issuer, scope: 'invoices:read' }
  const host = new URL(server.url).host
  const resume = (uid: string) => `${server.url}/api/v1/oauth/authorize/${uid}`

  interface Question { person: Person, client: AskingClient, browser: Browser, page: Visit, uid: string, shown: string }

  async function question (more: Record<string, string> = {}): Promise<Question> {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    const browser = browserOf(server, person)
    const request = authorizationUrl(server, client, newPkce().challenge, { ...asked, ...more })
    const page = await browser.open(request, isCallback)
    const uid = /consent\/([^"]+)"/.exec(page.text)![1]!
    return { person, client, browser, page, uid, shown: /name="shown" value="([^"]*)"/.exec(page.text)![1]! }
  }

  const pageUrl = (uid: string) => `${server.url}/api/v1/auth/consent/${uid}`
  const look = ({ browser, uid }: Question) => browser.send('GET', pageUrl(uid))
  const decide = ({ browser, uid, shown }: Question, decision = 'allow') =>
    browser.send('POST', pageUrl(uid), { decision, shown }, fromOwnPages)
  const goOn = ({ browser, uid }: Question) => browser.send('GET', resume(uid))
  const cookiesOf = ({ browser }: Question) => browser.cookies.get(host)!
  const tamper = (asking: Question, named: string) => {
    for (const [cookie, value] of cookiesOf(asking)) {
      const other = `${value.slice(0, -1)}${value.endsWith('x') ? 'y' : 'x'}`
      if (cookie.startsWith(named)) cookiesOf(asking).set(cookie, other)
    }
  }
  const use = (asking: Question, { cookie }: { cookie: string }) => {
    const [key, value] = cookie.split('=') as [string, string]
    cookiesOf(asking).set(key, value)
  }
  const signOut = async ({ person }: Question) => {
    await store.personSessions.end(person.session, server.clock.now(), 'sign-out')
  }

  type Ending = [what: string, status: number, why: RegExp, end: (asking: Question) => Promise<Visit>]
  const over = /over, or another browser began it; start again at the application/
  const notOn = /Start again at the application/
  const endings: Ending[] = [
    ['the page of an unknown question', 404, over, asking => look({ ...asking, uid: 'unknown' })],
    ['the page after ten minutes', 404, over, async asking => {
      server.clock.advance(601)
      use(asking, await signIn(server, asking.person.id))
      return await look(asking)
    }],
    ['a decision after ten minutes', 404, over, async asking => {
      server.clock.advance(601)
      return await decide(asking)
    }],
    ['the page in another browser', 404, over, asking => look({ ...asking, browser: newBrowser() })],
    ['a decision in another browser', 404, over, asking =>
      decide({ ...asking, browser: browserOf(server, asking.person) })],
    ['the page with a tampered cookie', 404, over, async asking => {
      tamper(asking, 'latchkey_question')
      return await look(asking)
    }],
    ['a decision with the cookie of another request', 404, over, async asking => {
      const other = await question()
      return await decide({ ...asking, browser: other.browser })
    }],
    ['a decision after the answer was taken', 404, over, async asking => {
      const answer = await decide(asking)
      await asking.browser.open(new URL(answer.headers.location!, server.url).href, isCallback)
      return await decide(asking)
    }],
    ['a decision after the sign-out', 403, notOn, async asking => {
      await signOut(asking)
      return await decide(asking)
    }],
    ['a decision in another session of the person', 403, notOn, async asking => {
      use(asking, await signIn(server, asking.person.id))
      return await decide(asking)
    }],
    ['a decision by another person in another tab', 403, notOn, async asking => {
      use(asking, await createPerson(server))
      return await decide(asking, 'deny')
    }],
    ['a decision from another site', 403, /./, ({ browser, uid, shown }) =>
      browser.send('POST', pageUrl(uid), { decision: 'allow', shown }, { 'sec-fetch-site': 'cross-site' })],
    ['the way back of an unknown question', 400, notOn, asking =>
      goOn({ ...asking, browser: browserOf(server, asking.person), uid: 'unknown' })],
    ['the way back after ten minutes', 400, notOn, async asking => {
      await decide(asking)
      server.clock.advance(601)
      return await goOn(asking)
    }],
    ['the way back in another browser', 400, notOn, async asking => {
      await decide(asking)
      return await goOn({ ...asking, browser: newBrowser() })
    }],
    ['the way back with a tampered cookie', 400, notOn, async asking => {
      await decide(asking)
      tamper(asking, 'latchkey_request')
      return await goOn(asking)
    }],
    ['the way back a second time', 400, notOn, async asking => {
      await decide(asking)
      const kept = new Map(cookiesOf(asking))
      await goOn(asking)
      asking.browser.cookies.set(host, kept)
      return await goOn(asking)
    }],
    ['the way back after the sign-out', 400, notOn, async asking => {
      await decide(asking)
      await signOut(asking)
      return await goOn(asking)
    }],
    ['the way back of another person in another tab', 400, notOn, async asking => {
      await decide(asking)
      use(asking, await createPerson(server))
      return await goOn(asking)
    }],
    ['the way back of another person than the one who has just signed in', 400, notOn, async asking => {
      use(asking, await signIn(server, asking.person.id))
      const { headers } = await look(asking)
      t(headers.location)
      use(asking, await createPerson(server))
      return await goOn(asking)
    }],
    ['an authorization request with a session and a tampered request', 400, /./, async ({ browser, client }) => {
      const evil = { ...asked, redirect_uri: 'https://evil.example/' }
      return await browser.send('GET', authorizationUrl(server, client, newPkce().challenge, evil))
    }],
  ]

  function t (location: string | undefined): void {
    if (location === undefined) throw new Error('the person was not taken over')
  }

  tap.test(`[${name}] A7 A9 A11: every ending of a question is a page of this server, with the reason and no Location`, async t => {
    for (const [what, status, why, end] of endings) {
      const before = server.clock.now().getTime()
      const visit = await end(await question())
      t.equal(visit.status, status, `${what}: ${visit.headers.location ?? ''}`)
      t.equal(visit.headers.location, undefined, what)
      t.match(visit.headers['content-type'], 'text/html', what)
      t.match(visit.headers['content-security-policy'], /^default-src 'none'; .*frame-ancestors 'none'/, what)
      t.match(visit.headers, {
        'referrer-policy': 'no-referrer', 'x-content-type-options': 'nosniff', 'cache-control': 'no-store'
      }, what)
      t.match(visit.text, why, what)
      t.match(visit.text, 'href="/assets/pages.css"', what)
      if (server.clock.now().getTime() - before > 600_000) server.clock.advance(-601)
    }
  })

  tap.test(`[${name}] A8: response type and mode, redirect URI, state and scope of an open question cannot be changed on the way back`, async t => {
    for (const change of [
      'response_type=token', 'response_mode=fragment', 'response_mode=form_post', 'redirect_uri=https://evil.example/',
      'state=other', 'scope=invoices:write', 'client_id=other', 'prompt=none', 'resource=https://evil.example'
    ]) {
      const asking = await question()
      const answer = await asking.browser.send(
        'POST', `${pageUrl(asking.uid)}?${change}`, {
          decision: 'allow',
          shown: asking.shown,
          ...Object.fromEntries(
            new URLSearchParams(change)
          )
        }, fromOwnPages
      )
      t.equal(answer.status, 303, change)
      t.equal(answer.headers.location, resume(asking.uid), change)
      const end = await asking.browser.send('GET', `${resume(asking.uid)}?${change}`)
      const location = end.headers.location ?? ''
      t.ok(location.startsWith(`${asking.client.redirectUri}?`), `${change}: ${location}`)
      t.match(returned({ ...end, url: location }), { code: /./, state: 'a-state', iss: server.issuer }, change)
      const [given] = (await store.authorizations.page({ limit: 2, after: null }, { clientId: asking.client.id })).items
      t.match(given!.scopes.map(each => each.split('#')[0]), ['invoices:read'], change)
    }
  })
}
