/** Look-ups of a remote guard over changes: what a request may take from a look-up that began before it. */
import tap from 'tap'
import { until } from '../../support/waiting.ts'
import { startGuarded } from '../../support/guarded-node-api.ts'

tap.test('LK-06: a look-up that began before a revocation admits no request that arrived after it', async t => {
  const release = Promise.withResolvers<void>()
  const isLookup = (path: string) => path.endsWith('/lookup')
  let isHeld = true
  const { server, get, key, passed } = await startGuarded(t, {}, {
    hold: path => isHeld && isLookup(path) ? release.promise : null
  })
  const { id, key: text } = await key()
  const before = get({ 'x-api-key': text })
  await until('the server has answered the look-up', () => passed.some(({ path }) => isLookup(path)))
  t.equal((await server.admin('POST', `/api-keys/${id}/revoke`)).status, 200)
  isHeld = false
  const after = get({ 'x-api-key': text })
  // It was sent later, and has been answered: the API has both of the others.
  t.equal((await get({ 'x-api-key': 'nothing' })).status, 401)
  release.resolve()
  await before
  t.equal((await after).status, 401)
})

tap.test('a credential is the one that it was presented as, whatever the memory holds', async t => {
  const { server, organization, get } = await startGuarded(t)
  const token = await server.tokenFor(await server.createClient({ organization: organization.id }))
  const asToken = { authorization: `Bearer ${token}` }
  t.equal((await get({ 'x-api-key': token })).status, 401)
  t.equal((await get(asToken)).status, 200)
  t.equal((await get(asToken)).status, 200)
  t.equal((await get({ 'x-api-key': token })).status, 401)
})

tap.test('an empty credential is refused as malformed, with the server or without it', async t => {
  const failures: unknown[] = []
  const { get } = await startGuarded(t, { onError: error => { failures.push(error) } })
  t.equal((await get({ 'x-api-key': '' })).status, 401)
  t.strictSame(failures, [])
})
