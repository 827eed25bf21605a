/** Traces as a collector receives them: the spans, their order and nesting, and no data of callers. */
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import tap, { type Test } from 'tap'
import { startServer, type Outgoing, type ServerOptions, type TestServer } from '../support/test-server.ts'
import { patience } from '../support/waiting.ts'
import { startCollector, type SeenSpan } from '../support/trace-collector.ts'

/** A traced server; `finish` closes it, which exports all spans. */
async function traced (t: Test, options: ServerOptions = {}) {
  const collector = await startCollector()
  const server = await startServer({
    ...options, environment: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, ...options.environment }
  })
  t.teardown(async () => {
    await server.close()
    await collector.close()
  })
  const finish = async () => {
    await server.close()
    return collector.spans()
  }
  return { server, collector, finish }
}

function requestSpan (spans: readonly SeenSpan[], name: string, status = 200): SeenSpan {
  const span = spans.find(each => each.name === name && each.attributes['http.response.status_code'] === status)
  if (span === undefined) throw new Error(`no span ${name} ${status} among ${spans.map(each => each.name).join(', ')}`)
  return span
}

const childrenOf = (spans: readonly SeenSpan[], parent: SeenSpan) =>
  spans.filter(span => span.parentSpanId === parent.spanId && span.traceId === parent.traceId)

tap.test('a request is a span, and below it its verdict, the token that was issued, the transactions', async t => {
  const { server, collector, finish } = await traced(t, {
    environment: { OTEL_SERVICE_NAME: 'auth', OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=a%20b' }
  })
  const client = await server.createClient()
  const token = await server.tokenFor(client)
  t.equal((await server.bearer(token)).status, 200)
  t.equal((await server.bearer(token, '/api/v1/company')).status, 403)
  t.equal((await server.send({ path: '/nowhere/at/all' })).status, 404)
  const spans = await finish()

  const issued = requestSpan(spans, 'POST /api/v1/auth/token')
  t.equal(issued.kind, 2)
  t.strictSame(childrenOf(spans, issued).map(span => span.name), ['token issuance'])
  const guarded = requestSpan(spans, 'GET /api/v1/invoices')
  t.match(guarded.attributes, { 'http.request.method': 'GET', 'http.route': '/api/v1/invoices' })
  const [verdict] = childrenOf(spans, guarded)
  t.match(verdict, {
    name: 'verdict', attributes: { 'latchkey.verdict': 'admitted', 'latchkey.credential': 'access_token' }
  })
  const refused = requestSpan(spans, 'GET /api/v1/company', 403)
  t.match(childrenOf(spans, refused)[0]?.attributes, { 'latchkey.verdict': 'insufficient_scope' })
  const created = requestSpan(spans, 'POST /api/v1/organizations', 201)
  t.ok(childrenOf(spans, created).some(span => span.name === 'database transaction'))
  t.strictSame(requestSpan(spans, 'GET', 404).attributes['http.route'], undefined, 'an unknown path has no name')
  t.match(collector.resource(), { 'service.name': 'auth' })
  t.ok(collector.paths.every(path => path === '/v1/traces'))
  t.equal(collector.headers[0]!['x-collector-key'], 'a b')
})

tap.test('a request goes on with the trace that it came with (W3C traceparent), and hands it on', async t => {
  const seen: (string | undefined)[] = []
  const upstream = createServer((request, response) => {
    seen.push(request.headers.traceparent as string | undefined)
    response.end('{}')
  }).listen(0, '127.0.0.1')
  await once(upstream, 'listening')
  t.teardown(() => { upstream.close() })
  const { server, finish } = await traced(t, {
    mount: async (app, latchkey) => {
      app.get('/calling', async () => {
        await fetch(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}/`, {
          headers: latchkey.telemetry.tracing!.outgoing()
        })
        return {}
      })
    },
  })
  const traceId = '0af7651916cd43dd8448eb211c80319c'
  await server.send({
    path: '/calling',
    headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01`, tracestate: 'vendor=secret-of-theirs' }
  })
  for (
    const malformed of [
      '', 'x', `00-${traceId}`, `ff-${traceId}-b7ad6b7169203331-01`, `00-${'0'.repeat(32)}-b7ad6b7169203331-01`,
      `00-${traceId}-b7ad6b7169203331-01-extra`.repeat(50)
    ]
  ) {
    t.equal(
      (await server.send({ path: '/healthz', headers: { traceparent: malformed } })).status, 200, malformed.slice(0, 60)
    )
  }
  await server.send({ path: '/readyz', headers: { traceparent: `00-${traceId}-b7ad6b7169203331-00` } })
  const spans = await finish()
  const span = requestSpan(spans, 'GET /calling')
  t.equal(span.traceId, traceId)
  t.equal(span.parentSpanId, 'b7ad6b7169203331')
  t.strictSame(seen, [`00-${traceId}-${span.spanId}-01`])
  t.ok(
    spans.filter(each => each.name === 'GET /healthz').every(each => each.traceId !== traceId),
    'what is malformed begins a trace of its own'
  )
  t.notOk(
    spans.some(each => each.name === 'GET /readyz'),
    'a trace that its beginner does not record is not recorded here either'
  )
})

tap.test('work that fails is a span with the name of its error, and not its message', async t => {
  const { server, finish } = await traced(t, {
    mount: async (app, latchkey) => {
      const { span } = latchkey.telemetry.tracing!
      app.get('/at-once', async () => span('at once', () => { throw new TypeError('a secret') }))
      app.get('/later', async () => await span('later', async () => { throw new RangeError('a secret') }))
    },
  })
  for (const path of ['/at-once', '/later']) t.equal((await server.send({ path })).status, 500)
  const spans = await finish()
  t.match(spans.find(({ name }) => name === 'at once'), { status: { code: 2, message: 'TypeError' } })
  t.match(spans.find(({ name }) => name === 'later'), { status: { code: 2, message: 'RangeError' } })
})

tap.test('no more is recorded than the ratio says, whatever strangers ask for', async t => {
  const { server, finish } = await traced(t, { environment: { OTEL_TRACES_SAMPLER_ARG: '0' } })
  for (let i = 0; i < 20; i++) {
    await server.send({
      path: '/healthz',
      headers: i % 2 === 0 ? { traceparent: `00-${String(i).padStart(32, '1')}-b7ad6b7169203331-01` } : {}
    })
  }
  t.strictSame(await finish(), [])
})

tap.test('which share is recorded is drawn here: no id of a trace is always in it, and none never', async t => {
  const { server, finish } = await traced(t, { environment: { OTEL_TRACES_SAMPLER_ARG: '0.5' } })
  const ids = [
    '00000000000000000000000000000001', 'ffffffff000000000000000000000000', '7fffffff7fffffff0000000000000001'
  ]
  const times = 60
  for (const id of ids) {
    for (let i = 0; i < times; i++) {
      await server.send({
        path: '/healthz',
        headers: { traceparent: `00-${id}-b7ad6b7169203331-01` }
      })
    }
  }
  const spans = await finish()
  for (const id of ids) {
    const recorded = spans.filter(span => span.traceId === id && span.name === 'GET /healthz').length
    // All or none by chance: once in 2^60.
    t.ok(recorded > 0 && recorded < times, `${recorded} of ${times} of ${id}`)
  }
})

tap.test('a collector that is not there costs nobody an answer, and a server that is not traced sends nothing', async t => {
  const lost: TestServer = await startServer({ environment: { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' } })
  t.teardown(lost.close)
  const ask: Outgoing = { path: '/healthz' }
  for (let i = 0; i < 20; i++) t.equal((await lost.send(ask)).status, 200)
  const began = performance.now()
  await lost.close()
  t.ok(performance.now() - began < patience, 'nor does it keep the server from ending')
  const plain = await startServer()
  t.teardown(plain.close)
  t.equal(plain.latchkey.telemetry.tracing, null)
})
