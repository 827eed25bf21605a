/** Node stops enforcing its timeouts when a server begins to close. */
import { once } from 'node:events'
import { connect } from 'node:net'
import tap from 'tap'
import { startServer } from '../support/test-server.ts'
import { patience } from '../support/waiting.ts'

tap.test('N5: a client that never finishes its request does not keep a closing server from ending', async t => {
  const server = await startServer()
  const began = [
    '',
    'GET /.well-known/jwks.json HTTP/1.1\r\nhost: x\r\n\r\n',
    'GET /api/v1/invoices HTTP/1.1\r\nhost: x\r\nx-api',
    'POST /api/v1/auth/token HTTP/1.1\r\nhost: x\r\ncontent-type: ' +
      'application/x-www-form-urlencoded\r\ncontent-length: 100\r\n\r\ngrant_type',
    'POST /api/v1/oauth/register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{',
  ]
  for (const bytes of began) {
    const socket = connect(server.port, '127.0.0.1').on('error', () => {}).resume()
    t.teardown(() => socket.destroy())
    await once(socket, 'connect')
    socket.write(bytes)
  }
  // Once this request is answered, the server has read the partial ones sent before.
  t.equal((await server.send({ path: '/.well-known/jwks.json' })).status, 200)
  const started = performance.now()
  await server.close()
  t.ok(performance.now() - started < patience)
})
