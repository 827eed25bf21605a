/** Organizations that let unverified clients act for their members only once approved, or not at all. */
import tap from 'tap'
import {
  allowedBy, answerPage, authorizationUrl, authorize, browserOf, createAskingClient, isCallback, newPkce, redeem,
  returned, type AskingClient
} from '../support/authorizing.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { asPerson, createPerson, fromOwnPages, type Person } from '../support/people.ts'
import { decodeJwt, startOnEachDatabase, type Json } from '../support/test-server.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

const documentUrl = () => `https://${newSecret().toLowerCase().replace(/[^a-z\d]/g, 'x')}.example/client.json`

for (const { name, server } of servers) {
  const asked = { resource: server.issuer, scope: 'invoices:read' }

  async function organizationWith (unverified: string): Promise<Person> {
    const ada = await createPerson(server)
    await admit(ada, unverified)
    return ada
  }

  async function admit ({ organization }: Person, unverified: string): Promise<void> {
    const answer = await server.admin('POST', `/organizations/${organization}/admit-clients`, { unverified })
    if (answer.json.unverifiedClients !== unverified) throw new Error(answer.text)
  }

  const registered = (more: Json = {}) => createAskingClient(server, {}, { origin: 'registered', ...more })
  const hosted = () => registered({ id: documentUrl(), origin: 'hosted' })

  async function open (client: AskingClient, person: Person, more: Record<string, string> = asked) {
    const { verifier, challenge } = newPkce()
    const browser = browserOf(server, person)
    const page = await browser.open(authorizationUrl(server, client, challenge, more), isCallback)
    return { browser, page, verifier }
  }

  const token = async (client: AskingClient, person: Person) =>
    (await redeem(server, client, await authorize(server, client, person, asked))).json.access_token as string

  const approve = (person: Person, client: AskingClient) =>
    server.admin('POST', '/client-approvals', { organization: person.organization, client: client.id })

  /** Whether the page offers to allow it. */
  const offers = async (client: AskingClient, person: Person) =>
    (await open(client, person, { ...asked, prompt: 'consent' })).page.text.includes('value="allow"')

  tap.test(`[${name}] unverified clients act for members unless the organization says otherwise`, async t => {
    const ada = await createPerson(server)
    t.equal((await server.admin('GET', `/organizations/${ada.organization}`)).json.unverifiedClients, 'allow')
    t.ok(await offers(await registered(), ada))
  })

  tap.test(`[${name}] approve: the page says that an administrator has to approve, and offers nothing else but the way back`, async t => {
    const ada = await organizationWith('approve')
    const { name: acme } = (await server.admin('GET', `/organizations/${ada.organization}`)).json
    const client = await registered()
    const { browser, page } = await open(client, ada)
    t.equal(page.status, 200)
    t.match(page.text, `An administrator of ${acme} has to approve this application first.`)
    t.match(page.text, `<code>${client.id}</code>`)
    t.notMatch(page.text, 'value="allow"')
    t.notMatch(page.headers['content-security-policy'], 'form-action')
    const forced = await browser.send('POST', page.url, { decision: 'allow', shown: 'x.y' }, fromOwnPages)
    t.equal(forced.status, 403)
    const back = await browser.send('POST', page.url, { decision: 'deny' }, fromOwnPages)
    const end = await browser.open(new URL(back.headers.location!, server.url).href, isCallback)
    t.equal(returned(end).error, 'access_denied')
    const approval = await approve(ada, client)
    t.equal(approval.status, 201)
    const { organization } = ada
    t.match(approval.json, { client: client.id, organization, name: 'Weather Agent', createdBy: 'admin' })
    t.ok(await offers(client, ada))
    t.equal((await server.bearer(await token(client, ada))).status, 200)
    t.equal((await approve(ada, client)).status, 409)
  })

  tap.test(`[${name}] deny: no unverified client, approved or not; those that an operator or the organization vouches for act`, async t => {
    const ada = await organizationWith('deny')
    const client = await registered()
    await approve(ada, client)
    const { page } = await open(client, ada)
    t.match(page.text, 'lets no unverified application act for its members.')
    t.notMatch(page.text, 'value="allow"')
    t.ok(await offers(await createAskingClient(server), ada), 'made by an operator')
    t.ok(await offers(await registered({ organizationId: ada.organization }), ada), 'adopted by the organization')
  })

  tap.test(`[${name}] a rule that gets stricter ends what it does not admit, at once, and an approval lets the rest go on`, async t => {
    const ada = await createPerson(server)
    const [approved, other, vouched] = [await registered(), await registered(), await createAskingClient(server)]
    const tokens = [await token(approved, ada), await token(other, ada), await token(vouched, ada)]
    await approve(ada, approved)
    const works = async () => await Promise.all(tokens.map(async each => (await server.bearer(each)).status === 200))
    t.strictSame(await works(), [true, true, true])
    await admit(ada, 'approve')
    t.strictSame(await works(), [true, false, true])
    const { gnt } = decodeJwt(tokens[1]!).payload
    t.equal((await server.admin('GET', `/authorizations/${gnt}`)).json.endedReason, 'client-not-admitted')
    await admit(ada, 'deny')
    t.strictSame(await works(), [false, false, true])
    const rows = (await server.admin('GET', `/audit?subject=${ada.organization}&type=organization.updated`)).json.data
    t.strictSame(rows.map(({ detail }: Json) => detail), [
      { unverifiedClients: 'deny', consents: 1 }, { unverifiedClients: 'approve', consents: 1 }
    ])
  })

  tap.test(`[${name}] an approval that is taken back ends what members allowed the client`, async t => {
    const ada = await organizationWith('approve')
    const bob = await organizationWith('approve')
    const client = await registered()
    const [{ json: { id } }] = [await approve(ada, client), await approve(bob, client)]
    const [first, elsewhere] = [await token(client, ada), await token(client, bob)]
    t.equal((await server.admin('DELETE', `/client-approvals/${id}`)).status, 204)
    t.strictSame([(await server.bearer(first)).status, (await server.bearer(elsewhere)).status], [401, 200])
    t.notOk(await offers(client, ada))
    t.match((await server.admin('GET', `/audit?subject=${id}`)).json.data, [
      { type: 'client_approval.removed', detail: { client: client.id, consents: 1 } },
      { type: 'client_approval.created', detail: { client: client.id, name: 'Weather Agent' } }
    ])
    t.equal((await server.admin('DELETE', `/client-approvals/${id}`)).status, 404)
    const calm = await createPerson(server)
    const kept = (await approve(calm, client)).json.id
    const unaffected = await token(client, calm)
    await server.admin('DELETE', `/client-approvals/${kept}`)
    t.equal((await server.bearer(unaffected)).status, 200, 'where every client is let in, nothing ends')
  })

  tap.test(`[${name}] an approval is for the client as it was: a new name or redirect URI takes another; a document vouches for itself`, async t => {
    const { store } = server.latchkey.operation
    const ada = await organizationWith('approve')
    const client = await registered()
    const change = async ({ id }: AskingClient, more: Json) => {
      await store.transaction(async tx => { await tx.clients.update({ ...(await tx.clients.get(id))!, ...more }) })
    }
    await approve(ada, client)
    t.ok(await offers(client, ada))
    await token(client, ada)
    await change(client, { name: 'Bank' })
    t.match((await open(client, ada)).page.text, 'has to approve', 'another name, although the rest is remembered')
    t.equal((await approve(ada, client)).status, 201, 'which is approved in place of the first')
    t.ok(await offers(client, ada))
    const { metadata } = (await store.clients.get(client.id))!
    await change(client, { metadata: { ...metadata, redirect_uris: [client.redirectUri, 'https://evil.example/'] } })
    t.notOk(await offers(client, ada), 'another place to go to')
    const document = await hosted()
    await t.rejects(allowedBy(server, ada.id, document.id), { code: 'insufficient_permissions' })
    await approve(ada, document)
    await change(document, { name: 'Renamed' })
    t.match((await allowedBy(server, ada.id, document.id)).authorization.clientId, document.id)
  })

  tap.test(`[${name}] a rule that changes between page and decision, and one between the check and the change, hold`, async t => {
    const ada = await createPerson(server)
    const client = await registered()
    const { browser, page } = await open(client, ada)
    await admit(ada, 'approve')
    const shown = /name="shown" value="([^"]*)"/.exec(page.text)![1]!
    const answer = await browser.send('POST', page.url, { decision: 'allow', shown }, fromOwnPages)
    t.strictSame([answer.status, answer.headers.location], [303, new URL(page.url).pathname])
    t.match((await browser.open(page.url, isCallback)).text, 'has to approve this application first')
    await t.rejects(allowedBy(server, ada.id, client.id), { code: 'insufficient_permissions' })
    await approve(ada, client)
    const next = await browser.open(page.url, isCallback)
    t.ok(returned(await answerPage(server, browser, next, 'allow')).code)
    const remembered = await createPerson(server, { organization: ada.organization })
    await token(client, remembered)
    await admit(ada, 'deny')
    t.match((await open(client, remembered)).page.text, 'lets no unverified application', 'a consent is no way around')
  })

  tap.test(`[${name}] what can be approved: clients that are there, for the organization, and need it`, async t => {
    const ada = await organizationWith('approve')
    const other = await createPerson(server)
    const [client, revoked] = [await registered(), await registered()]
    await server.admin('POST', `/clients/${revoked.id}/revoke`)
    for (const [what, id, status] of [
      ['unknown', 'cli_nothing', 404],
      ['revoked', revoked.id, 404],
      ['of another organization', (await registered({ organizationId: other.organization })).id, 404],
      ['of the organization', (await registered({ organizationId: ada.organization })).id, 409],
      ['of an operator', (await createAskingClient(server)).id, 409],
      ['a URL that no document has', 'https://127.0.0.1/client.json', 400],
      ['a document that nobody has read yet', documentUrl(), 201],
    ] as const) {
      t.equal((await approve(ada, { ...client, id })).status, status, what)
    }
    const asAda = asPerson(server, ada)
    t.equal((await asAda('POST', '/client-approvals', { client: client.id })).status, 201, 'by an owner')
    const viewer = await createPerson(server, { organization: ada.organization, role: 'member' })
    t.equal((await asPerson(server, viewer)('POST', '/client-approvals', { client: client.id })).status, 403)
    const rule = await asAda('POST', `/organizations/${ada.organization}/admit-clients`, { unverified: 'all' })
    t.equal(rule.status, 400)
  })
}
