/** The page of connected applications: a member sees and ends what they allowed clients. */
import tap from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { allowedBy, authorize, createAskingClient, redeem, tokenAs, type AskingClient } from '../support/authorizing.ts'
import { createPerson, fromOwnPages, type Person } from '../support/people.ts'
import { decodeJwt, startOnEachDatabase } from '../support/test-server.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

const page = '/api/v1/auth/applications'
const accept = 'text/html'

for (const { name, server } of servers) {
  const asked = { resource: server.issuer, scope: 'invoices:read' }

  async function connect (client: AskingClient, person: Person) {
    const { access_token: token, refresh_token: refresh } =
      (await redeem(server, client, await authorize(server, client, person, asked))).json
    return { token, refresh, id: decodeJwt(token).payload.gnt as string }
  }

  async function shown ({ cookie }: Person, query = ''): Promise<string> {
    const answer = await server.send({ path: page + query, headers: { accept, cookie } })
    if (answer.status !== 200) throw new Error(`${answer.status} ${answer.text}`)
    return answer.text
  }

  const read = (text: string) =>
    text.slice(text.indexOf('<main')).replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ').trim()

  const end = (path: string, { cookie }: { cookie: string }, headers: Record<string, string> = fromOwnPages) =>
    server.send({ method: 'POST', path: `${page}/${path}/end`, headers: { accept, cookie, ...headers } })

  const works = async (token: string) => (await server.bearer(token)).status === 200

  async function consentsOf (person: Person) {
    return (await server.admin('GET', `/consents?member=${person.id}`)).json.data
  }

  tap.test(`[${name}] the page lists clients, APIs, scopes in words, since when and last use; the signed-in page leads there`, async t => {
    const ada = await createPerson(server, { role: 'viewer' })
    t.match(read(await shown(ada)), 'You have allowed no application anything.')
    const client = await createAskingClient(server, {}, { name: '<b>Wea\u202ether', origin: 'registered' })
    await connect(client, ada)
    const { name: api } = (await server.admin('GET', '/resources/res_host')).json
    t.match(
      read(await shown(ada)).replace(/&#(\d+);/g, (_, code) => String.fromCharCode(code)),
      `<b>Weather Unverified application At ${api} ${server.issuer} invoices:read Allowed just now , last used ` +
        'just now , 0 calls in 30 days End access of <b>Weather'
    )
    const login = await server.send({ path: '/api/v1/auth/login', headers: { accept, cookie: ada.cookie } })
    t.match(login.text, `href="${page}"`)
    t.equal((await server.send({ path: page, headers: { accept } })).status, 401)
  })

  tap.test(`[${name}] who ends access has every token refused on the next request, and is asked again`, async t => {
    const ada = await createPerson(server, { role: 'viewer' })
    const client = await createAskingClient(server)
    const { token, refresh } = await connect(client, ada)
    const [{ id }] = await consentsOf(ada)
    t.ok(await works(token))
    const answer = await end(id, ada)
    t.strictSame([answer.status, answer.headers.location], [303, page])
    t.notOk(await works(token))
    const refreshed = await tokenAs(server, client, { grant_type: 'refresh_token', refresh_token: refresh })
    t.strictSame([refreshed.status, refreshed.json.error], [400, 'invalid_grant'])
    t.match(read(await shown(ada)), 'You have allowed no application anything.')
    t.match(
      (await server.admin('GET', `/audit?subject=${id}`)).json.data.map(({ type, actor }: any) => [type, actor]),
      [['consent.ended', ada.id], ['consent.given', ada.id]]
    )
    t.equal((await end(id, ada)).status, 404)
  })

  tap.test(`[${name}] each of several connections of one client ends alone`, async t => {
    const ada = await createPerson(server)
    const client = await createAskingClient(server)
    const [laptop, phone] = [await connect(client, ada), await connect(client, ada)]
    t.match(read(await shown(ada)), /2 connections of Weather Agent/)
    t.equal((await end(`connections/${laptop.id}`, ada)).status, 303)
    t.strictSame([await works(laptop.token), await works(phone.token)], [false, true])
    t.notMatch(read(await shown(ada)), /connections of/)
  })

  tap.test(`[${name}] what is another member's, or comes from another site, ends nothing`, async t => {
    const [ada, eve] = [await createPerson(server), await createPerson(server)]
    const client = await createAskingClient(server)
    const { token, id } = await connect(client, ada)
    const [consent] = await consentsOf(ada)
    const sameOrganization = await createPerson(server, { organization: ada.organization, role: 'owner' })
    for (const other of [eve, sameOrganization]) {
      t.equal((await end(consent.id, other)).status, 404)
      t.equal((await end(`connections/${id}`, other)).status, 404)
      const path = `${page}?after=${consent.id}`
      t.equal((await server.send({ path, headers: { cookie: other.cookie } })).status, 404)
      t.notMatch(await shown(other), 'Weather Agent')
    }
    const sites: Record<string, string>[] = [{ 'sec-fetch-site': 'cross-site' }, { origin: 'https://evil.example' }, {}]
    for (const headers of sites) {
      t.equal((await end(consent.id, ada, headers)).status, 403)
      t.equal((await end(`connections/${id}`, ada, headers)).status, 403)
    }
    t.equal((await end(consent.id, { cookie: '' })).status, 401)
    t.ok(await works(token))
  })

  tap.test(`[${name}] the page has 50 of them, and leads to older ones`, async t => {
    const ada = await createPerson(server)
    for (let index = 0; index < 51; index++) {
      const { id } = await createAskingClient(server, {}, { name: `Client ${index} ${newSecret().slice(0, 4)}.` })
      await allowedBy(server, ada.id, id)
      server.clock.advance(1)
    }
    const first = await shown(ada)
    const link = /href="[^"]*applications(\?after=[^"]+)"/.exec(first)![1]!.replaceAll('&#61;', '=')
    const count = (text: string) => text.match(/<h2>/g)!.length
    t.strictSame([count(first), count(await shown(ada, link))], [50, 1])
    t.notMatch(await shown(ada, link), 'Older')
  })

  tap.test(`[${name}] what remains when client and API are gone can be ended too`, async t => {
    const ada = await createPerson(server)
    const client = await createAskingClient(server)
    await connect(client, ada)
    await server.latchkey.operation.store.clients.remove(client.id)
    const [{ id }] = await consentsOf(ada)
    t.match(read(await shown(ada)), client.id.slice(0, 40))
    t.equal((await end(id, ada)).status, 303)
  })
}
