/**
 * A client that disconnected while its body arrived made the server print a stack trace on standard error, at any log
 * level.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import tap from 'tap'
import { startServer } from '../support/test-server.ts'
import { startServer as startProtocol } from '../support/authorization-server.ts'
import { until } from '../support/waiting.ts'

/** Endpoints whose body the provider reads, and those whose body Fastify reads. */
const endpoints = {
  provider: ['/api/v1/auth/token', '/api/v1/oauth/introspect', '/api/v1/oauth/revoke'],
  fastify: ['/api/v1/auth/session', '/api/v1/oauth/register', '/api/v1/organizations']
}

tap.test('a body that breaks off is a line of the log, and nothing is printed beside it', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const printed: unknown[][] = []
  const { error, warn } = console
  console.error = console.warn = (...what) => { printed.push(what) }
  t.teardown(() => { Object.assign(console, { error, warn }) })
  const seen = () => server.lines.filter(line => line.includes('"incoming request"')).length
  const broken = () =>
    server.lines.map(line => JSON.parse(line)).filter(({ msg }) => msg === 'the connection broke off')
  /** An unusual media type: Fastify does not parse it before the provider. */
  const unusual = 'application/x-www-form-urlencoded; x=1'
  const breakOff = async (
    path: string, hangUp: 'destroy' | 'resetAndDestroy', after: number, [type, begun] = [unusual, 'grant_type=client']
  ) => {
    const before = seen()
    const socket = connect(server.port, '127.0.0.1')
    socket.on('error', () => {})
    const headers = `host: x\r\ncontent-type: ${type}\r\ncontent-length: 100`
    socket.write(`POST ${path} HTTP/1.1\r\n${headers}\r\n\r\n${begun}`)
    while (seen() === before) await new Promise(resolve => setTimeout(resolve, 5))
    await new Promise(resolve => setTimeout(resolve, after))
    socket[hangUp]()
    await once(socket, 'close')
    t.equal((await server.send({ path: '/healthz' })).status, 200, `${path} ${hangUp}`)
  }
  for (const path of endpoints.provider) {
    const before = broken().length
    // The provider awaits other work first, so the connection may break off before it begins to read.
    for (let after = 0; broken().length === before && printed.length === 0; after += 10) {
      await breakOff(path, 'resetAndDestroy', after)
    }
    await breakOff(path, 'destroy', 0)
    // Fastify parses this body, so the connection breaks off before the provider runs.
    await breakOff(path, 'resetAndDestroy', 0, ['application/x-www-form-urlencoded', ''])
  }
  for (const path of endpoints.fastify) {
    for (const hangUp of ['destroy', 'resetAndDestroy'] as const) await breakOff(path, hangUp, 0)
  }
  t.strictSame(printed, [])
  for (const { level, reqId, code, err } of broken()) {
    t.strictSame([level, typeof reqId, typeof code, err], [30, 'string', 'string', undefined])
  }
})

tap.test('a caller that hangs up between the body and the look-up of its client is no request with a body that was parsed before', async t => {
  const held = Promise.withResolvers<null>()
  let [asked, gone] = [0, false]
  const server = await startProtocol(t, {
    registry: real => Object.assign(Object.create(real) as typeof real, {
      client: async () => {
        asked++
        return await held.promise
      },
    }),
  })
  server.app.server.on('connection', socket => socket.on('close', () => { gone = true }))
  const printed: unknown[][] = []
  const { warn } = console
  console.warn = (...what) => { printed.push(what) }
  t.teardown(() => { console.warn = warn })
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1')
  socket.on('error', () => {})
  const body = 'grant_type=client_credentials&client_id=a&client_secret=b'
  socket.write(
    'POST /api/v1/auth/token HTTP/1.1\r\nhost: x\r\ncontent-type: ' +
      `application/x-www-form-urlencoded\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  )
  await until('the client is looked up', () => asked > 0)
  socket.resetAndDestroy()
  await until('the server knows that it is gone', () => gone)
  held.resolve(null)
  t.equal((await server.post('/api/v1/auth/token', body)).status, 401, 'others are answered')
  t.strictSame(printed, [])
})
