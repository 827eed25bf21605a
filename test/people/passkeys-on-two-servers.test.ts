/** Passkeys on two servers with one database: what one has asked, the other takes, once. */
import tap from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { newAuthenticator } from '../support/authenticator.ts'
import { asPerson, createPerson, fromOwnPages } from '../support/people.ts'
import { freshDatabase } from '../support/postgres.ts'
import { startServer, type TestServer } from '../support/test-server.ts'

const issuer = 'http://localhost:4000'
const database = await freshDatabase()
const environment = { LATCHKEY_SECRET: newSecret(), LATCHKEY_ADMIN_TOKEN: `lkadm_${newSecret()}` }
const a = await startServer({ database: database.url, environment, issuer })
const b = await startServer({ database: database.url, environment, issuer })
tap.teardown(async () => {
  await Promise.all([a.close(), b.close()])
  await database.drop()
})

tap.test('a challenge of one server is answered at the other, and of 10 answers at both one signs in [postgresql]', async t => {
  const ada = await createPerson(a)
  const authenticator = newAuthenticator(issuer)
  const asked = await asPerson(a, ada)('POST', '/auth/passkeys/options', {})
  const credential = authenticator.create(asked.json as never)
  t.equal((await asPerson(b, ada)('POST', '/auth/passkeys', { name: 'Laptop', credential })).status, 201)
  const post = async (server: TestServer, path: string, cookie: string, body: object) =>
    await server.send({
      method: 'POST', path: `/api/v1/auth/passkeys${path}`, headers: { ...fromOwnPages, cookie }, body
    })
  const options = await post(b, '/sign-in/options', '', {})
  const cookie = options.headers['set-cookie']![0]!.split(';', 1)[0]!
  const assertion = authenticator.get(options.json as never)
  const answers = await Promise.all(Array.from({ length: 10 }, (_, i) =>
    post(i % 2 === 0 ? a : b, '/sign-in', cookie, { credential: assertion })))
  t.strictSame(answers.map(({ status }) => status).sort(), [200, ...Array(9).fill(400)])
})
