/** The outbound fetcher: bounded in time and size, without redirects, and only to addresses that it may connect to. */
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import tap from 'tap'
import { OutboundFailure, outboundFetch, type OutboundOptions } from '../../src/fetch/outbound-fetch.ts'
import { isPublicAddress } from '../../src/fetch/public-address.ts'

let connections = 0
let answer: RequestListener = (_request, response) => { response.end('{}') }
const server = createServer((request, response) => { answer(request, response) })
server.on('connection', () => { connections++ })
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo
const origin = `http://127.0.0.1:${port}`
tap.teardown(() => {
  server.closeAllConnections()
  server.close()
})

const local: OutboundOptions = { insecureLoopback: true, timeout: 2_000 }

async function reasonOf (fetching: Promise<unknown>): Promise<string> {
  try {
    await fetching
    return 'none'
  } catch (error) {
    return error instanceof OutboundFailure ? error.reason : String(error)
  }
}

tap.test('it sends and reads what `fetch` does', async t => {
  answer = async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    response.writeHead(201, { 'x-method': request.method!, 'content-type': request.headers['content-type'] })
    response.end(body)
  }
  const response = await outboundFetch(local)(`${origin}/x`, { method: 'POST', body: new URLSearchParams({ a: 'b' }) })
  t.equal(response.status, 201)
  t.equal(response.headers.get('x-method'), 'POST')
  t.equal(response.headers.get('content-type'), 'application/x-www-form-urlencoded')
  t.equal(await response.text(), 'a=b')
  answer = (_request, response) => { response.writeHead(204).end() }
  t.equal((await outboundFetch(local)(origin)).status, 204)
})

tap.test('C1 a redirect is an answer, and is not followed', async t => {
  answer = (_request, response) => { response.writeHead(302, { location: `${origin}/other` }).end() }
  const before = connections
  t.equal((await outboundFetch(local)(origin)).status, 302)
  t.equal(connections - before, 1)
})

tap.test('C1 large, slow, compressed and broken answers fail, each in its way', async t => {
  answer = (_request, response) => { response.end('x'.repeat(2_000)) }
  t.equal(await reasonOf(outboundFetch({ ...local, maxBytes: 1_000 })(origin)), 'too_large')
  t.equal(await reasonOf(outboundFetch({ ...local, maxBytes: 2_000 })(origin)), 'none')
  answer = (_request, response) => { response.writeHead(200, { 'content-encoding': 'gzip' }).end('x') }
  t.equal(await reasonOf(outboundFetch(local)(origin)), 'compressed')
  answer = (_request, response) => { response.write('{') }
  t.equal(await reasonOf(outboundFetch({ ...local, timeout: 100 })(origin)), 'timeout')
  answer = request => { request.socket.destroy() }
  t.equal(await reasonOf(outboundFetch(local)(origin)), 'unreachable')
  t.equal(await reasonOf(outboundFetch(local)('http://127.0.0.1:1/')), 'unreachable')
})

tap.test('C1 a look-up that does not end is given up in time', async t => {
  const network = { lookup: () => new Promise<never>(() => {}) }
  t.equal(await reasonOf(outboundFetch({ timeout: 50, network })('https://idp.example/')), 'timeout')
})

tap.test('C2 a URL that is not https is fetched from loopback alone, and only where that is allowed', async t => {
  answer = (_request, response) => { response.end('{}') }
  const before = connections
  const urls = [origin, 'http://idp.example/', 'ftp://127.0.0.1/', 'file:///etc/passwd']
  for (const url of urls) t.equal(await reasonOf(outboundFetch()(url)), 'forbidden_url', url)
  for (const url of urls.slice(1)) t.equal(await reasonOf(outboundFetch(local)(url)), 'forbidden_url', url)
  const named = `http://user:pass@127.0.0.1:${port}/`
  t.equal(await reasonOf(outboundFetch(local)(named)), 'forbidden_url')
  t.equal(connections, before, 'nothing was connected to')
})

tap.test('C2 with a filter of addresses, none that it refuses is connected to, by name or by number', async t => {
  const filtered = outboundFetch({ ...local, permits: isPublicAddress })
  const before = connections
  const hosts = ['127.0.0.1', 'localhost', '127.1', '0x7f.1', '2130706433', '[::1]', '[::ffff:7f00:1]']
  for (const host of hosts) {
    const reason = await reasonOf(filtered(`http://${host}:${port}/`))
    t.match(reason, /^forbidden_(address|url)$/, host)
  }
  for (const host of hosts) {
    const strict = outboundFetch({ permits: isPublicAddress })
    t.equal(await reasonOf(strict(`https://${host}:${port}/`)), 'forbidden_address', host)
  }
  t.equal(connections, before)
})

tap.test('C2 public addresses are those of the internet alone', async t => {
  const good = ['8.8.8.8', '1.1.1.1', '93.184.216.34', '2001:4860:4860::8888', '::ffff:8.8.8.8']
  const bad = [
    '0.0.0.0', '10.0.0.1', '100.64.0.1', '127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1',
    '172.31.255.1', '192.0.0.8', '192.0.2.1', '192.168.1.1', '198.18.0.1', '198.51.100.1', '203.0.113.1', '224.0.0.1',
    '240.0.0.1', '255.255.255.255', '::', '::1', '::127.0.0.1', '::ffff:127.0.0.1', '::ffff:7f00:1',
    '::ffff:10.0.0.1', '64:ff9b::7f00:1', '64:ff9b:1::1', '100::1', '2001::1', '2001:db8::1', '2002:7f00:1::',
    'fc00::1', 'fd00::1', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1', '192.88.99.1', '192.31.196.1',
    '192.52.193.1', '192.175.48.1', '::ffff:169.254.169.254', '::ffff:0:7f00:1', '::2', '0100::2', '2001:2::1',
    '2001:10::1', '2001:20::1', '2620:4f:8000::1', '3fff::1', '4000::1', '5f00::1', '8000::1', 'e000::1',
    '2002:a00:1::1', '64:ff9b::a9fe:a9fe', '', 'x', '1.2.3', '0177.0.0.1', '127.1', '0x7f.1', '2130706433',
  ]
  for (const address of good) t.equal(isPublicAddress(address), true, address)
  for (const address of bad) t.equal(isPublicAddress(address), false, address)
})
