/** A code that is sent to two servers at once: one gets tokens, and these end, because somebody else has the code. */
import tap from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { authorize, createAskingClient, redeem } from '../support/authorizing.ts'
import { createPerson } from '../support/people.ts'
import { freshDatabase } from '../support/postgres.ts'
import { decodeJwt, startServer } from '../support/test-server.ts'

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

tap.test('A5: of 50 redemptions of one code on two servers one succeeds, and what it brought ends [postgresql]', async t => {
  const person = await createPerson(a)
  const client = await createAskingClient(a)
  const given = await authorize(a, client, person, asked)
  const answers = await Promise.all(Array.from({ length: 50 }, (_, i) => redeem(i % 2 === 0 ? a : b, client, given)))
  const good = answers.filter(({ status }) => status === 200)
  t.equal(good.length, 1)
  t.strictSame([...new Set(answers.filter(each => !good.includes(each)).map(({ json }) => json.error))], [
    'invalid_grant'
  ])
  const { access_token: token, refresh_token: refresh } = good[0]!.json
  for (const server of [a, b]) t.equal((await server.bearer(token)).status, 401)
  const { status } = await a.send({
    method: 'POST',
    path: '/api/v1/auth/token',
    body: new URLSearchParams({ grant_type: 'refresh_token', client_id: client.id, refresh_token: refresh })
  })
  t.equal(status, 400)
  const { gnt } = decodeJwt(token).payload
  const ended = (await a.latchkey.operation.store.authorizations.get(gnt))!
  t.equal(ended.endedReason, 'code-reused')
})

tap.test('a code that one server has given is redeemed at the other [postgresql]', async t => {
  const person = await createPerson(a)
  const client = await createAskingClient(a)
  const given = await authorize(a, client, person, asked)
  const answer = await redeem(b, client, given)
  t.equal(answer.status, 200, answer.text)
  t.equal((await a.bearer(answer.json.access_token)).status, 200)
})

tap.test('A5: a code that is replayed after its minute still ends what it brought [postgresql]', async t => {
  const person = await createPerson(a)
  const client = await createAskingClient(a)
  const given = await authorize(a, client, person, asked)
  const { access_token: token } = (await redeem(a, client, given)).json
  t.equal((await b.bearer(token)).status, 200)
  b.clock.advance(300)
  t.equal((await redeem(b, client, given)).json.error, 'invalid_grant')
  t.equal((await a.bearer(token)).status, 401)
})
