/** The metrics at /prom: they are right and bounded, and have no label that a caller chose. */
import { request } from 'node:http'
import tap from 'tap'
import { Histogram, durationBuckets, Counter, HistogramVec } from '../../src/telemetry/metrics.ts'
import { metrics } from '../../src/observability/prometheus.ts'
import { prober } from '../../src/observability/readiness.ts'
import { runHousekeeping } from '../../src/domain/maintenance/housekeeping.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { startServer, type TestServer } from '../support/test-server.ts'
import { eventually, until } from '../support/waiting.ts'
import { readExposition } from '../support/prometheus.ts'

const server = await startServer()
tap.teardown(server.close)

async function scrape ({ send }: TestServer = server) {
  const families = readExposition((await send({ path: '/prom' })).text)
  const value = (name: string, labels: Record<string, string> = {}) =>
    families.get(name.replace(/_(count|sum|bucket)$/, ''))?.samples.filter(sample =>
      sample.name === name && Object.entries(labels).every(([label, text]) => sample.labels[label] === text)
    ).reduce((sum, sample) => sum + sample.value, 0) ?? 0
  return { families, value }
}

tap.test('OC-14: every metric is there in the form of Prometheus, with its help and its type', async t => {
  const { families } = await scrape()
  t.strictSame([...families.keys()], metrics.map(metric => metric.name))
  for (const { name, type, help } of metrics) t.match(families.get(name), { type, help })
})

tap.test('OC-14: requests are counted by route pattern, method and class of status, with their durations', async t => {
  const before = await scrape()
  const organization = await server.createOrganization()
  for (let i = 0; i < 3; i++) await server.admin('GET', `/organizations/${organization.id}`)
  await server.admin('GET', '/organizations/org_nowhere')
  await server.send({ path: `/unknown/${newSecret()}` })
  const after = await scrape()
  const grown = (labels: Record<string, string>) =>
    after.value('latchkey_http_request_duration_seconds_count', labels) -
    before.value('latchkey_http_request_duration_seconds_count', labels)
  t.equal(grown({ route: '/api/v1/organizations/:id', method: 'GET', status: '2xx' }), 3)
  t.equal(grown({ route: '/api/v1/organizations/:id', method: 'GET', status: '4xx' }), 1)
  t.equal(grown({ route: '/api/v1/organizations', method: 'POST', status: '2xx' }), 1)
  t.equal(grown({ route: 'none', status: '4xx' }), 1)
  const labels = { route: '/api/v1/organizations/:id', method: 'GET', status: '2xx' }
  t.equal(
    after.value('latchkey_http_request_duration_seconds_bucket', { ...labels, le: '+Inf' }),
    after.value('latchkey_http_request_duration_seconds_count', labels)
  )
  t.ok(after.value('latchkey_http_request_duration_seconds_sum', labels) > 0)
  t.equal(after.value('latchkey_http_requests_in_flight'), 1, 'the scrape itself')
})

tap.test('OC-14: verdicts are counted by reason, tokens by grant, lookups by who could answer', async t => {
  const client = await server.createClient()
  const { key } = await server.createKey()
  const before = await scrape()
  const token = await server.tokenFor(client)
  await server.bearer(token)
  await server.withKey(key)
  await server.withKey(key)
  await server.send({ path: '/api/v1/invoices' })
  await server.withKey(`lb_live_${'0'.repeat(33)}`)
  await server.bearer(token, '/api/v1/company')
  const after = await scrape()
  const grown = (name: string, labels: Record<string, string>) => after.value(name, labels) - before.value(name, labels)
  const verdicts = 'latchkey_guard_verdicts_total'
  t.equal(grown(verdicts, { verdict: 'admitted', credential: 'access_token' }), 1)
  t.equal(grown(verdicts, { verdict: 'admitted', credential: 'api_key' }), 2)
  t.equal(grown(verdicts, { verdict: 'no_credential', credential: 'none' }), 1)
  t.equal(grown(verdicts, { verdict: 'malformed', credential: 'api_key' }), 1)
  t.equal(grown(verdicts, { verdict: 'insufficient_scope', credential: 'access_token' }), 1)
  t.equal(grown('latchkey_tokens_issued_total', { grant_type: 'client_credentials' }), 1)
  t.ok(grown('latchkey_registry_lookups_total', { result: 'hit' }) > 0)
  t.ok(grown('latchkey_registry_lookups_total', { result: 'miss' }) > 0)
  t.ok(after.value('latchkey_registry_records', { kind: 'api_key' }) > 0)
})

tap.test('OC-14: statements, transactions and failures of the database are counted', async t => {
  const before = await scrape()
  await server.createOrganization()
  await server.latchkey.operation.store.transaction(async () => { throw new Error('changed my mind') }).catch(() => {})
  const { store } = server.latchkey.operation
  const identifier = `https://${newSecret().toLowerCase().replace(/[^a-z]/g, '')}.test`
  for (let i = 0; i < 2; i++) await server.admin('POST', '/resources', { identifier, scopes: [] })
  const after = await scrape()
  const grown = (name: string, labels: Record<string, string> = {}) =>
    after.value(name, labels) - before.value(name, labels)
  t.ok(grown('latchkey_database_statement_duration_seconds_count', { operation: 'create' }) >= 2)
  t.ok(grown('latchkey_database_transaction_duration_seconds_count', { outcome: 'committed' }) >= 2)
  t.ok(grown('latchkey_database_transaction_duration_seconds_count', { outcome: 'rolled_back' }) >= 1)
  t.equal(after.value('latchkey_database_transactions_open'), 0)
  await store.transaction(async () => { t.equal((await scrape()).value('latchkey_database_transactions_open'), 1) })
})

tap.test('OC-14: a thousand strangers with a thousand paths, keys and methods make no new series', async t => {
  const knock = async (i: number) => {
    const text = newSecret()
    await server.send({
      path: `/${text}/${i}?${text}=1`,
      headers: { 'x-api-key': text, authorization: `Basic ${text}`, host: `${text}.test` }
    })
    await server.send({
      path: `/api/v1/clients/${text}`, headers: { 'x-api-key': `lb_live_${text.slice(0, 33)}`, 'user-agent': text }
    })
    await server.send({
      method: 'POST',
      path: '/api/v1/auth/token',
      body: new URLSearchParams({ grant_type: text, client_id: text, scope: text })
    })
  }
  await knock(0)
  const before = (await server.send({ path: '/prom' })).text
  for (let i = 1; i < 330; i++) await knock(i)
  const after = (await server.send({ path: '/prom' })).text
  // Usage is written in the background: its statements may start a series of their own meanwhile.
  const series = (text: string) =>
    text.split('\n').filter(line => line !== '' && !line.startsWith('latchkey_database_')).map(line =>
      line.replace(/ [^ ]+$/, '')
    )
  t.strictSame(series(after).filter(each => !series(before).includes(each)), [])
})

tap.test('tables of numbers end, whatever is counted in them', async t => {
  const tally = new Counter()
  const timed = new HistogramVec()
  for (let i = 0; i < 10_000; i++) {
    tally.increment(`label ${i}`)
    timed.observe(1, `label ${i}`, 'x')
  }
  t.ok(tally.entries().length <= 502)
  t.ok(timed.entries().length <= 502)
  t.equal(tally.total, 10_000, 'and nothing is lost')
  t.equal(timed.entries().reduce((sum, entry) => sum + entry[3].count, 0), 10_000)
  tally.increment('label 3')
  t.equal(tally.entries().find(([label]) => label === 'label 3')?.[2], 2, 'what was known before goes on')
})

tap.test('a duration falls into the first bucket that holds it', async t => {
  const durations = new Histogram()
  for (const seconds of [0, durationBuckets[0]!, durationBuckets[0]! + 1e-9, 1e9]) durations.observe(seconds)
  t.strictSame([durations.counts[0], durations.counts[1], durations.counts.at(-1), durations.count], [2, 1, 1, 4])
})

tap.test('what is pruned is counted, with the time of the last round', async t => {
  const { operation, telemetry } = server.latchkey
  const now = server.clock.now()
  await operation.store.usedAssertions.remember(newSecret(), new Date(now.getTime() - 25 * 3_600_000))
  await operation.store.usedAssertions.remember(newSecret(), new Date(now.getTime() - 60_000))
  const before = await scrape()
  await runHousekeeping(operation, { usageDays: 400 }, telemetry.metrics)
  const after = await scrape()
  t.equal(
    after.value('latchkey_pruned_rows_total', { kind: 'used_assertion' }) -
      before.value('latchkey_pruned_rows_total', { kind: 'used_assertion' }),
    1
  )
  t.ok(after.value('latchkey_pruned_timestamp_seconds') >= Math.floor(now.getTime() / 1000))
})

tap.test('LATCHKEY_METRICS=off: the numbers are told to nobody without a credential', async t => {
  const closed = await startServer({ environment: { LATCHKEY_METRICS: 'off' } })
  t.teardown(closed.close)
  t.equal((await closed.send({ path: '/prom' })).status, 404)
  t.equal((await closed.send({ path: '/healthz' })).status, 200)
  t.equal((await closed.admin('GET', '/metrics')).status, 200)
})

tap.test('a check that fails is told in a few words, never in those of a driver', async t => {
  const { probe } = prober({
    at_once: () => { throw new Error('password authentication failed for user "latchkey"') },
    later: async () => await Promise.reject(new Error('connect ECONNREFUSED 10.0.0.7:5432')),
    known: () => 'the database lacks migrations of this version',
    well: () => null
  }, server.latchkey.telemetry.availability)
  const { ready, checks } = await probe()
  t.equal(ready, false)
  t.strictSame(Object.entries(checks).map(([name, { ok, problem }]) => [name, ok, problem]), [
    ['serving', true, null], ['at_once', false, 'cannot be reached'], ['later', false, 'cannot be reached'],
    ['known', false, 'the database lacks migrations of this version'], ['well', true, null]
  ])
})

tap.test('N2: health is answered over plain http by a server that answers nothing else over it', async t => {
  const tls = await startServer({ issuer: 'https://auth.example.test', bare: true })
  t.teardown(tls.close)
  for (const path of ['/healthz', '/readyz', '/prom']) t.equal((await tls.send({ path })).status, 200, path)
  t.equal((await tls.send({ path: '/.well-known/jwks.json' })).status, 403)
})

tap.test('an answer that nobody waited for is not in flight for ever', async t => {
  const port = server.port
  let goAway = () => {}
  const hasty = new Promise<void>(resolve => {
    const sent = request({
      port,
      host: '127.0.0.1',
      path: '/api/v1/auth/token',
      method: 'POST',
      headers: { 'content-length': '100', 'content-type': 'application/x-www-form-urlencoded' }
    })
    sent.on('error', () => {}).on('close', resolve)
    sent.write('x')
    goAway = () => { sent.destroy() }
  })
  // The scrape itself is in flight too.
  const inFlight = async () => (await scrape()).value('latchkey_http_requests_in_flight')
  await until('it is in flight', async () => await inFlight() === 2)
  goAway()
  await hasty
  t.equal(await eventually(inFlight, count => count === 1), 1)
})
