/** Clients that vanish while a person is asked: unused ones that would be removed, ones that remove themselves. */
import tap from 'tap'
import {
  answerPage, authorizationUrl, authorize, browserOf, isCallback, newPkce, redeem, registerAskingClient, returned,
  tokenAs, type AskingClient
} from '../support/authorizing.ts'
import { createMember, createPerson, fromOwnPages, signIn } from '../support/people.ts'
import { startOnEachDatabase } from '../support/test-server.ts'
import { reapAbandonedClients } from '../../src/domain/authorizations/reap-clients.ts'
import { abandonedAfter, removedAfter } from '../../src/domain/credentials/client-registration.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase({ registration: 'open' })
tap.teardown(close)

for (const { name, server } of servers) {
  const { operation } = server.latchkey
  const { store } = operation
  const asked = { resource: server.issuer, scope: 'invoices:read' }
  const reap = async () => { while (await reapAbandonedClients(operation, 10) === 10); }
  const exists = async ({ id }: AskingClient) => await store.clients.get(id) !== null

  async function asking (client: AskingClient, person: { cookie: string }) {
    const { verifier, challenge } = newPkce()
    const browser = browserOf(server, person)
    const page = await browser.open(authorizationUrl(server, client, challenge, asked), isCallback)
    return { browser, page, verifier }
  }

  tap.test(`[${name}] R3: an unused client that asks a person is not removed before they answer, nor before it redeems the code`, async t => {
    const member = await createMember(server)
    const { client } = await registerAskingClient(server)
    const { client: unused } = await registerAskingClient(server)
    server.clock.advance(abandonedAfter + removedAfter + 60)
    const { browser, page, verifier } = await asking(client, await signIn(server, member.id))
    await reap()
    t.strictSame([await exists(client), await exists(unused)], [true, false])
    const { code } = returned(await answerPage(server, browser, page, 'allow'))
    await reap()
    t.equal((await redeem(server, client, { code: code!, verifier })).status, 200)
  })

  tap.test(`[${name}] R3: a mistaken request keeps no client that was never used`, async t => {
    const { client } = await registerAskingClient(server)
    server.clock.advance(abandonedAfter + removedAfter + 60)
    const { browser } = await asking(client, await createPerson(server))
    const { client: other } = await registerAskingClient(server)
    server.clock.advance(abandonedAfter + removedAfter + 60)
    const wrong = { ...other, redirectUri: 'https://evil.example/' }
    t.equal((await browser.open(authorizationUrl(server, wrong, newPkce().challenge, asked))).status, 400)
    await reap()
    t.strictSame([await exists(client), await exists(other)], [true, false])
  })

  tap.test(`[${name}] R3: a client that acts for somebody is not removed, although the note of its use was lost`, async t => {
    const { client } = await registerAskingClient(server)
    const given = await redeem(server, client, await authorize(server, client, await createPerson(server), asked))
    server.clock.advance(abandonedAfter + removedAfter + 60)
    // As after a crash: its use is written behind.
    t.equal((await store.clients.get(client.id))!.lastUsedAt, null)
    await reap()
    const refreshed = await tokenAs(server, client, {
      grant_type: 'refresh_token', refresh_token: given.json.refresh_token
    })
    t.equal(refreshed.status, 200, refreshed.text)
  })

  tap.test(`[${name}] a client that removes itself in the middle: pages without a way to it, and invalid_client`, async t => {
    const person = await createPerson(server)
    const isPage = (what: string, { status, headers, text }: Awaited<ReturnType<typeof asking>>['page']) => {
      t.strictSame([status, headers.location], [404, undefined], what)
      t.match(headers['content-security-policy'], "default-src 'none'", what)
      t.match(text, 'start again at the application', what)
    }
    const first = await registerAskingClient(server)
    const { browser, page } = await asking(first.client, person)
    const shown = /name="shown" value="([^"]*)"/.exec(page.text)![1]!
    await first.remove()
    isPage('the page', await browser.send('GET', page.url))
    for (const decision of ['allow', 'deny']) {
      isPage(decision, await browser.send('POST', page.url, { decision, shown }, fromOwnPages))
    }
    const second = await registerAskingClient(server)
    const later = await asking(second.client, person)
    const mark = /name="shown" value="([^"]*)"/.exec(later.page.text)![1]!
    const answer = await later.browser.send('POST', later.page.url, { decision: 'allow', shown: mark }, fromOwnPages)
    await second.remove()
    const end = await later.browser.open(new URL(answer.headers.location!, server.url).href)
    t.strictSame([end.status, end.headers.location], [400, undefined])
    t.match(end.text, 'INVALID_CLIENT')
    t.match(end.headers['content-security-policy'], "default-src 'none'")
    const third = await registerAskingClient(server)
    const given = await authorize(server, third.client, person, asked)
    await third.remove()
    const refused = await redeem(server, third.client, given)
    t.match([refused.status, refused.json.error], [401, 'invalid_client'])
  })
}
