/** N8: what is left of a body that is too large does not keep the next request of its connection waiting. */
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import tap from 'tap'
import { startServer } from '../support/test-server.ts'

const server = await startServer()
tap.teardown(() => server.close())
const head = 'HTTP/1.1\r\nhost: a.test\r\ncontent-type: application/x-www-form-urlencoded\r\n'
const body = `grant_type=client_credentials&scope=${'a'.repeat(2_000_000)}`

/** The statuses that come back for one request after the other on a connection, as a proxy keeps one. */
async function statuses (requests: readonly string[]): Promise<string[]> {
  const socket = connect(server.port, '127.0.0.1')
  let text = ''
  socket.on('data', piece => { text += String(piece) }).on('error', () => {})
  for (const request of requests) socket.write(request)
  const found = (): string[] => text.match(/(?<=HTTP\/1\.1 )\d+/g) ?? []
  for (let waited = 0; found().length < requests.length && waited < 5_000; waited += 20) await pause(20)
  socket.destroy()
  return found()
}

for (const path of ['/api/v1/auth/token', '/api/v1/oauth/introspect', '/api/v1/oauth/revoke']) {
  tap.test(`N8: a request after one that is too large is answered: ${path}`, async t => {
    const next = 'GET /healthz HTTP/1.1\r\nhost: a.test\r\n\r\n'
    const whole = `POST ${path} ${head}content-length: ${body.length}\r\n\r\n${body}`
    t.strictSame(await statuses([whole, next]), ['400', '200'])
    const chunk = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
    const chunked = `POST ${path} ${head}transfer-encoding: chunked\r\n\r\n${chunk}`
    t.strictSame(await statuses([chunked, next]), ['400', '200'])
  })
}
