/** OC-19: third-party sources over HTTP: asked by the one outbound fetcher with sealed headers; never granted. */
import tap from 'tap'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { newSecret } from '../../src/secrets/random.ts'
import { startDocumentHost } from '../support/document-host.ts'
import { MovableClock, startOnEachDatabase, startServer, type Json } from '../support/test-server.ts'

const clock = new MovableClock()
clock.stop()
const host = await startDocumentHost(tap)
const { servers, close } = await startOnEachDatabase({ clock, network: host.network })
tap.teardown(close)

const secretHeader = 'Bearer 9c5c4f2d-very-secret'
const registry = { servers: [{ server: { name: 'com.example/tools' } }], metadata: { count: 1 } }

for (const { name: database, server } of servers) {
  const { admin } = server
  const url = `https://registry-${database}.example/v0.1/servers?version=latest`
  const create = async (input: Json = {}) => {
    const { id: organization } = await server.createOrganization()
    const { status, json } = await admin('POST', '/third-party-sources', {
      organization, name: 'Official', kind: 'mcp-registry', url, ...input
    })
    if (status !== 201) throw new Error(`${status} ${JSON.stringify(json)}`)
    return { organization, ...json } as Json
  }

  tap.test(`OC-19: a source is asked with its headers, and its answer is kept by its ETag, as a third party's [${database}]`, async t => {
    const asked: IncomingMessage['headers'][] = []
    host.serves(url, (request: IncomingMessage, response: ServerResponse) => {
      asked.push(request.headers)
      if (request.headers['if-none-match'] === '"v1"') response.writeHead(304).end()
      else response.writeHead(200, { 'content-type': 'application/json', etag: '"v1"' }).end(JSON.stringify(registry))
    })
    const source = await create({ headers: { Authorization: secretHeader } })
    t.match(source, { thirdParty: true, headerNames: ['authorization'], lastFetch: null, fetchedAt: null })
    t.equal((await admin('GET', `/third-party-sources/${source.id}/content`)).status, 404)
    const first = await admin('POST', `/third-party-sources/${source.id}/refresh`)
    const now = clock.now().toISOString()
    t.match(first, { status: 200, json: { lastFetch: { askedAt: now, status: 200, error: null }, fetchedAt: now } })
    clock.advance(60)
    const later = clock.now().toISOString()
    const second = await admin('POST', `/third-party-sources/${source.id}/refresh`)
    t.match(second.json, { lastFetch: { askedAt: later, status: 304, error: null }, fetchedAt: later })
    t.strictSame(asked.map(headers => [headers.authorization, headers['if-none-match'], headers['user-agent']]), [
      [secretHeader, undefined, 'latchkey'], [secretHeader, '"v1"', 'latchkey']
    ])
    t.strictSame((await admin('GET', `/third-party-sources/${source.id}/content`)).json, {
      source: source.id, kind: 'mcp-registry', url, thirdParty: true, fetchedAt: later, content: registry
    })
    const listed = await admin('GET', `/third-party-sources?organization=${source.organization}`)
    t.match(listed.json.data, [{ id: source.id, lastFetch: { status: 304 } }])
    const events = await admin('GET', `/audit?subject=${source.id}`)
    t.strictSame(new Set(events.json.data.map(({ type }: Json) => type)), new Set([
      'third_party_source.created', 'third_party_source.fetched'
    ]))
    const { store } = server.latchkey.operation
    const kept = await store.thirdPartySources.get(source.id)
    for (const text of [first.text, listed.text, events.text, JSON.stringify(kept), server.lines.join('')]) {
      t.notMatch(text, '9c5c4f2d', 'no answer, row or log has the header')
    }
    t.equal((await admin('DELETE', `/third-party-sources/${source.id}`)).status, 204)
    t.equal((await admin('GET', `/third-party-sources/${source.id}`)).status, 404)
  })

  tap.test(`OC-19: a source that fails says so, and what was kept before stays [${database}]`, async t => {
    const source = await create()
    const refresh = async () => {
      clock.advance(61)
      return (await admin('POST', `/third-party-sources/${source.id}/refresh`)).json.lastFetch
    }
    host.serves(url, registry)
    t.match(await refresh(), { status: 200, error: null })
    const { fetchedAt } = (await admin('GET', `/third-party-sources/${source.id}`)).json
    const answering = (status: number, body = '{}', headers: Record<string, string> = {}) =>
      (_request: IncomingMessage, response: ServerResponse) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body)
      }
    const cases: [string, RegExp, number | null, (request: IncomingMessage, response: ServerResponse) => void][] = [
      ['a redirect', /redirect/, 302, answering(302, '', { location: 'https://other.example/' })],
      ['a failure', /500/, 500, answering(500)],
      ['a refusal', /403/, 403, answering(403)],
      ['unchanged without being asked', /304/, 304, answering(304, '')],
      ['another type', /application\/json/, 200, answering(200, '{}', { 'content-type': 'text/html' })],
      ['no JSON', /not JSON/, 200, answering(200, '{')],
      ['no registry', /no list of servers/, 200, answering(200, '{"data":[]}')],
      ['no object', /neither an object/, 200, answering(200, '1')],
      ['too deep', /nested too deeply/, 200, answering(200, `{"servers":${'['.repeat(5_000)}${']'.repeat(5_000)}}`)],
      ['too large', /too large/, null, answering(200, JSON.stringify({ servers: ['x'.repeat(600_000)] }))],
      ['no answer', /cannot be fetched/, null, request => { request.socket.destroy() }],
    ]
    for (const [title, error, status, answer] of cases) {
      host.serves(url, answer)
      t.match(await refresh(), { error, status }, title)
    }
    t.equal((await admin('GET', `/third-party-sources/${source.id}`)).json.fetchedAt, fetchedAt)
    t.strictSame((await admin('GET', `/third-party-sources/${source.id}/content`)).json.content, registry)
  })

  tap.test(`OC-19: the pages of a registry are one list; a page that fails or a cursor that loops leaves the former one [${database}]`, async t => {
    const paged = `https://paged-${database}.example/v0.1/servers?version=latest`
    const source = await create({ url: paged, headers: { authorization: secretHeader } })
    const asked: string[] = []
    const serve = (pages: Record<string, Json | number>) => {
      asked.length = 0
      for (const [cursor, page] of Object.entries(pages)) {
        const status = typeof page === 'number' ? page : 200
        const answer = (request: IncomingMessage, response: ServerResponse) => {
          asked.push(`${cursor} ${request.headers.authorization} ${request.headers['if-none-match']}`)
          response.writeHead(status, { 'content-type': 'application/json', etag: '"v1"' }).end(JSON.stringify(page))
        }
        host.serves(cursor === '' ? paged : `${paged}&cursor=${cursor}`, answer)
      }
    }
    const page = (name: string, nextCursor?: unknown) =>
      ({ servers: [name], metadata: { count: 1, ...(nextCursor === undefined ? {} : { nextCursor }) } })
    const refresh = async () => {
      clock.advance(61)
      return (await admin('POST', `/third-party-sources/${source.id}/refresh`)).json.lastFetch
    }
    const content = async () => (await admin('GET', `/third-party-sources/${source.id}/content`)).json.content
    serve({ '': page('one', 'a'), a: page('two', 'b'), b: page('three') })
    t.match(await refresh(), { status: 200, error: null })
    const whole = { servers: ['one', 'two', 'three'], metadata: { count: 3 } }
    t.strictSame(await content(), whole)
    t.strictSame(asked, ['', 'a', 'b'].map(cursor => `${cursor} ${secretHeader} undefined`), 'with headers, anew')

    serve({ '': page('new', 'a'), a: page('two', 'b'), b: 500 })
    t.match(await refresh(), { status: 500, error: /^fails at page 3, which .*500/ })
    t.strictSame(await content(), whole)
    const begun = { '': page('new', 'a') }
    const loops: Record<string, Json>[] = [
      { ...begun, a: page('two', 'a') }, { ...begun, a: page('two', 'b'), b: page('x', 'a') }
    ]
    for (const loop of loops) {
      serve(loop)
      t.match(await refresh(), { error: 'names a page for the second time' })
      t.equal(asked.length, Object.keys(loop).length, 'no page is asked twice')
    }
    serve({ '': page('new', 'a'), a: { data: [] } })
    t.match(await refresh(), { error: /^fails at page 2, which has no list of servers/ })
    t.strictSame(await content(), whole)

    const many = Array.from({ length: 25 }, (_, n) => [n === 0 ? '' : `p${n}`, page(`s${n}`, `p${n + 1}`)])
    serve(Object.fromEntries(many) as Record<string, Json>)
    t.match(await refresh(), { status: 200, error: null })
    t.match(await content(), { servers: { length: 20 }, metadata: { count: 20, nextCursor: 'p20' } })
    t.equal(asked.length, 20)
    const large = (n: number) => ({ servers: ['x'.repeat(500_000)], metadata: { nextCursor: `p${n}` } })
    serve({ '': large(1), p1: large(2), p2: large(3), p3: large(4), p4: large(5) })
    t.match(await refresh(), { status: 200, error: null })
    t.match(await content(), { servers: { length: 4 }, metadata: { nextCursor: 'p4' } })
    serve({ '': page('one', 7) })
    t.match(await refresh(), { error: null })
    t.equal(asked.length, 1, 'what is no text is no cursor')
  })

  tap.test(`OC-19: a name that turns inwards between two pages is refused at the second [${database}]`, async t => {
    const turning = `https://turning-${database}.example/servers`
    const source = await create({ url: turning })
    host.serves(turning, (_request: IncomingMessage, response: ServerResponse) => {
      host.names(`turning-${database}.example`, ['169.254.169.254'])
      response.writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ servers: [], metadata: { nextCursor: 'a' } }))
    })
    const { json: { lastFetch } } = await admin('POST', `/third-party-sources/${source.id}/refresh`)
    t.match(lastFetch, { status: null, error: 'fails at page 2, which cannot be fetched' })
  })

  tap.test(`OC-19: no source leads into this network, by its URL or by its name [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const made = async (input: Json) => await admin('POST', '/third-party-sources', {
      organization, name: 'x', kind: 'skills', url, ...input
    })
    for (const bad of [
      'http://a.example/', 'https://u:p@a.example/', 'ftp://a.example/', 'https://a.example/#x', 'nonsense'
    ]) {
      t.match(await made({ url: bad }), { status: 400, json: { details: { field: 'url' } } }, bad)
    }
    for (const headers of [{ host: 'x' }, { 'Content-Length': '1' }, { 'a b': 'x' }, { a: 'x\r\ny: z' }, { a: '' }]) {
      t.match(await made({ headers }), { status: 400 }, JSON.stringify(headers))
    }
    host.names('inside.example', ['10.0.0.1'])
    host.names('rebound.example', ['93.184.216.34', '169.254.169.254'])
    const before = host.connections.length
    for (const inside of [
      'https://127.0.0.1/', 'https://[::1]/', 'https://169.254.169.254/latest', 'https://2130706433/',
      'https://inside.example/', 'https://rebound.example/'
    ]) {
      const { json } = await made({ url: inside })
      const { json: { lastFetch } } = await admin('POST', `/third-party-sources/${json.id}/refresh`)
      t.match(lastFetch, { status: null, error: 'cannot be fetched' }, inside)
    }
    t.equal(host.connections.length, before, 'nothing was connected to')
  })

  tap.test(`OC-19: headers follow to no other host, and what was fetched with others is forgotten [${database}]`, async t => {
    host.serves(url, registry)
    const source = await create({ headers: { 'x-api-key': 'abcdef-secret' } })
    const path = `/third-party-sources/${source.id}`
    await admin('POST', `${path}/refresh`)
    const stolen = await admin('PATCH', path, { url: 'https://thief.example/' })
    t.match(stolen, { status: 400, json: { details: { field: 'headers' }, error: /given for another host/ } })
    t.match((await admin('PATCH', path, { name: 'Renamed' })).json, { name: 'Renamed', fetchedAt: String })
    const moved = await admin('PATCH', path, { url: 'https://other.example/', headers: {} })
    t.match(moved.json, { headerNames: [], lastFetch: null, fetchedAt: null })
    t.equal((await admin('GET', `${path}/content`)).status, 404)
  })
}

tap.test('OC-19: an organization asks at most 30 times a minute', async t => {
  const { server } = servers[0]!
  const { id: organization } = await server.createOrganization()
  host.serves('https://often.example/', registry)
  const { json: { id } } = await server.admin('POST', '/third-party-sources', {
    organization, name: 'x', kind: 'skills', url: 'https://often.example/'
  })
  const statuses: number[] = []
  for (let i = 0; i < 31; i++) statuses.push((await server.admin('POST', `/third-party-sources/${id}/refresh`)).status)
  t.strictSame(statuses, [...Array.from({ length: 30 }, () => 200), 429])
})

tap.test('OC-19: headers and marks are under the newest secret after a start, and the older one may go', async t => {
  const { zip, skillFile } = await import('../support/archives.ts')
  const folder = t.testdir()
  const database = `file:${folder}/latchkey.db`
  const start = async (secret: string) =>
    await startServer({
      database,
      network: host.network,
      issuer: 'http://127.0.0.1:1',
      environment: { LATCHKEY_SECRET: secret }
    })
  const [one, two] = [newSecret(), newSecret()]
  const first = await start(one)
  const { id: organization } = await first.createOrganization()
  host.serves('https://sealed.example/', (request: IncomingMessage, response: ServerResponse) => {
    const right = request.headers['x-api-key'] === 'abcdef-secret'
    response.writeHead(right ? 200 : 401, { 'content-type': 'application/json' }).end('[]')
  })
  const { json: source } = await first.admin('POST', '/third-party-sources', {
    organization, name: 'x', kind: 'skills', url: 'https://sealed.example/', headers: { 'x-api-key': 'abcdef-secret' }
  })
  const { json: skill } = await first.send({
    method: 'POST',
    path: `/api/v1/skills?organization=${organization}&version=1.0.0`,
    body: zip([{ name: 'SKILL.md', content: skillFile() }]),
    headers: { authorization: `Bearer ${first.adminToken}`, 'content-type': 'application/zip' }
  })
  await first.close()
  for (const secret of [`${two},${one}`, two]) {
    const next = await start(secret)
    const { json } = await next.admin('POST', `/third-party-sources/${source.id}/refresh`)
    t.match(json, { lastFetch: { status: 200 } })
    t.equal((await next.admin('GET', `/skills/${skill.id}`)).status, 200)
    await next.close()
  }
})
