/** Every form of the dashboard: what another site sends does nothing, and without a session none does anything. */
import tap from 'tap'
import { asPerson, createPerson, fromOwnPages } from '../support/people.ts'
import { routesOf } from '../support/routes.ts'
import { startServer } from '../support/test-server.ts'

const server = await startServer()
tap.teardown(server.close)
const { issuer, send, admin } = server

const person = await createPerson(server)
const apiKey = await server.createKey({ organization: person.organization })
const client = await server.createClient({ organization: person.organization })
const forms = (await routesOf(server.latchkey))
  .filter(({ method, url }) => method === 'POST' && url.startsWith('/dashboard'))
  .flatMap(({ url }) => [apiKey.id, client.clientId].map(id => url.replaceAll(/:\w+/g, id)))
const fields = { name: 'taken', confirmation: 'taken', reason: 'because', resource: issuer, access: 'full' }

async function eventsOf (organization: string): Promise<number> {
  return (await admin('GET', `/audit?organization=${organization}&limit=200`)).json.data.length
}

const ofAnotherSite: Record<string, Record<string, string>> = {
  'a form of another site': { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
  'a form of a neighbour below one domain': { 'sec-fetch-site': 'same-site', origin: 'https://evil.example' },
  'an old browser at another site': { origin: 'https://evil.example' },
  'a sandboxed frame': { origin: 'null' },
  'neither header': {}
}

tap.test('a form of the dashboard that another site sends is 403, and changes nothing', async t => {
  t.ok(forms.length >= 14, `${forms.length} forms`)
  const before = await eventsOf(person.organization)
  for (const path of forms) {
    for (const [what, headers] of Object.entries(ofAnotherSite)) {
      const { status } = await send({
        method: 'POST', path, headers: { cookie: person.cookie, ...headers }, body: new URLSearchParams(fields)
      })
      t.equal(status, 403, `${what}: ${path}`)
    }
  }
  t.equal(await eventsOf(person.organization), before)
  const own = await asPerson(server, person)('PATCH', `/api-keys/${apiKey.id}`, { name: 'renamed' })
  t.equal(own.status, 200, 'the session is good')
  t.equal(await eventsOf(person.organization), before + 1, 'and a change is an event')
})

tap.test('without a session a form leads to the sign-in page', async t => {
  for (const path of forms) {
    const { status, headers } = await send({
      method: 'POST', path, headers: fromOwnPages, body: new URLSearchParams(fields)
    })
    t.equal(status, 303, path)
    t.match(headers.location, /^\/api\/v1\/auth\/login\?return_to=%2Fdashboard/, path)
  }
})
