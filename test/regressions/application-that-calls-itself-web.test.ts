/** A client on the computer of a person called itself `web`, so that any program there could get codes in its name. */
import tap from 'tap'
import {
  answerPage, authorizationUrl, authorize, browserOf, createAskingClient, newPkce, redeem, registerAskingClient,
  returned, type AskingClient
} from '../support/authorizing.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { createPerson } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'

const host = await startDocumentHost(tap)
const server = await startServer({ registration: 'open', network: host.network })
tap.teardown(() => server.close())

const asked = { resource: server.issuer, scope: 'invoices:read' }

/** What the client gets without a page after it was allowed once. */
async function afterConsent (client: AskingClient, allow: (uri: string) => boolean) {
  const person = await createPerson(server)
  const given = await authorize(server, client, person, asked, allow)
  const { status } = await redeem(server, client, given)
  const again = async (more: Record<string, string>) => {
    const url = authorizationUrl(server, client, newPkce().challenge, { ...asked, ...more })
    return await browserOf(server, person).open(url, allow)
  }
  return { status, silently: returned(await again({ prompt: 'none' })), page: await again({}) }
}

const startsWith = (uri: string) => (location: string) => location.startsWith(uri)

const onTheDevice = [
  'http://127.0.0.1:9999/cb', 'http://localhost:9999/cb', 'http://[::1]:9999/cb', 'https://localhost:9999/cb',
  'https://127.0.0.1/cb', 'https://127.0.0.2/cb', 'https://agent.localhost/cb', 'https://[::ffff:7f00:1]/cb',
  'https://0.0.0.0/cb'
]

for (const uri of onTheDevice) {
  tap.test(`RFC 8252 §8.6: each request of a web client at ${uri} is asked about`, async t => {
    const { client } = await registerAskingClient(server, { application_type: 'web', redirect_uris: [uri] })
    const { status, silently, page } = await afterConsent(client, startsWith(uri))
    t.equal(status, 200)
    t.match(silently, { error: 'interaction_required' })
    t.match(page.text, 'value="allow"')
    t.match(page.text, 'a program on this computer')
  })
}

const types = ['web', 'native', undefined] as const

for (const type of types) {
  tap.test(`RFC 8252 §8.6: one redirect URI on the device is enough, with the type ${type ?? 'missing'}`, async t => {
    const web = 'https://app.example.test/callback'
    const redirectUris = [web, type === 'native' ? 'com.example.agent:/cb' : 'http://127.0.0.1/cb']
    const client = await createAskingClient(server, {
      redirect_uris: redirectUris, ...(type === undefined ? {} : { application_type: type })
    })
    const { silently, page } = await afterConsent(client, startsWith(web))
    t.match(silently, { error: 'interaction_required' })
    t.match(page.text, 'value="allow"')
  })
}

tap.test('a client that is on the web alone is not asked about again', async t => {
  const { client } = await registerAskingClient(server)
  const { silently, page } = await afterConsent(client, startsWith(client.redirectUri))
  t.ok(silently.code)
  t.ok(returned(page).code)
})

tap.test('another application_type is another client to the person who allowed it', async t => {
  const id = 'https://agents.example/client.json'
  const document = { client_id: id, redirect_uris: ['https://agents.example/cb'] }
  const client = { id, secret: null, redirectUri: 'https://agents.example/cb' }
  host.serves(id, { ...document, application_type: 'native' })
  const until = startsWith(client.redirectUri)
  t.match((await afterConsent(client, until)).silently, { error: 'interaction_required' })
  const person = await createPerson(server)
  await authorize(server, client, person, asked, until)
  host.serves(id, { ...document, application_type: 'web' })
  server.clock.advance(301)
  const url = (more: Record<string, string>) =>
    authorizationUrl(server, client, newPkce().challenge, { ...asked, ...more })
  t.match(returned(await browserOf(server, person).open(url({ prompt: 'none' }), until)), { error: 'consent_required' })
  const browser = browserOf(server, person)
  const page = await browser.open(url({}), until)
  t.match(page.text, 'It has changed since you allowed it something')
  t.ok(returned(await answerPage(server, browser, page, 'allow', until)).code)
})
