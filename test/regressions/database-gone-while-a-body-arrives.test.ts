/** The guard checks a request twice, at its head and at its body. The database may go away in between. */
import formbody from '@fastify/formbody'
import { once } from 'node:events'
import { connect } from 'node:net'
import tap from 'tap'
import { freshDatabase } from '../support/postgres.ts'
import { startServer } from '../support/test-server.ts'
import { until } from '../support/waiting.ts'

tap.test('B3, N7: a database that goes away while a body arrives costs that request a 503, not the server its life [postgresql]', async t => {
  const database = await freshDatabase()
  const server = await startServer({
    database: database.url,
    mount: async (app, latchkey) => await app.register(async api => {
      await api.register(formbody)
      await api.register(latchkey.guard, { resource: latchkey.config.issuer })
      api.post('/form', { config: { scopes: [] } }, async () => ({ reached: true }))
    }),
  })
  t.teardown(server.close)
  const { key } = await server.createKey()

  const socket = connect(server.port, '127.0.0.1')
  // Registered at the start: on a slow machine the connection closes before a later line could wait for it.
  const closed = once(socket, 'close')
  let answer = ''
  socket.on('data', chunk => {
    answer += String(chunk)
  })
  socket.write(
    `POST /form HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\nx-api-key: ${key}\r\ncontent-type: ` +
      'application/x-www-form-urlencoded\r\ncontent-length: 14\r\n\r\n'
  )
  await until('its head has arrived', () => server.lines.some(line => line.includes('"/form"')))
  // Once this is answered the key is cached, and the head has passed; only the body is missing.
  t.equal((await server.withKey(key)).status, 200)
  await database.drop()
  socket.write('access_token=x')
  await closed

  t.match(answer, /^HTTP\/1.1 503 /)
  t.match(answer, /\r\nretry-after: 1\r\n/)
  t.notMatch(answer, 'reached')
  t.equal((await server.send({ path: '/.well-known/jwks.json' })).status, 200)
})
