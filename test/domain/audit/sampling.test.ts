/** Bounds of the refusal log and of batched usage; with rules of addresses, metadata URLs and key sets. */
import { generateKeyPairSync } from 'node:crypto'
import tap from 'tap'
import { addressBlock } from '../../../src/base/ip-address.ts'
import type { AuditEvent } from '../../../src/domain/audit/event.ts'
import { requirePublicKeys } from '../../../src/domain/credentials/client-keys.ts'
import { refusalLog, type RefusalEntry } from '../../../src/domain/audit/refusal-log.ts'
import { resourceMetadataUrl } from '../../../src/domain/resources/resource-metadata.ts'
import { usageMeter } from '../../../src/domain/metering/usage-meter.ts'
import { lastUsedRecorder, writtenAtOnce } from '../../../src/domain/metering/last-used.ts'
import { windowLimiter } from '../../../src/domain/metering/window-limiter.ts'
import { Failure } from '../../../src/base/errors.ts'
import { until } from '../../support/waiting.ts'

const entry: RefusalEntry = {
  type: 'credential.refused',
  reason: 'unknown',
  subject: null,
  organizationId: null,
  address: '192.0.2.1',
  requestId: 'r'
}

function clockAt (start: number) {
  let now = start
  return { clock: () => new Date(now), advance: (ms: number) => { now += ms } }
}

function log (limits?: Parameters<typeof refusalLog>[2]) {
  const rows: AuditEvent[] = []
  const time = clockAt(0)
  let failing = false
  const audit = {
    append: async (event: AuditEvent) => {
      if (failing) throw new Failure('storage_unavailable')
      rows.push(event)
    },
    page: async () => ({ items: [], hasMore: false })
  }
  return {
    ...time,
    rows,
    refusals: refusalLog({ audit }, time.clock, limits),
    fail: (fails: boolean) => {
      failing = fails
    }
  }
}

tap.test('a party that is refused for one reason has one row a minute, and the next says how many were left out', async t => {
  const { refusals, rows, advance } = log()
  for (let i = 0; i < 10; i++) refusals.record(entry)
  refusals.record({ ...entry, reason: 'expired' })
  refusals.record({ ...entry, address: '192.0.2.2' })
  refusals.record({ ...entry, subject: 'key_1' })
  refusals.record({ ...entry, subject: 'key_1', address: '192.0.2.3' })
  await refusals.flush()
  t.strictSame(rows.map(row => [row.subject, row.address, row.detail.reason]), [
    [null, '192.0.2.1', 'unknown'],
    [null, '192.0.2.1', 'expired'],
    [null, '192.0.2.2', 'unknown'],
    ['key_1', '192.0.2.1', 'unknown']
  ])
  advance(60_000)
  refusals.record(entry)
  await refusals.flush()
  t.strictSame(rows.at(-1)!.detail, { reason: 'unknown', omitted: 9 })
})

tap.test('the row of what was left out names the last request, which has no row of its own', async t => {
  const { refusals, rows } = log()
  for (const requestId of ['r1', 'r2', 'r3']) refusals.record({ ...entry, requestId, detail: { jti: requestId } })
  await refusals.stop()
  t.strictSame(rows.map(({ requestId, detail }) => [requestId, detail]), [
    ['r1', { reason: 'unknown', jti: 'r1' }], ['r3', { reason: 'unknown', jti: 'r3', omitted: 1 }]
  ])
})

tap.test('neither many parties nor a slow database make the log grow without bound', async t => {
  const { refusals, rows } = log({ parties: 10, rowsPerMinute: 5, waiting: 3 })
  for (let i = 0; i < 100; i++) refusals.record({ ...entry, address: `192.0.2.${i}` })
  await refusals.flush()
  t.equal(rows.length, 3)
  for (let i = 0; i < 100; i++) refusals.record({ ...entry, address: `198.51.100.${i}` })
  await refusals.flush()
  t.equal(rows.length, 5)
})

tap.test('the totals are true: the rows, and the sum of what they say was omitted', async t => {
  const { refusals, rows, advance, fail } = log({ parties: 20, rowsPerMinute: 15, waiting: 10 })
  let recorded = 0
  const record = (more: Partial<RefusalEntry> = {}) => {
    recorded++
    refusals.record({ ...entry, ...more })
  }
  for (let minute = 0; minute < 5; minute++) {
    for (let i = 0; i < 300; i++) {
      record({
        address: `192.0.2.${i % 90}`, ...(i % 7 === 0 ? { type: 'client.refused', subject: `cli_${i % 3}` } : {})
      })
    }
    fail(minute === 2)
    await refusals.flush()
    advance(60_000)
  }
  await refusals.stop()
  const total = rows.reduce((sum, { detail }) => sum + 1 + ((detail.omitted as number | undefined) ?? 0), 0)
  t.equal(total, recorded)
  t.ok(rows.length < 5 * 2 * 20, `${rows.length} rows for ${recorded} refusals`)
  await refusals.stop()
  t.equal(
    rows.reduce((sum, { detail }) => sum + 1 + ((detail.omitted as number | undefined) ?? 0), 0), recorded,
    'closing twice adds nothing'
  )
})

tap.test('counts without room for a row of their own share one', async t => {
  const { refusals, rows, advance } = log({ parties: 10, rowsPerMinute: 3, waiting: 10 })
  for (let i = 0; i < 6; i++) refusals.record({ ...entry, address: `192.0.2.${i % 3}` })
  await refusals.flush()
  advance(120_000)
  refusals.record({ ...entry, address: '192.0.2.9' })
  await refusals.flush()
  t.strictSame(rows.slice(3).map(({ address, detail }) => [address, detail]), [
    ['192.0.2.9', { reason: 'unknown' }], ['192.0.2.2', { reason: 'unknown' }], ['192.0.2.1', { reason: 'unknown' }],
    [null, { reason: 'too_many_to_write' }]
  ])
})

tap.test('the admin token is one credential: its uses are told apart by address, and no flood of refusals crowds them out', async t => {
  const { refusals, rows } = log({ parties: 100, rowsPerMinute: 5, waiting: 1_000 })
  for (let i = 0; i < 50; i++) refusals.record({ ...entry, address: `192.0.2.${i}` })
  for (const address of ['198.51.100.1', '198.51.100.2', '198.51.100.1']) {
    refusals.record({ ...entry, type: 'admin_token.used', reason: null, subject: 'admin', address })
  }
  await refusals.flush()
  t.strictSame(
    rows.filter(({ type }) => type === 'admin_token.used').map((
      { actor, address, detail }
    ) => [actor, address, detail]),
    [['admin', '198.51.100.1', {}], ['admin', '198.51.100.2', {}]]
  )
})

tap.test('a database that is away costs a row, never a request', async t => {
  const { refusals, rows, fail } = log()
  fail(true)
  refusals.record(entry)
  await refusals.flush()
  fail(false)
  refusals.record({ ...entry, reason: 'expired' })
  await refusals.flush()
  t.strictSame(rows.map(row => row.detail.reason), ['expired'])
})

tap.test('what was used is written once for many uses, and again after a failure', async t => {
  const { clock, advance } = clockAt(1_000)
  const written: [string, number][][] = []
  let failing = true
  const usage = lastUsedRecorder(async noted => {
    if (failing) throw new Error('away')
    written.push([...noted].map(([id, at]) => [id, at.getTime()]))
  }, clock)
  usage.touch('a')
  usage.touch('b')
  await usage.flush()
  failing = false
  advance(500)
  usage.touch('a')
  await usage.stop()
  await usage.flush()
  t.strictSame(written, [[['a', 1_500], ['b', 1_000]]])
})

tap.test('a window takes as many as it takes and opens again', async t => {
  const { clock, advance } = clockAt(0)
  const counter = windowLimiter({ max: 2, windowSeconds: 60 }, clock)
  counter.count('a')
  t.equal(counter.exhausted('a'), null)
  counter.count('a')
  t.equal(counter.exhausted('a'), 60)
  t.equal(counter.exhausted('b'), null)
  advance(59_500)
  t.equal(counter.exhausted('a'), 1)
  advance(500)
  t.equal(counter.exhausted('a'), null)
  counter.count('a')
  t.equal(counter.exhausted('a'), null, 'a new window')
})

tap.test('§0.9: an IPv6 client is its /64, a mapped address its IPv4 form', async t => {
  t.equal(addressBlock('192.0.2.7'), '192.0.2.7')
  t.equal(addressBlock('::ffff:192.0.2.7'), '192.0.2.7')
  t.equal(addressBlock('2001:db8::1'), addressBlock('2001:db8:0:0:ffff::2'))
  t.not(addressBlock('2001:db8::1'), addressBlock('2001:db8:0:1::1'))
  t.equal(addressBlock('::1'), '0:0:0:0::/64')
  t.equal(addressBlock('nonsense'), 'unknown')
})

tap.test('RFC 9728 §3.1: the well-known path stands between host and path', async t => {
  t.equal(
    resourceMetadataUrl('https://api.example.test'), 'https://api.example.test/.well-known/oauth-protected-resource'
  )
  t.equal(
    resourceMetadataUrl('https://api.example.test/'), 'https://api.example.test/.well-known/oauth-protected-resource'
  )
  t.equal(
    resourceMetadataUrl('https://api.example.test:8443/a/b'),
    'https://api.example.test:8443/.well-known/oauth-protected-resource/a/b'
  )
  t.equal(resourceMetadataUrl('urn:example:api'), null)
})

tap.test('a key set without a usable public key is refused by the name of the key', async t => {
  const ed25519 = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' })
  const bad: [unknown, RegExp][] = [
    [undefined, /jwks/], [{ keys: [] }, /1 to 10/], [{ keys: [{ kty: 'oct', k: 'x' }] }, /symmetric/],
    [{ keys: ['x'] }, /keys\[0\]/], [{ keys: [{ kty: 'RSA', n: 'AQAB', e: 'AQAB' }] }, /keys\[0\] must be an EC key/],
    [{ keys: [{ kty: 'EC', crv: 'P-256', x: 'AQAB', y: 'AQAB' }] }, /keys\[0\] is not a public key in JWK form/],
    [{ keys: [{ ...ed25519, alg: 'ES256' }] }, /keys\[0\]\.alg must be one of Ed25519, EdDSA/]
  ]
  for (const [jwks, message] of bad) t.throws(() => requirePublicKeys(jwks), { code: 'invalid_request', message })
})

tap.test('of more credentials than are written at once those that wait the longest are written first, and all in the end', async t => {
  const { clock, advance } = clockAt(1_000)
  const touched: string[][] = []
  const added: string[][] = []
  const writes = [
    lastUsedRecorder(
      async noted => {
        touched.push([...noted.keys()])
      },
      clock,
      1
    ),
    usageMeter(async rows => {
      added.push(rows.map(row => row.consumerId))
    }, 1)
  ] as const
  const ids = Array.from({ length: writtenAtOnce + 3 }, (_, i) => `key_${i}`)
  for (const id of ids) {
    writes[0].touch(id)
    writes[1].count(id, clock())
  }
  advance(1_000)
  // Used again: it keeps its place in the queue.
  writes[0].touch('key_0')
  writes[1].count('key_0', clock())
  await until('all are written', () => touched.flat().length >= ids.length && added.flat().length >= ids.length)
  for (const written of [touched, added]) t.strictSame(written, [ids.slice(0, writtenAtOnce), ids.slice(writtenAtOnce)])
  for (const id of ids) writes[0].touch(id)
  await writes[0].stop()
  t.strictSame(touched.slice(2), [ids], 'closing leaves nobody waiting')
})
