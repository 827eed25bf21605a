/** The authorization code grant: from the request of a client over the consent of a person to a token at an API. */
import tap from 'tap'
import {
  answerPage, authorizationUrl, authorize, browserOf, callback, createAskingClient, isCallback, newPkce, redeem,
  returned
} from '../support/authorizing.ts'
import { createPerson } from '../support/people.ts'
import { decodeJwt, startOnEachDatabase } from '../support/test-server.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

for (const { name, server } of servers) {
  const api = server.issuer
  const asked = { resource: api, scope: 'invoices:read invoices:write' }

  tap.test(`[${name}] a client acts for a person: code, consent, token, and the API takes it`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    const { verifier, challenge } = newPkce()
    const browser = browserOf(server, person)
    const page = await browser.open(authorizationUrl(server, client, challenge, asked), isCallback)
    t.equal(page.status, 200)
    t.match(page.text, 'Weather Agent')
    const end = await answerPage(server, browser, page, 'allow')
    t.ok(end.url.startsWith(`${callback}?`), end.url)
    const { code, state, iss } = returned(end)
    t.strictSame([state, iss], ['a-state', server.issuer], 'SECURITY A6: iss says which server answers')
    const answer = await redeem(server, client, { code: code!, verifier })
    t.equal(answer.status, 200, answer.text)
    const { access_token: token, refresh_token: refresh, token_type: type, scope } = answer.json
    t.strictSame([type, scope, typeof refresh], ['Bearer', 'invoices:read invoices:write', 'string'])
    const { payload } = decodeJwt(token)
    t.strictSame(
      [payload.sub, payload.client_id, payload.org_id, payload.aud], [person.id, client.id, person.organization, api]
    )
    t.match(payload.gnt, /^aut_/)
    const { status, json } = await server.bearer(token, '/api/v1/invoices')
    t.equal(status, 200)
    t.strictSame(json.seen, {
      kind: 'access_token', id: person.id, organizationId: person.organization, environment: 'live'
    })
    t.equal((await server.bearer(token, '/api/v1/company')).status, 403, 'what was not allowed is not there')
  })

  tap.test(`[${name}] OpenID Connect Core §3.1.2.1: a form asks as a query does`, async t => {
    const person = await createPerson(server)
    const { searchParams, pathname } = new URL(
      authorizationUrl(server, await createAskingClient(server), newPkce().challenge, asked)
    )
    const sent = await server.send({ method: 'POST', path: pathname, body: searchParams })
    t.equal(sent.status, 303)
    const page = await browserOf(server, person).open(server.url + sent.headers.location, isCallback)
    t.match(page.text, 'Weather Agent')
    t.equal((await server.send({ method: 'POST', path: pathname, body: {} })).status, 400)
  })

  tap.test(`[${name}] an authorization that has ended is refused on the next request`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    const { access_token: token } = (await redeem(server, client, await authorize(server, client, person, asked))).json
    t.equal((await server.bearer(token)).status, 200)
    const { store } = server.latchkey.operation
    await store.authorizations.end(decodeJwt(token).payload.gnt, server.clock.now(), 'ended')
    t.equal((await server.bearer(token)).status, 401)
  })
}
