/** Clients that people do not know: each is asked about by itself, and nothing that it says of itself does anything. */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import tap from 'tap'
import {
  authorizationUrl, authorize, browserOf, createAskingClient, isCallback, newPkce, registerAskingClient,
  type AskingClient
} from '../support/authorizing.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { createPerson, fromOwnPages, type Person } from '../support/people.ts'
import { startOnEachDatabase, type Json } from '../support/test-server.ts'

tap.setTimeout(600_000)
const host = await startDocumentHost(tap)
const { servers, close } = await startOnEachDatabase({ registration: 'open', network: host.network })
tap.teardown(close)
let connections = 0
const sink = createServer(socket => {
  connections++
  socket.destroy()
})
sink.listen(0, '127.0.0.1')
await once(sink, 'listening')
tap.teardown(() => sink.close())
const { port } = sink.address() as AddressInfo

const redirectUri = 'https://app.example.test/callback'

for (const { name, server } of servers) {
  const asked = { resource: server.issuer, scope: 'invoices:read' }

  async function open (client: AskingClient, person: Person) {
    const browser = browserOf(server, person)
    const page = await browser.open(authorizationUrl(server, client, newPkce().challenge, asked), isCallback)
    return { browser, page }
  }

  function documented (path: string, more: Json = {}): AskingClient {
    const id = `https://${name}.strange.example/${path}`
    host.serves(id, { client_id: id, client_name: 'Weather Agent', redirect_uris: [redirectUri], ...more })
    return { id, secret: null, redirectUri }
  }

  tap.test(`[${name}] A9: no client is let in because another one was: same name, redirect URI, host, or registration`, async t => {
    const ada = await createPerson(server)
    const allowed = [
      documented('one'), (await registerAskingClient(server)).client, await createAskingClient(server)
    ]
    for (const client of allowed) t.ok((await authorize(server, client, ada, asked)).code)
    const others = [
      documented('two'), documented('one/'), documented('ONE'), (await registerAskingClient(server)).client,
      await createAskingClient(server)
    ]
    for (const client of others) t.match((await open(client, ada)).page.text, 'value="allow"', client.id)
    for (const client of allowed) {
      t.ok(isCallback((await open(client, ada)).page.headers.location ?? ''), `${client.id} is remembered`)
      t.match((await open(client, await createPerson(server))).page.text, 'value="allow"', 'for one person alone')
    }
  })

  tap.test(`[${name}] A10: logos and links of a client are on no page, and nothing fetches them`, async t => {
    const ada = await createPerson(server)
    const hostile = [
      'javascript:alert(1)', 'data:image/svg+xml,<svg onload=alert(1)>', `http://127.0.0.1:${port}/logo.png`,
      `https://127.0.0.1:${port}/logo.svg`, 'https://logo.example/x.svg', `http://localhost:${port}/"onerror="alert(1)`,
      'https://user:password@logo.example/\u202egnp.svg', `https://logo.example/${'x'.repeat(1_000)}`
    ]
    const before = host.requests.length
    for (const [index, uri] of hostile.entries()) {
      // A host, and an address, fetch so many documents a minute.
      server.clock.advance(61)
      const links = { logo_uri: uri, client_uri: uri, policy_uri: uri, tos_uri: uri }
      const clients = [documented(`hostile-${index}`, links), await createAskingClient(server, links)]
      const registered = await registerAskingClient(server, links).catch(() => null)
      if (registered !== null) clients.push(registered.client)
      if (index < 2) t.equal(registered, null, `registration refuses ${uri}`)
      for (const client of clients) {
        const { page } = await open(client, ada)
        t.match(page.text, 'value="allow"', `${uri} of ${client.id}`)
        t.strictSame([...page.text.matchAll(/<img[^>]*src="([^"]*)"/g)].map(each => each[1]), ['/assets/mark.svg'])
        t.notMatch(page.text, /logo|javascript|onerror|onload|password/)
        t.match(page.headers['content-security-policy'], /default-src 'none'/)
      }
    }
    t.equal(connections, 0, 'this server asked for none')
    t.ok(host.requests.slice(before).every(({ url }) => url.startsWith(`https://${name}.strange.example/hostile-`)))
  })

  tap.test(`[${name}] A7: what follows a form is fetched with GET: 303, and never 307 or 308`, async t => {
    const ada = await createPerson(server)
    const client = await createAskingClient(server)
    const { browser, page } = await open(client, ada)
    const [action, shown] = [/action="(\/api[^"]+)" class="decision/, /name="shown" value="([^"]*)"/]
      .map(each => each.exec(page.text)![1]!)
    const form = new URL(authorizationUrl(server, client, newPkce().challenge, asked)).searchParams
    const answers = {
      request: await browser.send('POST', `${server.url}/api/v1/oauth/authorize`, Object.fromEntries(form)),
      allow: await browser.send('POST', server.url + action!, { decision: 'allow', shown: shown! }, fromOwnPages),
      deny: await browser.send('POST', server.url + action!, { decision: 'deny' }, fromOwnPages),
      logout: await browser.send('POST', `${server.url}/api/v1/auth/logout`, {}, fromOwnPages),
    }
    for (const [what, { status }] of Object.entries(answers)) t.equal(status, 303, what)
  })

  tap.test(`[${name}] A7: an error that a request brings along is shown nowhere`, async t => {
    const ada = await createPerson(server)
    const client = await createAskingClient(server)
    const evil = '<svg onload=alert(1)>'
    const requests: Record<string, string>[] = [
      { error: 'x', error_description: evil, redirect_uri: 'https://evil.example/' }, { client_id: evil },
      { scope: evil, redirect_uri: evil }, { response_type: evil, redirect_uri: '' }
    ]
    for (const more of requests) {
      const url = authorizationUrl(server, client, newPkce().challenge, { ...asked, ...more })
      const { status, headers, text } = await browserOf(server, ada).send('GET', url)
      t.match([status, headers.location], [/^40[01]$/, undefined], JSON.stringify(more))
      t.notMatch(text, '<svg', JSON.stringify(more))
      t.match(headers['content-security-policy'], /default-src 'none'/)
    }
  })
}
