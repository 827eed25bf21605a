/** What a partner's key vouched for, on two servers with one database and in a guard that follows one of them. */
import tap from 'tap'
import { openGuard } from '../../packages/guard/src/index.ts'
import { passes } from '../guard/remote/asking.ts'
import { databases } from '../support/databases.ts'
import { createPartner, customer, enter, made, withPartnerKey } from '../support/partners.ts'
import { asPerson } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'
import { until } from '../support/waiting.ts'

const database = await databases.find(({ name }) => name === 'postgresql')!.fresh()
const a = await startServer({ database: database.url })
const environment = { LATCHKEY_SECRET: a.secret, LATCHKEY_ADMIN_TOKEN: a.adminToken }
const b = await startServer({ database: database.url, issuer: a.issuer, environment })
const { clientId, clientSecret } = await a.createClient({ introspects: [a.issuer] })
const guard = await openGuard({ server: b.url, clientId, clientSecret, resource: a.issuer, onError: () => {} })
await until('the guard is trusted', () => guard.isTrusted)
tap.teardown(async () => {
  await guard.stop()
  await Promise.all([a.close(), b.close()])
  await database.drop()
})

for (const end of ['revocation', 'emergency rotation'] as const) {
  const title = `a ${end} of a partner's key on one server ends sessions and keys on the other, and in a guard that ` +
    'follows it, on the next request, 20 times of 20 [postgresql]'
  tap.test(title, async t => {
    for (let i = 0; i < 20; i++) {
      const key = await createPartner(a, { ceiling: 'owner' })
      const { owner } = await made(withPartnerKey(b, key)('POST', '/portal/organizations', customer()))
      const session = await enter(a, key, owner.id)
      const { key: text } = await made(asPerson(b, session)('POST', '/api-keys', {
        resource: a.issuer, environment: 'live', name: 'k', scopes: ['invoices:read']
      }))
      const seen = async () => [
        (await asPerson(b, session)('GET', '/auth/me')).status,
        (await b.withKey(text)).status,
        await passes(guard, text)
      ]
      const before = await seen()
      const path = end === 'revocation' ? 'revoke' : 'rotate'
      await made(a.admin('POST', `/api-keys/${key.id}/${path}`, path === 'rotate' ? { overlapSeconds: 0 } : undefined))
      const after = await seen()
      if (String([before, after]) !== '200,200,true,401,401,false') t.fail(String([before, after]))
    }
    t.pass('20 times')
  })
}
