/** A request whose every step comes to another server: what asks a person is in the database and the browser alone. */
import tap from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import {
  authorizationUrl, createAskingClient, newPkce, redeem, returned, type AskingClient
} from '../support/authorizing.ts'
import { newBrowser, type Visit } from '../support/browsing.ts'
import { createPerson, fromOwnPages, type Person } from '../support/people.ts'
import { freshDatabase } from '../support/postgres.ts'
import { decodeJwt, startServer, type TestServer } from '../support/test-server.ts'

tap.setTimeout(600_000)
const database = await freshDatabase()
const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
const a = await startServer({ database: database.url, environment })
const b = await startServer({ database: database.url, environment, issuer: a.issuer })
tap.teardown(async () => {
  await Promise.all([a.close(), b.close()])
  await database.drop()
})
const asked = { resource: a.issuer, scope: 'invoices:read' }

/** A browser that has the same cookies at both servers, as behind one host name. */
function browserAtBoth ({ cookie }: Person) {
  const browser = newBrowser()
  const cookies = new Map([cookie.split('=') as [string, string]])
  for (const { url } of [a, b]) browser.cookies.set(new URL(url).host, cookies)
  return browser
}

/** Where a redirect leads, at this server. */
function at ({ url }: TestServer, { headers }: Visit): string {
  const { pathname, search } = new URL(headers.location!, url)
  return url + pathname + search
}

async function push (server: TestServer, client: AskingClient, challenge: string): Promise<Record<string, string>> {
  const { searchParams: body } = new URL(authorizationUrl(server, client, challenge, asked))
  const pushed = await server.send({ method: 'POST', path: '/api/v1/oauth/par', body })
  if (pushed.status !== 201) throw new Error(pushed.text)
  return {
    request_uri: pushed.json.request_uri,
    response_type: '',
    redirect_uri: '',
    code_challenge: '',
    state: '',
    code_challenge_method: ''
  }
}

for (const [way, one, other] of [['first to the second', a, b], ['second to the first', b, a]] as const) {
  for (const isPushed of [false, true]) {
    const how = isPushed ? 'a pushed request' : 'a request'
    tap.test(`A5: ${how} goes from the ${way} server with every step [postgresql]`, async t => {
      const person = await createPerson(one)
      const client = await createAskingClient(one)
      const browser = browserAtBoth(person)
      const { verifier, challenge } = newPkce()
      const parameters = isPushed ? await push(other, client, challenge) : asked
      const begun = await browser.send('GET', authorizationUrl(one, client, challenge, parameters))
      t.equal(begun.status, 303, begun.text)
      const page = await browser.send('GET', at(other, begun))
      const shown = /name="shown" value="([^"]*)"/.exec(page.text)![1]!
      const decided = await browser.send('POST', at(one, begun), { decision: 'allow', shown }, fromOwnPages)
      t.equal(decided.status, 303, decided.text)
      const end = await browser.send('GET', at(other, decided))
      const answer = returned({ ...end, url: end.headers.location! })
      t.match(answer, { state: 'a-state', iss: a.issuer })
      const given = await redeem(one, client, { code: answer.code!, verifier })
      t.equal(given.status, 200, given.text)
      t.equal(decodeJwt(given.json.access_token).payload.sub, person.id)
      for (const server of [a, b]) t.equal((await server.bearer(given.json.access_token)).status, 200)
      const again = await browser.send('GET', authorizationUrl(other, client, challenge, asked))
      const skipped = await browser.send('GET', at(one, again))
      t.match(skipped.headers.location, '/api/v1/oauth/authorize/', 'and what one server remembers, the other knows')
    })
  }
}

tap.test('A9: without the cookie of the browser, the other server shows a page of its own [postgresql]', async t => {
  const person = await createPerson(a)
  const client = await createAskingClient(a)
  const begun = await browserAtBoth(person).send('GET', authorizationUrl(a, client, newPkce().challenge, asked))
  const page = await browserAtBoth(person).send('GET', at(b, begun))
  t.match([page.status, page.headers.location, page.text], [404, undefined, /another browser began it/])
  t.match(page.headers['content-security-policy'], "default-src 'none'")
})
