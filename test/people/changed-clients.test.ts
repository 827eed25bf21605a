/** Clients that change after a person has allowed them something: what was allowed to another client is asked anew. */
import { exportJWK, generateKeyPair } from 'jose'
import tap from 'tap'
import {
  answerPage, authorizationUrl, authorize, browserOf, createAskingClient, isCallback, newPkce, redeem,
  registerAskingClient, returned, tokenAs, type AskingClient
} from '../support/authorizing.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { createPerson, fromOwnPages, type Person } from '../support/people.ts'
import { startOnEachDatabase, type Json } from '../support/test-server.ts'
import { newSecret } from '../../src/secrets/random.ts'

tap.setTimeout(600_000)
const host = await startDocumentHost(tap)
const { servers, close } = await startOnEachDatabase({ registration: 'open', network: host.network })
tap.teardown(close)

const redirectUri = 'https://app.example.test/callback'
const origin = () => `https://${newSecret().toLowerCase().replace(/[^a-z\d]/g, 'x').slice(0, 20)}.example`
const key = async () => ({ ...await exportJWK((await generateKeyPair('ES256')).publicKey), kid: newSecret() })

for (const { name, server } of servers) {
  const { store } = server.latchkey.operation
  const asked = { resource: server.issuer, scope: 'invoices:read' }
  const { challenge } = newPkce()

  const open = async (client: AskingClient, person: Person) => {
    const browser = browserOf(server, person)
    return { browser, page: await browser.open(authorizationUrl(server, client, challenge, asked), isCallback) }
  }
  const isAsked = async (client: AskingClient, person: Person) => !isCallback((await open(client, person)).page.url)

  /** A client of a document, and a way to change that and to make the server read it anew. */
  function documented (more: Json = {}) {
    const id = `${origin()}/client.json`
    const base = { client_id: id, client_name: 'Weather Agent', redirect_uris: [redirectUri], ...more }
    host.serves(id, base)
    const change = (members: Json) => {
      host.serves(id, { ...base, ...members })
      server.clock.advance(301)
    }
    return { client: { id, secret: null, redirectUri } satisfies AskingClient, change }
  }

  const ways = [
    ['a metadata document', async () => documented()], ['RFC 7592', () => registerAskingClient(server)]
  ] as const
  for (const [what, make] of ways) {
    tap.test(`[${name}] A9: a client that changes its name or its redirect URIs by ${what} is asked about again`, async t => {
      const ada = await createPerson(server)
      const { client, change } = await make()
      t.ok((await authorize(server, client, ada, asked)).code)
      t.notOk(await isAsked(client, ada), 'what was allowed is remembered')
      await change({ client_uri: 'https://app.example.test/about' })
      t.notOk(await isAsked(client, ada), 'a description asks nothing again')
      await change({ redirect_uris: [redirectUri, 'https://evil.example/callback'] })
      const { browser, page } = await open(client, ada)
      t.match(page.text, 'It has changed since you allowed it something', 'another place that it sends people to')
      t.ok(returned(await answerPage(server, browser, page, 'allow')).code)
      t.notOk(await isAsked(client, ada), 'and is remembered as it is now')
      await change({ client_name: 'Your Bank', redirect_uris: [redirectUri, 'https://evil.example/callback'] })
      t.ok(await isAsked(client, ada), 'another name')
      await change({ redirect_uris: [redirectUri] })
      t.ok(await isAsked(client, ada), 'the form before last is not remembered')
    })
  }

  tap.test(`[${name}] A9: a document that gets other keys is asked about again; keys behind its jwks_uri change freely`, async t => {
    const ada = await createPerson(server)
    const proof = { token_endpoint_auth_method: 'private_key_jwt' }
    const inside = documented({ ...proof, jwks: { keys: [await key()] } })
    await authorize(server, inside.client, ada, asked)
    t.notOk(await isAsked(inside.client, ada))
    inside.change({ jwks: { keys: [await key()] } })
    t.ok(await isAsked(inside.client, ada))
    const at = origin()
    const jwksUri = `${at}/keys`
    host.serves(jwksUri, { keys: [await key()] })
    const document = { client_id: `${at}/m`, redirect_uris: [redirectUri], ...proof, jwks_uri: jwksUri }
    host.serves(document.client_id, document)
    const client = { id: document.client_id, secret: null, redirectUri }
    await authorize(server, client, ada, asked)
    host.serves(jwksUri, { keys: [await key()] })
    server.clock.advance(301)
    t.notOk(await isAsked(client, ada))
  })

  tap.test(`[${name}] A9: a document that changes between page and decision is shown anew, and nothing is allowed`, async t => {
    const ada = await createPerson(server)
    const { client, change } = documented()
    await authorize(server, client, ada, asked)
    change({ redirect_uris: [redirectUri, 'https://one.example/'] })
    const { browser, page } = await open(client, ada)
    const shown = /name="shown" value="([^"]*)"/.exec(page.text)![1]!
    change({ redirect_uris: [redirectUri, 'https://two.example/'] })
    const answer = await browser.send('POST', page.url, { decision: 'allow', shown }, fromOwnPages)
    t.strictSame([answer.status, answer.headers.location], [303, new URL(page.url).pathname])
    t.equal((await store.authorizations.page({ limit: 9, after: null }, { memberId: ada.id })).items.length, 1)
    const next = await browser.open(page.url, isCallback)
    t.match(next.text, 'It has changed since you allowed it something')
  })

  tap.test(`[${name}] a client that changes keeps what it was allowed: its refresh tokens are of the same client_id`, async t => {
    const ada = await createPerson(server)
    const { client, change } = documented()
    const given = await redeem(server, client, await authorize(server, client, ada, asked))
    change({ redirect_uris: ['https://app.example.test/other'] })
    const refreshed = await tokenAs(server, client, {
      grant_type: 'refresh_token', refresh_token: given.json.refresh_token
    })
    t.equal(refreshed.status, 200, refreshed.text)
  })

  tap.test(`[${name}] what an operator changes of a client that they made is not asked again`, async t => {
    const ada = await createPerson(server)
    const client = await createAskingClient(server)
    await authorize(server, client, ada, asked)
    const answer = await server.admin('PATCH', `/clients/${client.id}`, { name: 'Weather Agent 2' })
    t.equal(answer.status, 200)
    t.notOk(await isAsked(client, ada))
  })

  tap.test(`[${name}] a consent that remembers no form of an unverified client is asked again`, async t => {
    const ada = await createPerson(server)
    const { client } = await registerAskingClient(server)
    await authorize(server, client, ada, asked)
    const consent = (await store.consents.about({
      memberId: ada.id, clientId: client.id, resourceId: 'res_host'
    }))!
    await store.transaction(async tx => { await tx.consents.update({ ...consent, clientForm: null }) })
    t.ok(await isAsked(client, ada))
  })
}
