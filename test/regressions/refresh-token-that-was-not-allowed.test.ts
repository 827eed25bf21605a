/** A client that was allowed access for an hour added `refresh_token` to its grants afterwards, and kept its access. */
import tap from 'tap'
import {
  answerPage, authorizationUrl, authorize, browserOf, createAskingClient, isCallback, newPkce, redeem,
  registerAskingClient, returned, type AskingClient
} from '../support/authorizing.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { createPerson } from '../support/people.ts'
import { startOnEachDatabase, startServer, type Json } from '../support/test-server.ts'

tap.setTimeout(600_000)
const host = await startDocumentHost(tap)
const { servers, close } = await startOnEachDatabase({ registration: 'open', network: host.network })
tap.teardown(close)

const hourly = { grant_types: ['authorization_code'] }
const lasting = { grant_types: ['authorization_code', 'refresh_token'] }

for (const { name, server } of servers) {
  const asked = { resource: server.issuer, scope: 'invoices:read' }

  async function begin (client: AskingClient, person: { cookie: string }, more: Record<string, string> = {}) {
    const { verifier, challenge } = newPkce()
    const browser = browserOf(server, person)
    const url = authorizationUrl(server, client, challenge, { ...asked, ...more })
    return { browser, verifier, page: await browser.open(url, isCallback) }
  }

  tap.test(`[${name}] what was allowed without refresh tokens brings none, whatever the client is at the end`, async t => {
    const person = await createPerson(server)
    const { client, change } = await registerAskingClient(server, hourly)
    const given = await authorize(server, client, person, asked)
    await change(lasting)
    const { status, json } = await redeem(server, client, given)
    t.equal(status, 200)
    t.notOk('refresh_token' in json)
  })

  tap.test(`[${name}] a client that wants to stay for longer is asked about again, and gets what is allowed then`, async t => {
    const person = await createPerson(server)
    const { client, change } = await registerAskingClient(server, hourly)
    await redeem(server, client, await authorize(server, client, person, asked))
    await change(lasting)
    t.match(returned((await begin(client, person, { prompt: 'none' })).page), { error: 'consent_required' })
    const { browser, page, verifier } = await begin(client, person)
    t.match(page.text, 'It keeps this access until you end it')
    const { json } = await redeem(server, client, {
      verifier, ...returned(await answerPage(server, browser, page, 'allow'))
    })
    t.ok(json.refresh_token)
  })

  tap.test(`[${name}] a page that said for an hour is not an answer about a client that stays`, async t => {
    const person = await createPerson(server)
    const { client, change } = await registerAskingClient(server, hourly)
    const { browser, page } = await begin(client, person)
    t.match(page.text, 'and then has to ask again')
    await change(lasting)
    const next = await answerPage(server, browser, page, 'allow')
    t.match(next.text, 'It keeps this access until you end it')
  })

  tap.test(`[${name}] a client of an operator has the refresh tokens that the page named`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server, hourly)
    const given = await authorize(server, client, person, asked)
    await server.admin('PATCH', `/clients/${client.id}`, { grantTypes: lasting.grant_types })
    t.notOk('refresh_token' in (await redeem(server, client, given)).json)
    const silent = await begin(client, person, { prompt: 'none' })
    const { code } = returned(silent.page)
    t.ok((await redeem(server, client, { code: code!, verifier: silent.verifier })).json.refresh_token)
    const { json } = await server.admin('GET', '/audit?type=authorization.created&limit=2')
    const remembered = json.data.map((each: Json) => each.detail.remembered)
    t.strictSame(remembered, [true, undefined], 'the audit log tells them apart')
  })
}

tap.test('a metadata document that adds refresh_token is asked about again', async t => {
  const server = await startServer({ network: host.network })
  t.teardown(() => server.close())
  const person = await createPerson(server)
  const id = 'https://agents.example/client.json'
  const document = { client_id: id, redirect_uris: ['https://agents.example/cb'] }
  const client = { id, secret: null, redirectUri: 'https://agents.example/cb' }
  host.serves(id, { ...document, ...hourly })
  const asked = { resource: server.issuer, scope: 'invoices:read' }
  const given = await authorize(server, client, person, asked)
  host.serves(id, { ...document, ...lasting })
  server.clock.advance(301)
  const url = authorizationUrl(server, client, newPkce().challenge, { ...asked, prompt: 'none' })
  t.match(returned(await browserOf(server, person).open(url, isCallback)), { error: 'consent_required' })
  t.ok(given.code)
})
