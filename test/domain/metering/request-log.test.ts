/** Bounds of the log of requests: rows in a second, of organizations and credentials in it, rows at all, and days. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import tap, { type Test } from 'tap'
import { recordedBlock } from '../../../src/base/ip-address.ts'
import {
  keptOfCredential, requestLog, requestLogDays, type KeptRequests, type NotedRequest, type RequestLogRepository
} from '../../../src/domain/metering/request-log.ts'
import { jobs } from '../../../src/domain/maintenance/housekeeping.ts'
import { Failure } from '../../../src/base/errors.ts'
import { MovableClock, startOnEachDatabase, type Json } from '../../support/test-server.ts'

const clock = new MovableClock()
clock.stop()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)

const request: NotedRequest = {
  requestId: '8e03978e-40d5-43e8-bc93-6894a57f9324',
  credentialId: 'key_1',
  organizationId: 'org_1',
  resourceId: 'res_host',
  resourceOwner: null,
  route: 'GET /v1/invoices/:id',
  status: 200,
  reason: null,
  address: '203.0.113.77'
}
const refused = { ...request, status: 403, reason: 'insufficient_scope' }

function logOver (repository: Pick<RequestLogRepository, 'add' | 'trim'>, kept: KeptRequests = 'on') {
  // No batch is due by time, and no interval ends by it: each is asked for.
  return requestLog(repository, kept, clock.now, () => {}, 86_400_000, end => { ends.push(end) })
}

const ends: (() => void)[] = []
function endInterval (): void {
  for (const end of ends.splice(0)) end()
}

tap.test('a record names a block of addresses: the /24 of IPv4, the /48 of IPv6', async t => {
  const blocks = [
    ['203.0.113.77', '203.0.113.0/24'], ['::ffff:203.0.113.77', '203.0.113.0/24'],
    ['2001:db8:1:2::3', '2001:db8:1::/48'], ['::1', '0:0:0::/48'], ['::192.0.2.1', '0:0:0::/48'],
    ['no address', 'unknown'],
  ] as const
  for (const [address, block] of blocks) t.equal(recordedBlock(address), block)
})

for (const { name, server } of servers) {
  const test = (title: string, body: (t: Test) => Promise<void>) => tap.test(`${title} [${name}]`, body)
  const { store } = server.latchkey.operation
  let keys = 0
  const newKey = () => `key_of_test_${keys++}`
  const rowsOf = async (credentialId: string) => await store.requestLog.of({ credentialId }, null, 1_000)

  test('in one interval a credential has at most 5 admitted and 25 refused rows, and all have 50 and 100', async t => {
    const log = logOver(store.requestLog)
    const many = Array.from({ length: 60 }, newKey)
    const one = { credentialId: many[0]!, organizationId: 'org_0' }
    for (let i = 0; i < 1_000; i++) {
      if (log.takesAdmitted(one.credentialId, one.organizationId)) log.note({ ...request, ...one })
      log.note({ ...refused, ...one })
    }
    for (const [i, credentialId] of many.slice(1).entries()) {
      const other = { credentialId, organizationId: `org_other_${i}` }
      for (let n = 0; n < 3; n++) log.note({ ...refused, ...other })
      log.note({ ...request, ...other })
    }
    await log.flush()
    const reasons = (await rowsOf(many[0]!)).map(({ reason }) => reason)
    t.equal(reasons.filter(reason => reason === null).length, 5)
    t.equal(reasons.filter(reason => reason !== null).length, 25)
    const all = (await Promise.all(many.map(rowsOf))).flat()
    t.equal(all.filter(({ reason }) => reason === null).length, 5 + 59, 'beyond 50 the first of each')
    t.equal(all.filter(({ reason }) => reason !== null).length, 25 + 25 * 3 + 34, 'beyond 100 the first of each')
    t.match(all[0]!, { block: '203.0.113.0/24', route: request.route, requestId: request.requestId })
    t.notMatch(JSON.stringify(all), /203\.0\.113\.77/)
  })

  test('an organization that floods hides no refusal of another, and no credential the first of another', async t => {
    const log = logOver(store.requestLog)
    const flood = (organizationId: string, keys: string[]) => {
      for (const credentialId of keys) {
        for (let i = 0; i < 1_000; i++) {
          log.note({ ...refused, credentialId, organizationId })
          log.note({ ...request, credentialId, organizationId })
        }
      }
    }
    const flooding = Array.from({ length: 4 }, newKey)
    const [mine, alsoMine, latest] = [newKey(), newKey(), newKey()]
    flood('org_flooding', flooding)
    for (let i = 0; i < 43; i++) {
      log.note({ ...refused, credentialId: i % 2 === 0 ? mine : alsoMine, organizationId: 'org_mine' })
    }
    for (let i = 0; i < 3; i++) flood(`org_flooding_too_${i}`, Array.from({ length: 50 }, newKey))
    t.ok(log.takesAdmitted(latest, 'org_latest'))
    log.note({ ...request, credentialId: latest, organizationId: 'org_latest' })
    log.note({ ...refused, credentialId: latest, organizationId: 'org_latest' })
    await log.flush()
    t.equal([...await rowsOf(mine), ...await rowsOf(alsoMine)].length, 43)
    t.strictSame((await rowsOf(latest)).map(({ status }) => status).sort(), [200, 403])
    const refusalsOf = async (key: string) => (await rowsOf(key)).filter(({ reason }) => reason !== null).length
    t.strictSame(await Promise.all(flooding.map(refusalsOf)), [25, 25, 1, 1], 'its share, and the first of each key')
  })

  test('strangers take no room of organizations, nor those at one resource that of another', async t => {
    const log = logOver(store.requestLog)
    const key = newKey()
    const stranger = { ...refused, credentialId: null, organizationId: null, address: '192.0.2.1' }
    for (let i = 0; i < 1_000; i++) log.note({ ...stranger, resourceOwner: 'org_attacked' })
    log.note({ ...stranger, resourceOwner: 'org_calm' })
    for (let i = 0; i < 20; i++) log.note({ ...refused, credentialId: key, organizationId: null })
    await log.flush()
    const rows = await store.requestLog.of({ block: '192.0.2.0/24' }, null, 1_000)
    t.equal(rows.length, 26)
    t.equal(rows.filter(({ resourceOwner }) => resourceOwner === 'org_calm').length, 1)
    t.equal((await rowsOf(key)).length, 20)
  })

  test('writing makes no room: the next interval does', async t => {
    const log = logOver(store.requestLog)
    const one = { credentialId: newKey(), organizationId: 'org_1' }
    for (let i = 0; i < 40; i++) {
      for (let n = 0; n < 25; n++) {
        log.note({ ...refused, ...one })
        log.note({ ...request, ...one })
      }
      await log.flush()
    }
    t.equal((await rowsOf(one.credentialId)).length, 25 + 5)
    t.notOk(log.takesAdmitted(one.credentialId, one.organizationId))
    endInterval()
    t.ok(log.takesAdmitted(one.credentialId, one.organizationId))
    log.note({ ...refused, ...one })
    await log.flush()
    t.equal((await rowsOf(one.credentialId)).length, 25 + 5 + 1)
  })

  test('credentials and organizations without end take 100 admitted and 200 refused rows of an interval', async t => {
    const batches: number[][] = []
    const log = logOver({
      add: async rows => {
        const admitted = rows.filter(({ reason }) => reason === null).length
        batches.push([admitted, rows.length - admitted])
      },
      trim: async () => {}
    })
    for (let interval = 0; interval < 2; interval++) {
      for (let i = 0; i < 1_000; i++) {
        const other = { credentialId: `key_${i}`, organizationId: `org_${i}` }
        log.note({ ...request, ...other })
        log.note({ ...refused, ...other })
      }
      t.notOk(log.takesAdmitted('key_new', 'org_new'), 'there is no room left')
      await log.flush()
      t.notOk(log.takesAdmitted('key_new', 'org_new'), 'nor after it was written')
      endInterval()
      t.ok(log.takesAdmitted('key_new', 'org_new'), 'until the next interval')
    }
    t.strictSame(batches, [[100, 200], [100, 200]])
  })

  test('an interval ends by itself', async t => {
    const log = requestLog(store.requestLog, 'on', clock.now, () => {}, 86_400_000)
    const key = newKey()
    for (let i = 0; i < 5; i++) log.note({ ...request, credentialId: key })
    t.notOk(log.takesAdmitted(key, 'org_1'))
    while (!log.takesAdmitted(key, 'org_1')) await nextTurn()
  })

  test('refused only, and off', async t => {
    const [one, other] = [newKey(), newKey()]
    const some = logOver(store.requestLog, 'refused')
    const none = logOver(store.requestLog, 'off')
    t.notOk(some.takesAdmitted(one, 'org_1'))
    for (const [log, credentialId] of [[some, one], [none, other]] as const) {
      log.note({ ...request, credentialId })
      log.note({ ...refused, credentialId })
      await log.flush()
    }
    t.strictSame((await rowsOf(one)).map(({ reason }) => reason), ['insufficient_scope'])
    t.strictSame(await rowsOf(other), [])
  })

  test('of a credential the last 100 admitted and the last 100 refused rows stay, and older ones go', async t => {
    const log = logOver(store.requestLog)
    const id = newKey()
    for (let i = 0; i < 80; i++) {
      clock.advance(1)
      for (let n = 0; n < 5; n++) log.note({ ...request, credentialId: id, status: 200 + i })
      log.note({ ...refused, credentialId: id })
      await log.flush()
      endInterval()
    }
    const rows = await rowsOf(id)
    const admitted = rows.filter(({ reason }) => reason === null)
    t.ok(admitted.length >= keptOfCredential && admitted.length <= keptOfCredential + 60, String(admitted.length))
    t.equal(rows.length - admitted.length, 80)
    t.equal(admitted[0]!.status, 279, 'the newest first')
    t.equal(admitted[99]!.status, 260)
  })

  test('rows that cannot be written wait for the next batch, in bounds, and are counted when lost', async t => {
    const id = newKey()
    let broken = true
    let largest = 0
    const log = logOver({
      add: async rows => {
        largest = Math.max(largest, rows.length)
        if (broken) throw new Failure('storage_unavailable')
        await store.requestLog.add(rows)
      },
      trim: async trimmed => { await store.requestLog.trim(trimmed) }
    })
    log.note({ ...refused, credentialId: id })
    await log.flush()
    t.strictSame(await rowsOf(id), [])
    for (let i = 0; i < 10; i++) {
      endInterval()
      for (let n = 0; n < 200; n++) log.note({ ...refused, credentialId: `${id}_${n}`, organizationId: `org_${n}` })
      await log.flush()
    }
    t.equal(largest, 400)
    broken = false
    await log.flush()
    t.equal((await rowsOf(id)).length, 1)
    broken = true
    endInterval()
    log.note({ ...refused, credentialId: id })
    t.equal(await log.stop(), 1)
  })

  test('an organization reads requests of its credentials and to its resources; after 30 days they go', async t => {
    const [mine, theirs, unknown] = [newKey(), newKey(), newKey()]
    const log = logOver(store.requestLog)
    const block = '198.51.100.0/24'
    const from = { address: '198.51.100.1' }
    log.note({ ...request, ...from, credentialId: mine, organizationId: 'org_mine' })
    log.note({ ...request, ...from, credentialId: theirs, organizationId: 'org_theirs' })
    log.note({ ...refused, ...from, credentialId: unknown, organizationId: 'org_theirs', resourceOwner: 'org_mine' })
    log.note({ ...refused, ...from, credentialId: null, organizationId: null })
    await log.flush()
    const seenBy = async (organization: string | null) =>
      (await store.requestLog.of({ block }, organization, 10)).map(({ credentialId }) => String(credentialId)).sort()
    t.strictSame(await seenBy('org_mine'), [mine, unknown].sort())
    t.strictSame(await seenBy('org_theirs'), [theirs, unknown].sort())
    t.strictSame(await seenBy('org_other'), [])
    t.strictSame(await seenBy(null), [mine, theirs, unknown, 'null'].sort())
    const prune = async () => await jobs.logged_request!.remove(
      server.latchkey.operation, { usageDays: 400 }, clock.now(), 10_000
    )
    clock.advance(requestLogDays * 86_400 - 1)
    await prune()
    t.equal((await seenBy(null)).length, 4)
    clock.advance(2)
    t.ok(await prune() >= 4)
    t.strictSame(await seenBy(null), [])
  })

  test('requests of a key are read with their status, route and block, by its organization alone', async t => {
    const { admin, withKey, createKey, createOrganization, issuer } = server
    const { id, key, organization } = await createKey({ allowlist: ['127.0.0.1'] })
    const passed = await withKey(key, '/api/v1/invoices?page=17', { from: '127.0.0.1' })
    clock.advance(1)
    await withKey(key, '/api/v1/invoices', { from: '127.9.9.9' })
    const read = async (as: string): Promise<Json> => {
      const reader = await createKey({ organization: as, resource: `${issuer}/api/v1`, scopes: ['audit:read'] })
      return await withKey(reader.key, `/api/v1/api-keys/${id}/requests`)
    }
    const expected = [
      { status: 401, reason: 'address_not_allowed', addressBlock: '127.9.9.0/24' },
      { status: 200, reason: null, addressBlock: '127.0.0.0/24', requestId: passed.headers['x-request-id'] },
    ].map(row => ({ ...row, route: 'GET /api/v1/invoices', credential: id, resource: issuer }))
    t.match((await read(organization)).json.data, expected)
    t.match((await admin('GET', `/api-keys/${id}/requests`)).json.data, expected)
    t.match(await read((await createOrganization()).id), { status: 404, json: { code: 'NOT_FOUND' } })
  })
}
