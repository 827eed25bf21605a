/** Failed sign-ins are counted by what one party has: an IPv4 address, or the /64 of an IPv6 address. */
import tap from 'tap'
import { fromOwnPages } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'

tap.test('other addresses of a /64 do not begin the count of failed links anew', async t => {
  const server = await startServer({ environment: { LATCHKEY_TRUST_PROXY: '127.0.0.1' } })
  t.teardown(server.close)
  const attempt = async (address: string) => (await server.send({
    method: 'POST',
    path: '/api/v1/auth/link',
    headers: { ...fromOwnPages, 'x-forwarded-for': address },
    body: new URLSearchParams({ token: 'no link' })
  })).status
  const statuses = new Set<number>()
  for (let i = 0; i < 301; i++) statuses.add(await attempt(`2001:db8::${i.toString(16)}`))
  t.strictSame([...statuses], [400, 429])
  t.equal(await attempt('2001:db8:0:1::1'), 400, 'another /64')
})
