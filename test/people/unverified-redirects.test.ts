/** RFC 9700 §4.11.2: whoever registers a client gets no open redirector, and nobody else loses one. */
import tap from 'tap'
import {
  authorizationUrl, authorize, browserOf, callback, createAskingClient, isCallback, newPkce, registerAskingClient,
  returned, type AskingClient
} from '../support/authorizing.ts'
import { newBrowser, type Browser } from '../support/browsing.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { createPerson } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'

tap.setTimeout(600_000)
const host = await startDocumentHost(tap)
const server = await startServer({ registration: 'open', network: host.network })
tap.teardown(() => server.close())
const document = 'https://desk.example/client.json'
host.serves(document, { client_id: document, client_name: 'Desk', redirect_uris: [callback] })

const hosted: AskingClient = { id: document, secret: null, redirectUri: callback }
const registered = (await registerAskingClient(server)).client
const { challenge } = newPkce()
const asked = { resource: server.issuer, scope: 'invoices:read' }

const open = (client: AskingClient, more: Record<string, string>, browser: Browser = newBrowser()) =>
  browser.open(authorizationUrl(server, client, challenge, { ...asked, ...more }), isCallback)

/** Requests that are refused before anybody signs in, and their errors. */
const refused: [Record<string, string>, string][] = [
  [{ scope: 'a"b' }, 'invalid_scope'],
  [{ resource: 'relative' }, 'invalid_target'],
  [{ response_type: 'token' }, 'unsupported_response_type'],
  [{ response_type: 'code id_token' }, 'unsupported_response_type'],
  [{ code_challenge: '' }, 'invalid_request'],
  [{ prompt: 'none login' }, 'invalid_request'],
  [{ request: 'eyJ' }, 'request_not_supported'],
]

for (const [what, client] of [['registered itself', registered], ['has a metadata document', hosted]] as const) {
  tap.test(`a client that ${what}: before a sign-in a page shows each error, and a link alone leads on`, async t => {
    for (const [more, error] of refused) {
      const page = await open(client, more)
      const about = JSON.stringify(more)
      t.strictSame([page.status, page.headers.location], [400, undefined], about)
      t.match(page.headers['content-type'], 'text/html')
      t.match(page.headers['cache-control'], 'no-store')
      t.match(page.text, 'Unverified application.')
      t.match(page.text, `<code>${error.toUpperCase()}</code>`, about)
      t.match(page.text, 'Go on to app.example.test')
      t.notMatch(page.text, /http-equiv|<script/)
      const [, link] = /<a class="button" href="([^"]+)" rel="noreferrer">Go on/.exec(page.text)!
      const back = link!.replaceAll('&#38;', '&').replaceAll('&#61;', '=')
      t.ok(back.startsWith(callback), back)
      t.match(returned({ ...page, url: back }), { error, state: 'a-state', iss: server.issuer }, about)
    }
  })

  tap.test(`a client that ${what}: a silent request, a signed-in person and a program get the error at once`, async t => {
    t.match(returned(await open(client, { prompt: 'none' })), { error: 'login_required' })
    t.match(returned(await open(client, { prompt: 'none', scope: 'a"b' })), { error: 'invalid_scope' })
    const browser = browserOf(server, await createPerson(server))
    t.match(returned(await open(client, { scope: 'a"b' }, browser)), { error: 'invalid_scope' })
    const url = authorizationUrl(server, client, challenge, { ...asked, scope: 'a"b' })
    const asProgram = await newBrowser().send('GET', url, undefined, { accept: '*/*' })
    t.equal(asProgram.status, 303)
    t.match(asProgram.headers.location, 'error=invalid_scope')
  })
}

tap.test('a redirect URI that is not registered leads nowhere, by no link either', async t => {
  const page = await open({ ...registered, redirectUri: 'https://evil.example/' }, {})
  t.equal(page.status, 400)
  t.notMatch(page.text, /Go on to|href="https:\/\/evil/)
})

tap.test('who goes on signs in as ever: without an error nothing is shown in between', async t => {
  t.match((await open(registered, {})).text, '<h1>Sign in')
  const person = await createPerson(server)
  t.ok((await authorize(server, registered, person, asked)).code)
})

tap.test('a client that is vouched for, by an operator or by its organization, gets its errors at once', async t => {
  const { id: organizationId } = await server.createOrganization()
  for (const client of [
    await createAskingClient(server), await createAskingClient(server, {}, { origin: 'registered', organizationId })
  ]) {
    t.match(returned(await open(client, { scope: 'a"b' })), { error: 'invalid_scope', state: 'a-state' })
  }
})

tap.test('a program on the person\'s computer is named as such', async t => {
  const { client } = await registerAskingClient(server, { redirect_uris: ['http://127.0.0.1/callback'] })
  const page = await open({ ...client, redirectUri: 'http://127.0.0.1:4711/callback' }, { scope: 'a"b' })
  t.equal(page.status, 400)
  t.match(page.text, '<code>127.0.0.1</code> (a program on this computer)')
})
