/** One call of an organization with many policies kept the server from answering any other request for minutes. */
import tap from 'tap'
import { startServer, type Json } from '../support/test-server.ts'
import { quickest } from '../support/waiting.ts'

const server = await startServer()
tap.teardown(server.close)
const { admin, send, createOrganization } = server

/** An organization with `count` policies that deny the same scope under these conditions. */
async function withPolicies (count: number, conditions: (i: number) => Json) {
  const { id: organization } = await createOrganization('busy')
  const { token } =
    (await admin('POST', '/access-tokens', { organization, name: 't', scopes: ['*:read', '*:write'] })).json
  const asTenant = async (method: string, path: string, body?: Json) =>
    await send({
      method,
      path: `/api/v1${path}`,
      headers: { authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body })
    })
  for (let i = 0; i < count; i++) {
    const made = await asTenant('POST', '/policies', {
      name: `p${i}`, effect: 'deny', conditions: { scopes: ['clients:write'], ...conditions(i) }
    })
    if (made.status !== 201) throw new Error(made.text)
  }
  return { organization, asTenant }
}

const times = (i: number) => ({
  hours: { from: `${String(i % 24).padStart(2, '0')}:00`, until: `${String((i + 11) % 24).padStart(2, '0')}:30` }
})
const denyAll = { name: 'all', effect: 'deny', conditions: {} }

tap.test('whether anybody could undo a policy takes no longer for the addresses that policies name', async t => {
  const taken: number[] = []
  for (const [count, addresses] of [[3, 4], [8, 60]] as const) {
    const { asTenant } = await withPolicies(
      count,
      i => ({
        addresses: Array.from({ length: addresses }, (_, j) => `10.${i}.${j}.1`),
        times: { hours: { from: '08:00', until: '18:00' } }
      })
    )
    taken.push(await quickest(0, async () => {
      t.match(await asTenant('POST', '/policies', denyAll), { status: 409, json: { code: 'WOULD_LOCK_OUT' } })
    }))
  }
  const [few, many] = taken as [number, number]
  t.ok(many < few * 20, `${few} and ${many} ms for forty times as many addresses`)
})

tap.test('where there are more combinations than can be tried, what could lock out is refused, and others get their turn', async t => {
  // Ranges that overlap in always different ways, at always different times.
  const { asTenant, organization } = await withPolicies(
    40,
    i => ({
      addresses: Array.from({ length: 100 }, (_, j) => `10.${j}.${i * 6}.0/${18 + (i + j) % 12}`), times: times(i)
    })
  )
  const state = { done: false }
  const asked = asTenant('POST', '/policies', denyAll).finally(() => { state.done = true })
  let turns = 0
  for (; !state.done; turns++) await send({ path: '/healthz' })
  t.match(await asked, { status: 409, json: { code: 'WOULD_LOCK_OUT' } })
  t.ok(turns > 5, `${turns} others were answered meanwhile`)
  t.match(
    await asTenant('POST', '/policies', { ...denyAll, effect: 'deny', conditions: { scopes: ['clients:read'] } }),
    { status: 201 }, 'what plainly does not lock out is made'
  )
  t.match(
    await admin('POST', '/policies', { ...denyAll, organization, force: true }), { status: 201 }, 'and force is force'
  )
})

tap.test('while a dry run goes over the credentials of an organization, others get their turn at each', async t => {
  const { asTenant } = await withPolicies(0, () => ({}))
  const names = Array.from({ length: 100 }, (_, i) => `kind${i}:read`)
  await asTenant('POST', '/resources', { identifier: 'https://many.test', scopes: names.map(name => ({ name })) })
  for (let i = 0; i < 40; i++) {
    await asTenant('POST', '/api-keys', {
      resource: 'https://many.test', environment: 'live', name: 'k', scopes: names
    })
  }
  const state = { done: false }
  const asked = asTenant('POST', '/policies', {
    name: 'x', effect: 'deny', conditions: { scopes: names }, dryRun: true
  }).finally(() => {
    state.done = true
  })
  let turns = 0
  for (; !state.done; turns++) await new Promise(resolve => setImmediate(resolve))
  t.match(await asked, { status: 200, json: { totals: { credentials: 40 } } })
  t.ok(turns > 40, `${turns} turns of the event loop meanwhile`)
})
