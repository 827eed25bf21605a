/** Documents of strangers, from real TLS servers: what is connected to, what is kept, and what it costs their hosts. */
import tap, { type Test } from 'tap'
import { secondsAfter } from '../../src/base/clock.ts'
import { unshared } from '../../src/domain/metering/shared-counters.ts'
import { DocumentFailure } from '../../src/fetch/document-failure.ts'
import { documentFetcher, failureKeptFor, staleFor } from '../../src/fetch/document-fetcher.ts'
import { defaultFetchLimits, fetchBudget, type FetchLimits } from '../../src/fetch/fetch-budget.ts'
import { internetBy, type Network } from '../../src/fetch/network.ts'
import { makeAuthority } from '../support/certificates.ts'
import { startDnsServer } from '../support/dns-server.ts'
import { publicAddress, startDocumentHost, type DocumentHost } from '../support/document-host.ts'

const url = 'https://client.example/metadata.json'
const lifetime = { least: 60, most: 3_600, otherwise: 300 }

async function start (t: Test, limits: Partial<FetchLimits> = {}, names: Partial<Network> = {}) {
  const host = await startDocumentHost(t)
  let now = new Date()
  const clock = () => now
  const budget = fetchBudget(clock, unshared, { ...defaultFetchLimits, ...limits })
  const fetcher = documentFetcher<{ name: string }>({
    maxBytes: 1_000,
    lifetime,
    read (document) {
      const { name } = document as { name?: unknown }
      if (typeof name !== 'string') throw new DocumentFailure('invalid', 'has no name')
      return { name }
    },
  }, { clock, network: { ...host.network, ...names }, budget })
  const get = async (asked = url, askedBy = '192.0.2.1') => await fetcher.get(asked, askedBy)
  const failureOf = async (asked = url, askedBy?: string): Promise<DocumentFailure> => {
    const failure: unknown = await get(asked, askedBy).then(() => null, (error: unknown) => error)
    if (failure instanceof DocumentFailure) return failure
    throw new Error(`no failure, but ${String(failure)}`)
  }
  return { host, get, failureOf, advance (seconds: number) { now = secondsAfter(now, seconds) } }
}

const answersWith = (status: number, headers: Record<string, string> = {}) =>
  ((_request, response) => { response.writeHead(status, headers).end('{"name":"x"}') }) satisfies
    Parameters<DocumentHost['serves']>[1]

tap.test('C2 the name is looked up once, and the connection goes to that address, with the name in SNI and Host', async t => {
  const { host, get } = await start(t)
  host.names('client.example', ['8.8.8.8'], ['127.0.0.1'])
  host.serves(url, { name: 'agent' })
  t.strictSame(await get(), { name: 'agent' })
  t.strictSame(host.lookups, ['client.example'])
  t.strictSame(host.connections, ['8.8.8.8 443'])
  t.strictSame(host.requests, [{ url, servername: 'client.example' }])
})

tap.test('C2 a host with any address that is not public is not connected to, and the answer does not say so', async t => {
  const { host, failureOf } = await start(t, { perAsker: { max: 1_000, windowSeconds: 60 } })
  const answers = [
    ['127.0.0.1'], ['10.0.0.1'], ['192.168.1.1'], ['172.16.0.1'], ['169.254.169.254'], ['100.64.0.1'], ['0.0.0.0'],
    ['224.0.0.1'], ['255.255.255.255'], ['::1'], ['::'], ['::ffff:127.0.0.1'], ['::ffff:7f00:1'], ['64:ff9b::7f00:1'],
    ['2002:7f00:1::'], ['2001::1'], ['fc00::1'], ['fe80::1'], ['fec0::1'], ['ff02::1'], ['4000::1'], [],
    [publicAddress, '127.0.0.1'], ['2606:4700::1', '::1'], ['not an address']
  ]
  for (const [index, answer] of answers.entries()) {
    const name = `h${index}.example`
    host.names(name, answer)
    const failure = await failureOf(`https://${name}/m.json`)
    t.match([failure.reason, failure.message], ['refused', 'cannot be fetched'], answer.join(' '))
    t.match(failure.detail, /does not connect to/)
  }
  t.strictSame([host.connections, host.requests], [[], []])
})

tap.test('C2 a name whose second look-up answers 127.0.0.1 is refused from then on, and what was known is dropped', async t => {
  const { host, get, failureOf, advance } = await start(t)
  host.names('client.example', ['8.8.8.8'], ['127.0.0.1'])
  host.serves(url, { name: 'agent' })
  await get()
  advance(lifetime.otherwise)
  t.equal((await failureOf()).reason, 'refused')
  advance(failureKeptFor)
  t.equal((await failureOf()).reason, 'refused')
  t.equal(host.requests.length, 1)
})

tap.test('C1 redirects, statuses, types, sizes and compressed answers are refused, each by its name', async t => {
  const { host, failureOf } = await start(t, { perAsker: { max: 1_000, windowSeconds: 60 } })
  const json = { 'content-type': 'application/json' }
  const cases: [string, Parameters<DocumentHost['serves']>[1], string, RegExp][] = [
    ['301', answersWith(301, { ...json, location: 'https://client.example/other' }), 'refused', /redirect \(301\)/],
    ['308', answersWith(308, { ...json, location: 'https://127.0.0.1/' }), 'refused', /redirect \(308\)/],
    ['404', answersWith(404, json), 'refused', /with 404/],
    ['201', answersWith(201, json), 'refused', /with 201/],
    ['503', answersWith(503, json), 'unavailable', /with 503/],
    ['429', answersWith(429, json), 'unavailable', /with 429/],
    ['html', answersWith(200, { 'content-type': 'text/html' }), 'refused', /not served as application\/json/],
    ['untyped', answersWith(200), 'refused', /not served as application\/json/],
    ['gzip', answersWith(200, { ...json, 'content-encoding': 'gzip' }), 'refused', /compressed/],
    ['large', { name: 'x'.repeat(1_000) }, 'refused', /too large/],
    ['broken', '{"name"', 'invalid', /not JSON/],
    ['latin1', (_request, response) => {
      response.writeHead(200, json).end(Buffer.from('{"name":"\xe9"}', 'latin1'))
    }, 'invalid', /not JSON in UTF-8/],
    ['other', { title: 'x' }, 'invalid', /has no name/],
    ['reset', request => { request.socket.destroy() }, 'unavailable', /cannot be fetched/],
  ]
  for (const [name, answer, reason, sentence] of cases) {
    host.serves(`https://client.example/${name}`, answer)
    const failure = await failureOf(`https://client.example/${name}`)
    t.equal(failure.reason, reason, name)
    t.match(failure.message, sentence, name)
  }
  t.equal(host.requests.length, cases.length, 'nothing was followed')
})

tap.test('C1 types that end with +json are JSON', async t => {
  const { host, get } = await start(t)
  host.serves(url, { name: 'agent' }, { 'content-type': 'Application/Client+JSON; charset=utf-8' })
  t.strictSame(await get(), { name: 'agent' })
})

tap.test('C1 a host that sends its answer slowly is given up in time', async t => {
  const { host, failureOf } = await start(t)
  host.serves(url, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.write('{"name":')
  })
  t.match(await failureOf(), { reason: 'unavailable', detail: /did not answer in time/ })
})

tap.test('C2 a certificate of another name is no answer', async t => {
  const { host, failureOf } = await start(t)
  host.certifies('client.example', 'another.example')
  host.serves(url, { name: 'agent' })
  t.match(await failureOf(), { reason: 'unavailable', message: 'cannot be fetched' })
  const { ca: _, ...strangers } = host.network
  const other = await start(t, {}, { ...strangers, ca: makeAuthority().certificate })
  t.match(await other.failureOf('https://c.example/m.json'), { reason: 'unavailable', detail: /CERT|SIGNATURE|ISSUER/ })
  t.strictSame([host.requests, other.host.requests], [[], []])
})

tap.test('C3 many questions at once about one URL are one request, whether it succeeds or fails', async t => {
  const { host, get, failureOf } = await start(t)
  host.serves(url, { name: 'agent' })
  const found = await Promise.all(Array.from({ length: 1_000 }, () => get()))
  t.equal(new Set(found).size, 1)
  t.equal(host.asked(url), 1)
  const missing = 'https://client.example/missing.json'
  await Promise.all(Array.from({ length: 1_000 }, () => failureOf(missing)))
  t.equal((await failureOf(missing)).message, 'is answered with 404')
  t.equal(host.asked(missing), 1)
})

tap.test('C3 a thousand URLs of one host cost it a few requests, whoever asks', async t => {
  const { host, failureOf } = await start(t)
  for (let i = 0; i < 1_000; i++) await failureOf(`https://client.example/${i}.json`)
  t.equal(host.requests.length, defaultFetchLimits.perAsker.max)
  for (let i = 0; i < 1_000; i++) await failureOf(`https://client.example/a${i}.json`, `198.51.100.${i % 250}`)
  t.equal(host.requests.length, defaultFetchLimits.perHost.max)
  const { reason, message, retryAfter } = await failureOf('https://client.example/last.json', '203.0.113.1')
  t.strictSame([reason, message, retryAfter], ['busy', 'is not fetched now: too many documents were', 60])
  await failureOf('https://another.example/m.json', '203.0.113.1')
  t.equal(host.asked('https://another.example/m.json'), 1, 'other hosts are asked as before')
})

tap.test('C3 many names of one server cost it no more than its share, and the whole server has one', async t => {
  const limits = { perServer: { max: 5, windowSeconds: 60 }, all: { max: 12, windowSeconds: 60 } }
  const { host, failureOf, advance } = await start(t, limits)
  for (let i = 0; i < 10; i++) await failureOf(`https://h${i}.example/m.json`)
  t.equal(host.requests.length, 5)
  host.names('other.example', ['1.1.1.1'])
  for (const name of ['a', 'b', 'c', 'd']) await failureOf(`https://other.example/${name}`, '198.51.100.7')
  t.equal(host.requests.length, 7, 'those that were not connected to count in all, too')
  advance(60)
  t.equal((await failureOf('https://h9.example/m.json')).message, 'is answered with 404')
})

tap.test('C3 an address block of IPv6 is one asker', async t => {
  const { host, failureOf } = await start(t)
  for (let i = 0; i < 50; i++) await failureOf(`https://client.example/${i}.json`, `2001:db8::${i}`)
  t.equal(host.requests.length, defaultFetchLimits.perAsker.max)
})

tap.test('C3 no more than so many are fetched at one time, and a known document stands in for what is not fetched', async t => {
  const { host, get, failureOf, advance } = await start(t, { atOnce: 1 })
  host.serves(url, { name: 'agent' })
  const known = await get()
  const held: (() => void)[] = []
  const arrived = new Promise<void>(resolve => {
    host.serves('https://slow.example/m.json', (_request, response) => {
      held.push(() => { response.writeHead(404).end() })
      resolve()
    })
  })
  const slow = failureOf('https://slow.example/m.json')
  await arrived
  t.match(await failureOf('https://client.example/other.json'), { reason: 'busy', retryAfter: 1 })
  advance(lifetime.otherwise)
  t.equal(await get(), known)
  held.forEach(answer => { answer() })
  t.equal((await slow).reason, 'refused')
  t.not(await get(), known, 'fetched again')
})

tap.test('RFC 9111 a document is kept as long as its headers say, within bounds', async t => {
  const { host, get, advance } = await start(t, { perAsker: { max: 1_000, windowSeconds: 60 } })
  const at = (seconds: number) => new Date(Date.now() + seconds * 1_000).toUTCString()
  const cases: [Record<string, string>, number][] = [
    [{}, 300], [{ 'cache-control': 'max-age=120' }, 120], [{ 'cache-control': 'public, Max-Age="600"' }, 600],
    [{ 'cache-control': 'max-age=120, s-maxage=180' }, 180], [{ 'cache-control': 'max-age=1' }, 60],
    [{ 'cache-control': 'no-store' }, 60], [{ 'cache-control': 'no-cache, max-age=900' }, 60],
    [{ 'cache-control': 'max-age=31536000' }, 3_600], [{ 'cache-control': 'max-age=300', age: '200' }, 100],
    [{ 'cache-control': 'max-age=-1' }, 300], [{ 'cache-control': 'max-age=1e9' }, 300],
    [{ expires: at(900), date: at(0) }, 900], [{ expires: '0' }, 60], [{ expires: at(-900), date: at(0) }, 60]
  ]
  for (const [index, [headers, seconds]] of cases.entries()) {
    const each = `https://h${index}.example/m.json`
    host.serves(each, { name: 'agent' }, headers)
    const first = await get(each)
    advance(seconds - 1)
    t.equal(await get(each), first, JSON.stringify(headers))
    advance(1)
    t.not(await get(each), first, JSON.stringify(headers))
    t.equal(host.asked(each), 2)
  }
})

tap.test('C3 a failure is remembered for half a minute', async t => {
  const { host, get, failureOf, advance } = await start(t)
  await failureOf()
  host.serves(url, { name: 'agent' })
  advance(failureKeptFor - 1)
  t.equal((await failureOf()).message, 'is answered with 404')
  t.equal(host.asked(url), 1)
  advance(1)
  t.strictSame(await get(), { name: 'agent' })
})

tap.test('RFC 5861 a known document stands in while its host is unavailable, for a day, and is asked for twice a minute', async t => {
  const { host, get, failureOf, advance } = await start(t)
  host.serves(url, { name: 'agent' })
  const known = await get()
  host.serves(url, answersWith(503))
  advance(lifetime.otherwise)
  for (let i = 0; i < 10; i++) t.equal(await get(), known)
  t.equal(host.asked(url), 2)
  advance(failureKeptFor)
  t.equal(await get(), known)
  t.equal(host.asked(url), 3)
  advance(staleFor)
  t.equal((await failureOf()).message, 'is answered with 503')
  t.equal((await failureOf()).reason, 'unavailable')
})

tap.test('a document that has gone or has become invalid is not served any more', async t => {
  const { host, get, failureOf, advance } = await start(t)
  const changes: [string, Parameters<DocumentHost['serves']>[1]][] = [
    ['gone', answersWith(404)], ['moved', answersWith(301, { location: url })], ['invalid', { title: 'x' }],
  ]
  for (const [name, answer] of changes) {
    const each = `https://client.example/${name}`
    host.serves(each, { name: 'agent' })
    await get(each)
    host.serves(each, answer)
    advance(lifetime.otherwise)
    await failureOf(each)
    host.serves(each, answersWith(503))
    advance(failureKeptFor)
    t.equal((await failureOf(each)).reason, 'unavailable', name)
  }
})

tap.test('what strangers ask for uses up no share of known documents', async t => {
  const { host, get, failureOf, advance } = await start(t)
  host.serves(url, { name: 'agent' })
  await get()
  advance(lifetime.otherwise)
  for (let i = 0; i < 100; i++) await failureOf(`https://client.example/${i}`, `198.51.100.${i}`)
  host.serves(url, { name: 'agent, renamed' })
  t.strictSame(await get(), { name: 'agent, renamed' })
  const limited = await start(t, { perServer: { max: 1, windowSeconds: 3_600 } })
  limited.host.serves(url, { name: 'agent' })
  const known = await limited.get()
  limited.advance(lifetime.otherwise)
  t.not(await limited.get(), known, 'nor the share of its server')
})

tap.test('C2 a DNS server that answers with a public address first and a private one then is asked once for a fetch', async t => {
  const answers = [['8.8.8.8'], ['127.0.0.1']]
  const dns = await startDnsServer(t, () => answers.shift() ?? ['127.0.0.1'])
  const { host, get, failureOf, advance } = await start(t, {}, internetBy([dns.address]))
  host.serves(url, { name: 'agent' })
  await get()
  t.strictSame(dns.questions.toSorted(), ['A client.example', 'AAAA client.example'])
  t.strictSame(host.connections, ['8.8.8.8 443'])
  advance(lifetime.otherwise)
  t.match((await failureOf()).detail, /does not connect to/)
  t.equal(host.connections.length, 1)
})

tap.test('C2 a DNS server that does not answer is given up with the fetch', async t => {
  const dns = await startDnsServer(t, () => null)
  const { failureOf } = await start(t, {}, internetBy([dns.address]))
  t.match(await failureOf(), { reason: 'unavailable', message: 'cannot be fetched' })
  const ended = new AbortController()
  const asking = internetBy([dns.address]).lookup('client.example', ended.signal)
  ended.abort()
  await t.rejects(asking, { code: 'ECANCELLED' })
})
