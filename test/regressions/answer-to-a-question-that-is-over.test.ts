/** A question that went on is over: an answer that comes late is a page, and brings nothing back. */
import tap from 'tap'
import { digestOf } from '../../src/secrets/digest.ts'
import {
  authorizationUrl, browserOf, createAskingClient, isCallback, newPkce, redeem
} from '../support/authorizing.ts'
import { createPerson, fromOwnPages } from '../support/people.ts'
import { startOnEachDatabase } from '../support/test-server.ts'

tap.setTimeout(600_000)
const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

for (const { name, server } of servers) {
  const asked = { resource: server.issuer, scope: 'invoices:read', prompt: 'consent' }
  const { authorizationSteps: steps } = server.latchkey.operation.store

  tap.test(`a stored question that is gone is not stored by an answer [${name}]`, async t => {
    const digest = digestOf(name)
    const [createdAt, expiresAt] = [server.clock.now(), new Date(+server.clock.now() + 60_000)]
    const question = { digest, kind: 'interaction', authorizationId: null, content: {}, createdAt, expiresAt } as const
    t.equal(await steps.insert({ ...question, consumedAt: null }), true)
    t.equal(await steps.update({ digest, expiresAt, content: { answered: true } }), true)
    t.match(await steps.get('interaction', digest), { content: { answered: true } })
    t.equal(await steps.remove(digest), true)
    t.equal(await steps.remove(digest), false)
    t.equal(await steps.update({ digest, expiresAt, content: {} }), false)
    t.equal(await steps.get('interaction', digest), null)
  })

  tap.test(`of answers and ways back at once, one leads to a code, and none fails [${name}]`, async t => {
    const person = await createPerson(server)
    const client = await createAskingClient(server)
    for (let round = 0; round < 8; round++) {
      const { challenge, verifier } = newPkce()
      const browser = browserOf(server, person)
      const page = await browser.open(authorizationUrl(server, client, challenge, asked), isCallback)
      const action = /action="(\/api\/v1\/auth\/consent\/[^"]+)"/.exec(page.text)![1]!
      const shown = /name="shown" value="([^"]*)"/.exec(page.text)![1]!
      const answer = () => browser.send('POST', server.url + action, { decision: 'allow', shown }, fromOwnPages)
      const { headers: { location } } = await answer()
      const back = () => browser.send('GET', location!)
      const [second, ...ways] = await Promise.all([answer(), back(), back()])
      t.ok([303, 404].includes(second.status), `the second answer is ${second.status}`)
      t.notMatch(second.text, 'internal')
      const last = await back()
      const codes = [...ways, last].map(({ headers: { location: to } }) =>
        new URL(to ?? 'x:', server.url).searchParams.get('code'))
      t.strictSame([...ways, last].filter(({ status }) => status >= 500), [])
      const found = codes.filter(code => code !== null)
      t.equal(found.length, 1)
      t.equal((await redeem(server, client, { code: found[0]!, verifier })).status, 200)
    }
    t.strictSame(server.lines.filter(line => /"level":(50|60)/.test(line)), [])
  })
}
