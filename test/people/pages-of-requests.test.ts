/** Pages of authorization requests that do not come to a decision: each says what is at fault and what to do. */
import tap from 'tap'
import {
  authorizationUrl, browserOf, createAskingClient, isCallback, newPkce, returned
} from '../support/authorizing.ts'
import { newBrowser } from '../support/browsing.ts'
import { createPerson, fromOwnPages } from '../support/people.ts'
import { startOnEachDatabase } from '../support/test-server.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

for (const { name, server } of servers) {
  const asked = { resource: server.issuer, scope: 'invoices:write' }
  const { challenge } = newPkce()

  tap.test(`[${name}] who has none of the scopes reads which, and what to do, and goes back with access_denied`, async t => {
    const reader = await createPerson(server, { scopes: ['invoices:read'] })
    const browser = browserOf(server, reader)
    const client = await createAskingClient(server)
    const page = await browser.open(authorizationUrl(server, client, challenge, asked), isCallback)
    t.equal(page.status, 200)
    t.match(page.text, 'asks for what you may not do')
    t.match(page.text, '<code>invoices:write</code>')
    t.match(page.text, 'can give them to you')
    t.notMatch(page.text, 'value="allow"')
    const action = /<form method="post" action="(\/api\/v1\/auth\/consent\/[^"]+)"/.exec(page.text)![1]!
    const back = await browser.send('POST', server.url + action, { decision: 'deny' }, fromOwnPages)
    const end = await browser.open(new URL(back.headers.location!, server.url).href, isCallback)
    t.match(returned(end), {
      error: 'access_denied',
      error_description: 'The person has none of the scopes that were asked for.',
      iss: server.issuer,
      state: 'a-state'
    })
  })

  tap.test(`[${name}] RFC 6749 §4.1.2.1: a foreign redirect URI is shown as text, with the client and the remedy`, async t => {
    const client = await createAskingClient(server)
    const foreign = 'https://other.example/<b>back'
    const url = authorizationUrl(server, client, challenge, { ...asked, redirect_uri: foreign })
    const page = await newBrowser().open(url, isCallback)
    t.equal(page.status, 400)
    t.match(page.text, '“Weather Agent” asks to send you to https://other.example/&#60;b&#62;back')
    t.match(page.text, `latchkey client update ${client.id} --redirect-uri URI`)
    t.notMatch(page.text, '<b>')
  })

  tap.test(`[${name}] an unknown client_id is named`, async t => {
    const unknown = { id: 'cli_nothing', secret: null, redirectUri: 'https://a.example' }
    const url = authorizationUrl(server, unknown, challenge, asked)
    const page = await newBrowser().open(url, isCallback)
    t.match(page.text, 'No application is known here by the client_id cli_nothing')
  })

  tap.test(`[${name}] the sign-in page says which application asks, and that it is unverified`, async t => {
    const [ours, theirs] = [
      await createAskingClient(server), await createAskingClient(server, {}, { origin: 'registered' })
    ]
    const page = await newBrowser().open(authorizationUrl(server, ours, challenge, asked), isCallback)
    t.match(page.text, '“Weather Agent” asks you to sign in.')
    t.notMatch(page.text, 'Manage the clients')
    t.notMatch(page.text, 'latchkey member sign-in-link')
    t.notMatch(page.text, 'Unverified application')
    const other = await newBrowser().open(authorizationUrl(server, theirs, challenge, asked), isCallback)
    t.match(other.text, 'Unverified application')
    const own = await newBrowser().open(`${server.url}/api/v1/auth/login`)
    t.match(own.text, 'Manage the clients')
  })

  tap.test(`[${name}] OpenID Connect without a refresh token is a sign-in, not access in absence`, async t => {
    const person = await createPerson(server)
    const once = await createAskingClient(server, { grant_types: ['authorization_code'] })
    const open = async (client: typeof once) => await browserOf(server, person).open(
      authorizationUrl(server, client, challenge, { scope: 'openid email' }), isCallback
    )
    const page = await open(once)
    t.match(page.text, 'wants to sign you in')
    t.match(page.text, 'can do nothing for you')
    t.notMatch(page.text, 'userinfo')
    t.match((await open(await createAskingClient(server))).text, 'also while you are away')
  })
}
