/**
 * A property-based run over the served OpenAPI document: requests that follow it, almost follow it, or do not at all.
 * The cases come from the document, so a new route is covered as soon as it is documented.
 */
import { once } from 'node:events'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { paths } from '../../src/protocol/shared/paths.ts'
import { judgeOf, operationsOf, type Operation } from './openapi-document.ts'
import type { Answer, Json, Outgoing, TestServer } from './test-server.ts'

export interface FuzzOptions {
  seed: number
  /** The run ends at the first of these two limits. */
  seconds: number
  requests?: number
}

export interface FuzzReport {
  requests: number
  statuses: Map<number, number>
  /** Requests whose connections were reset before their answers. */
  resets: number
  /** Bytes of the heap in use, after a quarter of the time and at the end. */
  heap: { early: number, late: number }
  /** Operations that answered 2xx at least once. */
  reached: Set<string>
  operations: number
  /** The report on a request that broke the rule: the seed, the request and the fault of the answer. Null: none did. */
  failure: string | null
}

/** The senders of requests. */
const callers = ['admin', 'organization', 'anonymous'] as const

interface Case {
  operation: Operation
  caller: typeof callers[number]
  /** Null: the operation's own method. */
  method: string | null
  /** For the path; null: the id of an existing record. */
  ids: (string | null)[]
  query: [string, string][]
  body: BodyCase
  contentType: string | null
  headers: [string, string][]
  /** Header lines that no real client sends, on a connection of their own; null: none. */
  garbage: string | null
  /** Milliseconds after which the connection is reset (SO_LINGER 0); null: the client waits for the answer. */
  reset: number | null
}

type BodyCase =
  | { kind: 'none' }
  /** Sent unchanged. */
  | { kind: 'text', text: string }
  /** The example of the document, with members replaced. */
  | { kind: 'example', replaced: [number, unknown][], added: [string, unknown][] }

/** Existing records by the collection that they were created in, and their substitutes for values of the examples. */
interface World { ids: Map<string, string>, examples: Map<string, string>, organizationKey: string }

/** Milliseconds: more than a busy machine takes for the slowest answer, a verification of the audit log. */
const slowMs = 5_000
const insides = /\bat .+\.(?:ts|js):\d|node_modules|prisma|SQLITE|\bSELECT\b|"stack"/i

/** Runs until time or requests are used up, or a request breaks the rule; that request is then shrunk. */
export async function fuzz (
  server: TestServer, { seed, seconds, requests = Number.MAX_SAFE_INTEGER }: FuzzOptions
): Promise<FuzzReport> {
  const document = (await server.send({ path: '/api/v1/openapi.json' })).json
  const operations = operationsOf(document)
  const judge = judgeOf(document)
  const report: FuzzReport = {
    requests: 0,
    statuses: new Map(),
    resets: 0,
    heap: { early: 0, late: 0 },
    reached: new Set(),
    operations: operations.length,
    failure: null
  }
  let world = await populate(server, operations)

  const began = performance.now()
  const run = async (each: Case): Promise<void> => {
    if (report.requests % 400 === 399) world = await populate(server, operations)
    // Keeps limits by the minute and the hour from answering in place of the routes.
    if (report.requests % 50 === 49) server.clock.advance(3_600)
    const request = requestOf(server, world, each)
    report.requests++
    if (report.heap.early === 0 && performance.now() > began + seconds * 250) report.heap.early = heapInUse()
    if (each.reset !== null) {
      report.resets++
      await sendAndReset(server, request, each.reset)
      const failed = unanswered(server)
      if (failed.length > 0) {
        throw new Error(
          `${failed.join('\n')}\nat the latest after ${request.method} ${
            request.path.slice(0, 400)
          }, reset after ${each.reset} ms\n${String(request.body ?? '').slice(0, 800)}`
        )
      }
      return
    }
    const answer = await timely(
      request, () => each.garbage === null ? server.send(request) : sendRaw(server, request, each.garbage)
    )
    report.statuses.set(answer.status, (report.statuses.get(answer.status) ?? 0) + 1)
    if (answer.status < 300) {
      report.reached.add(each.operation.operationId)
      remember(world, each.operation, answer)
    }
    const wrong = problemsOf(server, each.garbage === null ? judge : () => null, request, answer)
    if (wrong.length > 0) {
      throw new Error(
        `${wrong.join('\n')}\n${request.method} ${request.path.slice(0, 400)}\n${
          JSON.stringify(request.headers).slice(0, 800)
        }\n${String(request.body ?? '').slice(0, 800)}`
      )
    }
  }

  const outcome = await fc.check(fc.asyncProperty(cases(operations), run), {
    seed,
    numRuns: Math.min(requests, 2 ** 31 - 1),
    interruptAfterTimeLimit: seconds * 1_000,
    markInterruptAsFailure: false
  })
  if (outcome.failed) {
    report.failure = `seed ${seed}, path ${outcome.counterexamplePath}:\n${
      String(outcome.errorInstance instanceof Error ? outcome.errorInstance.message : outcome.errorInstance)
    }`
  }
  // The last requests that were reset may still run.
  await pause(200)
  const failed = unanswered(server)
  if (report.failure === null && failed.length > 0) report.failure = failed.join('\n')
  report.heap.late = heapInUse()
  return report
}

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

function heapInUse (): number {
  collectGarbage()
  return process.memoryUsage().heapUsed
}

/** Failures that no answer reported: the caller had disconnected, or there was none. */
function unanswered ({ latchkey: { telemetry: { metrics } } }: TestServer): string[] {
  const failed = metrics.requests.entries().filter(([, , status]) => status === '5xx').map(([route, method]) =>
    `a 5xx of ${method} ${route}`
  )
  // A busy machine may be late with the feed.
  const jobs = metrics.jobFailures.entries().filter(([job]) => job !== 'feed')
  return [...failed, ...jobs.map(([job, , times]) => `${times} failures of ${job}`)]
}

async function sendAndReset (
  { port }: TestServer, { method, path, headers, body }: ReturnType<typeof requestOf>, after: number
): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => {})
  const closed = new Promise(resolve => { socket.on('close', resolve) })
  await once(socket, 'connect')
  socket.write(asBytes(port, { method, path, headers, body }))
  if (after > 0) await pause(after)
  socket.resetAndDestroy()
  await closed
}

/**
 * Creates one of everything from the examples, and a key of the management API that may do whatever an organization
 * may.
 */
async function populate (server: TestServer, operations: readonly Operation[]): Promise<World> {
  const organization = await server.createOrganization('fuzzed')
  const management = `${server.issuer}/api/v1`
  const scopes = (await server.admin('GET', `/resources/${encodeURIComponent(management)}`)).json.scopes.map((
    scope: Json
  ) => scope.name)
  const template = (await server.admin('POST', '/organization-templates', { name: 'fuzzed' })).json.id
  const key = await server.createKey({
    organization: organization.id, resource: management, scopes, name: 'fuzzing', portal: { template }
  })
  const world: World = {
    ids: new Map([['organizations', organization.id]]),
    examples: new Map([['org_47oJu8Rmoptz2RZvzs30qU', organization.id], ['https://api.acme.test', server.issuer]]),
    organizationKey: key.key,
  }
  const creating = operations.filter(({ method, path, responses }) =>
    method === 'POST' && !path.includes('{') && path.startsWith('/api/v1/') && responses[201] !== undefined &&
    !path.endsWith('/organizations') && path !== paths.pushedRequest
  )
  // Twice, because some records need others.
  for (const operation of [...creating, ...creating]) {
    const body = exampleBody(world, operation, { kind: 'example', replaced: [], added: [] })
    remember(
      world,
      operation,
      await server.send({
        method: 'POST',
        path: operation.path,
        headers: { authorization: `Bearer ${server.adminToken}` },
        body: JSON.parse(body) as Json
      })
    )
  }
  return world
}

/** Remembers the ids, secrets and tokens of an answer, to replace their like in the examples. */
function remember (world: World, operation: Operation, { status, json }: Answer): void {
  // The first organization stays: all other records belong to it.
  if ((status !== 201 && json.access_token === undefined) || collectionOf(operation.path) === 'organizations') return
  const id: unknown = json.id ?? json.clientId ?? json.client_id
  if (typeof id === 'string') world.ids.set(collectionOf(operation.path), id)
  const [media] = Object.values(operation.responses[status]?.content ?? {}) as Json[]
  for (const [name, shown] of Object.entries((media?.example ?? {}) as Json)) {
    if (typeof shown === 'string' && typeof json[name] === 'string' && shown.length > 6) {
      world.examples.set(shown, json[name])
    }
  }
}

function collectionOf (path: string): string {
  return path.replace('/api/v1/', '').split('/')[0]!
}

function requestOf (server: TestServer, world: World, each: Case): Outgoing & { method: string, headers: string[] } {
  const { operation, ids, query, body, contentType, headers } = each
  let at = 0
  const path = operation.path.replace(
    /\{\w+\}/g, () => encoded(ids[at++ % Math.max(ids.length, 1)] ?? world.ids.get(collectionOf(operation.path)) ?? 'x')
  )
  const search = query.map(([name, value]) => `${encoded(name)}=${encoded(value)}`).join('&')
  const method = each.method ?? operation.method
  const text = method === 'GET' || method === 'HEAD' || body.kind === 'none'
    ? null
    : body.kind === 'text'
      ? body.text
      : exampleBody(world, operation, body)
  const type = contentType ?? Object.keys(operation.requestBody?.content ?? {})[0] ?? 'application/json'
  return {
    method,
    path: search === '' ? path : `${path}?${search}`,
    headers: [
      ...credentialOf(server, world, each.caller, operation),
      ...(text === null || type === '' ? [] : ['content-type', type]),
      ...headers.flatMap(([name, value]) => [name, printable(value)]),
    ],
    ...(text === null ? {} : { body: text }),
  }
}

function credentialOf (server: TestServer, world: World, caller: Case['caller'], { security }: Operation): string[] {
  const schemes = new Set((security as Json[]).flatMap(Object.keys))
  if (caller === 'anonymous') return []
  if (schemes.has('registrationAccessToken')) return ['authorization', `Bearer ${world.examples.get('lkrat_…') ?? ''}`]
  // The endpoints of OAuth would refuse a second credential and check nothing else.
  if (!schemes.has('apiKey')) return []
  return caller === 'admin' ? ['authorization', `Bearer ${server.adminToken}`] : ['x-api-key', world.organizationKey]
}

/** Percent-encodes, except for escapes, and replaces lone surrogates. */
function encoded (text: string): string {
  return /^%[0-9a-f]{2}$/i.test(text) ? text : encodeURIComponent(text.toWellFormed())
}

function printable (text: string): string {
  return text.replace(/[^\x20-\x7e\x80-\xff]/g, '')
}

function exampleBody (
  world: World, { requestBody }: Operation, { replaced, added }: BodyCase & { kind: 'example' }
): string {
  const [[type, media] = ['application/json', {}]] = Object.entries(requestBody?.content ?? {}) as [string, Json][]
  const members = Object.entries(withRealIds(world, media?.example ?? {}) as Json)
  for (const [index, value] of replaced) {
    const member = members[index % Math.max(members.length, 1)]
    if (member !== undefined) member[1] = value
  }
  // As text: an object would treat some of these names specially (`__proto__`).
  const all: [string, unknown][] = [...members, ...added]
  if (type === 'application/x-www-form-urlencoded') {
    return new URLSearchParams(
      all.map((
        [name, value]
      ): [string, string] => [name, typeof value === 'string' ? value : JSON.stringify(value) ?? ''])
    ).toString()
  }
  return `{${all.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value) ?? 'null'}`).join(',')}}`
}

function withRealIds (world: World, value: unknown): unknown {
  if (typeof value === 'string') return world.examples.get(value) ?? value
  if (Array.isArray(value)) return value.map(each => withRealIds(world, each))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withRealIds(world, each)]))
}

/** Repeats a slow request: a busy machine is slow once, a server that hangs is slow again. */
async function timely (request: Outgoing, send: () => Promise<Answer>): Promise<Answer> {
  for (let attempt = 1; ; attempt++) {
    const started = performance.now()
    const answer = await send()
    const took = performance.now() - started
    if (took <= slowMs) return answer
    if (attempt === 3) {
      throw new Error(
        `took ${Math.round(took)} ms, three times over ${slowMs}: ${request.method} ${request.path.slice(0, 400)} ${
          String(request.body).slice(0, 800)
        }`
      )
    }
  }
}

function asBytes (port: number, { method, path, headers = [], body }: Outgoing, ...more: string[]): Buffer {
  const payload = Buffer.from(typeof body === 'string' ? body : '')
  const lines = (headers as string[]).flatMap((name, i, all) => i % 2 === 0 ? [`${name}: ${all[i + 1]}`] : [])
  const length = payload.length === 0 ? [] : [`content-length: ${payload.length}`]
  return Buffer.concat([
    Buffer.from(
      [`${method} ${path} HTTP/1.1`, `host: 127.0.0.1:${port}`, ...more, ...lines, ...length, '', ''].join('\r\n'),
      'latin1'
    ),
    payload
  ])
}

async function sendRaw (
  server: TestServer, { method, path, headers = [] }: Outgoing, garbage: string
): Promise<Answer> {
  const text = await server.raw(
    asBytes(server.port, { method: method ?? 'GET', path, headers }, 'connection: close', garbage)
  )
  const [, status = '400'] = /^HTTP\/1\.1 (\d{3}) /.exec(text) ?? []
  const body = text.slice(text.indexOf('\r\n\r\n') + 4)
  // Not checked against the document: the parser may have read another request than the one meant.
  return {
    status: Number(status),
    headers: { 'content-type': 'application/json' },
    text: Number(status) < 400 ? '' : body,
    json: {}
  }
}

function problemsOf (
  server: TestServer, judge: ReturnType<typeof judgeOf>,
  { method, path, headers }: { method: string, path: string, headers: string[] }, answer: Answer
): string[] {
  const { status, text } = answer
  // Answers to a registration access token contain it (RFC 7592 §3).
  const sent = headers.filter((_, i) => i % 2 === 1).filter(value => /^lk_(?:live|test)_\w{30}/.test(value))
  const secrets = [server.adminToken, server.secret, ...sent]
  return [
    ...(status >= 500 ? [`${status}: ${text}`] : []),
    ...(insides.test(text) && !path.startsWith('/reference') ? [`tells of its inside: ${text.slice(0, 400)}`] : []),
    ...secrets.filter(secret => text.includes(secret)).map(() => 'a secret is in the answer'),
    ...(status >= 400 && method !== 'HEAD' &&
        !/^application\/(?:problem\+)?json/.test(answer.headers['content-type'] ?? '')
      ? [`${status} without JSON`]
      : []),
    ...(status < 500 ? judge(method, path, answer) ?? [] : [])
  ]
}

const texts = [
  '',
  ' ',
  '0',
  '-1',
  '1e9',
  '1000000000',
  'NaN',
  'null',
  'true',
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'a/b',
  '../..',
  '..%2f..',
  '%00',
  '%zz',
  '\0',
  '\r\nx: y',
  '\u202e',
  '\ud800',
  '💥',
  "' OR 1=1 --",
  '<script>alert(1)</script>',
  '{{7*7}}',
  'x'.repeat(10_000),
  '2027-02-31T00:00:00Z',
  '9999-12-31',
  '0000-00-00',
  '::1',
  '1.2.3.4/33',
  'org_unknown',
  'https://nowhere.test'
]
const hostile = fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...texts) }, {
  weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 40 })
})
const names = fc.oneof({
  weight: 3,
  arbitrary: fc.constantFrom(
    '__proto__', 'constructor', 'prototype', 'toString', 'id', 'organization', 'scopes', 'unknown', ''
  )
}, { weight: 1, arbitrary: fc.string({ maxLength: 20 }) })
const values = fc.oneof(
  hostile,
  fc.constantFrom<unknown>(null, true, false, 0, -1, 1.5, 1e9, 1e308, 2 ** 53, [], {}, [[]], [null], ['invoices:*'], {
    a: { b: {} }
  }),
  fc.jsonValue({ maxDepth: 3 })
)

const cursors = fc.oneof(
  hostile,
  fc.constantFrom<unknown>(
    [], {}, [0], [0, ''], [0, 'a', 1], [-1, 'a'], [1e300, 'a'], [8.64e15, 'a'], [1.5, 'a'], ['0', 'a'],
    [0, '__proto__'], [0, { length: 1 }], [Date.now(), 'org_zzzzzzzzzzzzzzzzzzzzzz'], null
  )
    .map(forged => Buffer.from(JSON.stringify(forged)).toString('base64url'))
)
const limits = fc.constantFrom('0', '-1', '1', '2', '200', '201', '1000000000', '1e9', '1.0', '01', ' 1', '١', '')

function valueOf (name: string): fc.Arbitrary<string> {
  return name === 'limit' ? limits : name === 'cursor' ? cursors : hostile
}

/** Parameter names of the operation, and others. */
function queries ({ parameters = [] }: Operation): fc.Arbitrary<[string, string][]> {
  const known = (parameters as Json[]).filter(each => each.in === 'query').map(each => String(each.name))
  const one = fc.oneof({ weight: known.length > 0 ? 4 : 0, arbitrary: fc.constantFrom(...known, 'limit') }, {
    weight: 1, arbitrary: names
  })
    .chain(name => valueOf(name).map((value): [string, string] => [name, value]))
  return fc.oneof({ weight: 2, arbitrary: fc.constant<[string, string][]>([]) }, {
    weight: 3, arbitrary: fc.array(one, { maxLength: 3 })
  })
}

const malformed = [
  '', '{', '{"a":', '[1,', 'nul', '"', '\0', '{}{}', '\ufeff{}', '{"__proto__":{"polluted":1}}',
  '{"name":"x","constructor":{"prototype":{"polluted":1}}}', '{"a":1,"a":2}', '['.repeat(5_000),
  `{"name":${'{"a":'.repeat(500)}1${'}'.repeat(500)}}`, JSON.stringify('x'.repeat(70_000)), '1e999',
  'grant_type=client_credentials&grant_type=client_credentials', '%'
]

const bodies: fc.Arbitrary<BodyCase> = fc.oneof(
  { weight: 2, arbitrary: fc.constant<BodyCase>({ kind: 'none' }) },
  {
    weight: 2,
    arbitrary: fc.oneof(
      fc.constantFrom(...malformed), fc.string({ unit: 'binary', maxLength: 60 }),
      fc.jsonValue().map(value => JSON.stringify(value))
    ).map((text): BodyCase => ({ kind: 'text', text }))
  },
  {
    weight: 8,
    arbitrary: fc.record({
      replaced: fc.oneof({ weight: 1, arbitrary: fc.constant<[number, unknown][]>([]) }, {
        weight: 3, arbitrary: fc.array(fc.tuple(fc.nat(12), values), { maxLength: 2 })
      }),
      added: fc.oneof({ weight: 3, arbitrary: fc.constant<[string, unknown][]>([]) }, {
        weight: 1, arbitrary: fc.array(fc.tuple(names, values), { maxLength: 2 })
      })
    }).map(({ replaced, added }): BodyCase => ({ kind: 'example', replaced, added }))
  }
)

const contentTypes = fc.oneof(
  { weight: 12, arbitrary: fc.constant(null) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      '', 'application/json; charset=utf-16', 'text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data',
      'application/xml', '/', 'application/json;;', 'application/JSON', 'x'.repeat(200)
    )
  }
)
const headerNames = [
  'accept', 'accept-encoding', 'cookie', 'origin', 'range', 'if-match', 'if-none-match', 'idempotency-key',
  'x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'forwarded', 'x-http-method-override', 'x-request-id',
  'traceparent', 'te', 'user-agent', 'x-api-key', 'authorization', 'x-unknown'
]
const headers = fc.oneof(
  { weight: 6, arbitrary: fc.constant<[string, string][]>([]) },
  {
    weight: 2,
    arbitrary: fc.array(fc.tuple(fc.constantFrom(...headerNames), hostile.map(text => text.slice(0, 3_000))), {
      maxLength: 3
    })
  }
)

const garbage = fc.oneof(
  fc.constantFrom(
    ':', 'x', 'x y: z', '\0: a', 'a: \0', 'a: b\nc: d', ' folded', 'content-length: -1', 'content-length: 1e9',
    'content-length: 5\r\ncontent-length: 6', 'transfer-encoding: chunked\r\ncontent-length: 4', 'transfer-encoding: x',
    'host: evil.example', 'expect: 100-continue', 'expect: x', 'upgrade: h2c\r\nconnection: upgrade',
    'authorization: Bearer a\r\nauthorization: Bearer b', `a: ${'x'.repeat(20_000)}`, 'x-api-key: a\r\nx-api-key: b'
  ),
  fc.string({ unit: 'binary', maxLength: 40 })
)

function cases (operations: readonly Operation[]): fc.Arbitrary<Case> {
  return fc.constantFrom(...operations).chain(operation =>
    fc.record({
      operation: fc.constant(operation),
      caller: fc.oneof({ weight: 5, arbitrary: fc.constant(callers[0]) }, {
        weight: 4, arbitrary: fc.constant(callers[1])
      }, { weight: 1, arbitrary: fc.constant(callers[2]) }),
      method: fc.oneof({ weight: 15, arbitrary: fc.constant(null) }, {
        weight: 1,
        arbitrary: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND')
      }),
      ids: fc.array(fc.oneof({ weight: 3, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: hostile }), {
        minLength: 1, maxLength: 2
      }),
      query: queries(operation),
      body: bodies,
      contentType: contentTypes,
      headers,
      garbage: fc.oneof({ weight: 40, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: garbage }),
      reset: fc.oneof({ weight: 8, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat(20) })
    })
  )
}
