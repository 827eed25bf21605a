/**
 * N5: input that is too large, too deep or too slow is refused early and cheaply, and does not delay other requests.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import tap from 'tap'
import { Failure } from '../../src/base/errors.ts'
import { limitJsonBody } from '../../src/http/json-limits.ts'
import { startServer } from '../support/test-server.ts'
import { eventually, patience, quickest } from '../support/waiting.ts'

const server = await startServer()
tap.teardown(server.close)

const refused = (text: string): boolean => {
  try {
    limitJsonBody(text)
    return false
  } catch (error) {
    return error instanceof Failure && error.status === 400
  }
}

tap.test('N5: depth and members of JSON are bounded, and what stands in strings does not count', async t => {
  const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth)
  const members = (n: number) => JSON.stringify(Object.fromEntries(Array.from({ length: n }, (_, i) => [`k${i}`, i])))
  t.notOk(refused(nested(32)))
  t.ok(refused(nested(33)))
  t.ok(refused('{"a":'.repeat(33)), 'before it is known whether it is JSON at all')
  t.notOk(refused(members(2_000)))
  t.ok(refused(members(2_001)))
  t.notOk(refused(JSON.stringify({ a: '['.repeat(100) + ':'.repeat(5_000) })))
  t.notOk(refused(`{"a":"\\"${'['.repeat(100)}${':'.repeat(5_000)}"}`), 'an escaped quote does not end a string')
  t.ok(refused(`{"a":"\\\\","b":${nested(32)}}`), 'an escaped backslash escapes no quote')
  t.notOk(refused(JSON.stringify(Array.from({ length: 100 }, () => [{}]))), 'side by side is not inside each other')
  t.notOk(refused('"unfinished \\'))
})

tap.test('N5: ten thousand levels and a hundred thousand members get 400 or 413 on every route that reads JSON', async t => {
  const { key } = await server.createKey({ scopes: ['invoices:write'] })
  const { token } = await server.createRegistrationToken()
  const deep = `{"name":${'['.repeat(10_000)}${']'.repeat(10_000)}}`
  const many = JSON.stringify(Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, 1])))
  const someMany = JSON.stringify(Object.fromEntries(Array.from({ length: 5_000 }, (_, i) => [`k${i}`, 1])))
  const routes: [string, Record<string, string>][] = [
    ['/api/v1/organizations', { authorization: `Bearer ${server.adminToken}` }],
    ['/api/v1/invoices', { 'x-api-key': key }],
    ['/api/v1/oauth/register', { authorization: `Bearer ${token}` }],
  ]
  for (const [path, headers] of routes) {
    for (const [what, body] of Object.entries({ deep, many, someMany })) {
      const took = await quickest(2_000, async () => {
        const answer = await server.send({
          method: 'POST', path, headers: { ...headers, 'content-type': 'application/json' }, body
        }).catch(() => ({ status: 413, text: '' }))
        t.ok([400, 413].includes(answer.status), `${what} to ${path}: ${answer.status} ${answer.text}`)
      })
      t.ok(took < 2_000, `${what} to ${path} was quick`)
    }
  }
})

tap.test('N5: five hundred slow senders hold up nobody, take little memory, and are sent away', async t => {
  const percentile = async () => {
    const times: number[] = []
    for (let i = 0; i < 200; i++) {
      const began = performance.now()
      t.equal((await server.send({ path: '/api/v1/company' })).status, 401)
      times.push(performance.now() - began)
    }
    return times.sort((a, b) => a - b)[197]!
  }
  await percentile()
  const before = await percentile()
  const memory = process.memoryUsage.rss()
  Object.assign(server.app.server, { headersTimeout: patience, requestTimeout: patience })
  const said: string[] = []
  const slow = await Promise.all(Array.from({ length: 500 }, async (_, i) => {
    const socket: Socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {}).on('data', chunk => said.push(String(chunk)))
    await once(socket, 'connect')
    socket.write(
      i % 2 === 0
        ? 'GET /api/v1/company HTTP/1.1\r\nhost: x\r\nx-slow'
        : 'POST /api/v1/auth/token HTTP/1.1\r\nhost: x\r\ncontent-type: ' +
          'application/x-www-form-urlencoded\r\ncontent-length: 1000\r\n\r\ngrant'
    )
    return socket
  }))
  t.teardown(() => { for (const socket of slow) socket.destroy() })
  const drip = setInterval(() => { for (const socket of slow) if (!socket.destroyed) socket.write('x') }, 300)
  const bound = Math.max(before * 3, 50)
  let during = Infinity
  // A busy machine is late sometimes; a blocked server is late every time.
  for (let tries = 0; tries < 8 && during >= bound; tries++) during = await percentile()
  t.ok(
    during < bound, `99 of 100 are answered within ${during.toFixed(1)} ms beside them, ${before.toFixed(1)} ms without`
  )
  t.ok(process.memoryUsage.rss() - memory < 100e6, `${Math.round((process.memoryUsage.rss() - memory) / 1e6)} MB more`)
  // Shorter timeouts than in production, to save time; the interval of the checks is the production one.
  Object.assign(server.app.server, { headersTimeout: 2_000, requestTimeout: 4_000 })
  await eventually(() => slow, sockets => sockets.every(socket => socket.closed))
  clearInterval(drip)
  t.equal(slow.filter(socket => !socket.closed).length, 0, 'all of them were sent away')
  t.ok(said.some(text => text.startsWith('HTTP/1.1 408 ')), 'and told why')
})

tap.test('N5: the limits that the server has', async t => {
  const fresh = await startServer()
  t.teardown(fresh.close)
  t.equal(fresh.app.server.headersTimeout, 15_000)
  t.equal(fresh.app.server.requestTimeout, 30_000)
  t.equal(fresh.app.initialConfig.bodyLimit, 65_536)
})
