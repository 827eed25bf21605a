/**
 * LK-07: Debian's nginx and Caddy as guards of an API without code of ours, with the samples of deploy/ as they are.
 * One table for both; where they differ, it says so.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import tap, { type Test } from 'tap'
import { foreignProgram } from '../support/foreign-programs.ts'
import {
  startCaddy, startNginx, startUpstream, throughProxy, valuesOf, type Proxy, type ProxyOptions, type ProxiedAnswer
} from '../support/proxies.ts'
import { freePort } from '../support/running-server.ts'
import { startServer } from '../support/test-server.ts'

const nginx = foreignProgram('nginx', 'apt-get install nginx-light')
const caddy = foreignProgram('caddy', 'apt-get install caddy')

const server = await startServer({ trustProxy: '127.0.0.1' })
// No minute ends while its limit is counted.
server.clock.stop()
const upstream = await startUpstream()
tap.teardown(async () => {
  await upstream.close()
  await server.close()
})
const organization = (await server.createOrganization()).id
const { key, id: keyId } = await server.createKey({ organization })

const options = { latchkeyPort: server.port, upstreamPort: upstream.port, resource: 'res_host' }

const proxies = [
  {
    name: 'nginx',
    found: nginx,
    start: startNginx,
    queryWithoutKey: '/a?page=2&c=%20',
    withoutLatchkey: 503,
    // What the sample asks for requests that write.
    needs: 'scope=invoices:write'
  },
  {
    name: 'Caddy',
    found: caddy,
    start: startCaddy,
    queryWithoutKey: '/a?page=2&&c=%20',
    withoutLatchkey: 502,
    needs: 'scope={vars.latchkey_scope}'
  }
] as const

type Send = (path: string, headers?: readonly string[], method?: string, from?: string) => Promise<ProxiedAnswer>

/** Asks through a proxy of its own. `needs`: in the place of those in the sample, at least of requests that write. */
function testBehind (
  title: string, body: (t: Test, send: Send, proxy: Proxy, at: typeof proxies[number]) => Promise<void>,
  { needs, ...more }: Partial<ProxyOptions> & { needs?: string } = {}
): void {
  for (const at of proxies) {
    tap.test(`${title} [${at.name}]`, at.found, async t => {
      const changes = needs === undefined ? [] : [[at.needs, needs] as const]
      const proxy = await at.start({ ...options, program: at.found.path, changes, ...more })
      t.teardown(proxy.close)
      upstream.seen.length = 0
      await body(t, (...call) => throughProxy(proxy, ...call), proxy, at)
    })
  }
}

/** Nothing of a refused request reaches the API. */
function refused (t: Test, answer: ProxiedAnswer, status: number, code: string): void {
  t.equal(answer.status, status)
  t.match(answer.headers['content-type'], 'application/json')
  t.equal(JSON.parse(answer.text).code, code)
  t.equal(upstream.seen.length, 0, 'the API was not asked')
  t.equal(answer.headers['cache-control'], 'no-store')
}

const spellings = [
  'X-Latchkey-Id', 'x-latchkey-id', 'X_Latchkey_Id', 'X-Latchkey_Id', 'x_latchkey-Id', 'X-LATCHKEY-ID'
]

testBehind('LK-07, G2: a good key passes, and the API sees the true caller, whatever is forged', async (t, send) => {
  const names = ['kind', 'id', 'subject', 'organization', 'environment', 'scope', 'assertion', 'status', 'error']
  const forged = [
    ...spellings.flatMap(name => [name, 'evil', name, 'evil']),
    ...names.flatMap(name => [`X-Latchkey-${name}`, 'evil', `x_latchkey_${name}`, 'evil'])
  ]
  const answer = await send('/a/b?page=2', ['x-api-key', key, ...forged])
  t.equal(answer.status, 200)
  t.equal(answer.text, '{"served":true}')
  const seen = upstream.seen.at(-1)!
  t.equal(seen.url, '/a/b?page=2')
  t.strictSame(valuesOf(seen, 'x-latchkey-id'), [keyId])
  t.strictSame(valuesOf(seen, 'x-latchkey-kind'), ['api_key'])
  t.strictSame(valuesOf(seen, 'x-latchkey-organization'), [organization])
  t.strictSame(valuesOf(seen, 'x-latchkey-environment'), ['live'])
  t.strictSame(valuesOf(seen, 'x-latchkey-scope'), ['invoices:read'])
  t.notMatch(JSON.stringify(seen.headers), 'evil', 'in no spelling')
})

testBehind('B4: no credential goes on to the API, from whatever place', async (t, send, _proxy, at) => {
  const cookie = '__Host-latchkey_session=a; b=1; __Host-latchkey_session=c'
  const token = await server.tokenFor(await server.createClient({ organization }))
  for (const [path, headers] of [
    ['/a', ['x-api-key', key]], [`/a?page=2&x-api-key=${key}&c=%20`, []], [`/a?x-api-key=${key}`, []],
    ['/a', ['authorization', `Bearer ${token}`]], ['/a', ['x-api-key', key, 'cookie', cookie]],
    ['/a', ['x-api-key', key, 'cookie', 'b=1; __Host-latchkey_session=a; c=2']]
  ] as const) {
    const answer = await send(path, headers)
    t.equal(answer.status, 200, path)
    const seen = upstream.seen.at(-1)!
    for (const secret of [key, token, '__Host-latchkey']) t.notMatch(JSON.stringify(seen), secret, path)
    if (path.includes('page')) t.equal(seen.url, at.queryWithoutKey)
    if (headers.includes('b=1; __Host-latchkey_session=a; c=2' as never)) {
      t.strictSame(valuesOf(seen, 'cookie'), ['b=1; c=2'])
    }
  }
})

testBehind('no key, a bad key and two credentials are refused as by a guarded route', async (t, send) => {
  refused(t, await send('/a'), 401, 'UNAUTHORIZED')
  const bare = await send('/a')
  const own = await server.send({ path: '/api/v1/invoices' })
  t.strictSame(bare.rawHeaders.filter((_, i, all) => i % 2 === 1 && all[i - 1]!.toLowerCase() === 'www-authenticate'), [
    own.headers['www-authenticate']
  ])
  t.strictSame({ ...JSON.parse(bare.text), timestamp: '', path: '' }, { ...own.json, timestamp: '', path: '' })
  t.equal(JSON.parse(bare.text).path, '/a', "the caller's own path")
  refused(t, await send('/a', ['x-api-key', `${key}x`]), 401, 'UNAUTHORIZED')
  refused(t, await send('/a', ['cookie', '__Host-latchkey_session=x']), 401, 'UNAUTHORIZED')
  refused(t, await send('/a', ['x-api-key', key, 'authorization', 'Bearer x']), 400, 'INVALID_REQUEST')
  refused(t, await send(`/a?x-api-key=${key}`, ['x-api-key', key]), 400, 'INVALID_REQUEST')
})

testBehind('a missing scope is 403 with its challenge, by the method of the request', async (t, send) => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const answer = await send('/a', ['x-api-key', key], method)
    refused(t, answer, 403, 'INSUFFICIENT_PERMISSIONS')
    t.match(answer.headers['www-authenticate'], 'scope="invoices:write"')
  }
  t.equal((await send('/a', ['x-api-key', key], 'HEAD')).status, 200)
})

testBehind('B4: a query that the proxy appends names no need, and two readings of a URI are 400', async (t, send) => {
  const asked = ['scope=-', 'organization=org_x', 'proxy=nginx', 'credits=0', 'scope=invoices:read&scope=-']
  for (const query of asked) {
    refused(t, await send(`/a?${query}`, ['x-api-key', key], 'POST'), 403, 'INSUFFICIENT_PERMISSIONS')
    t.equal((await send(`/a?${query}`, ['x-api-key', key])).status, 200, query)
    upstream.seen.length = 0
  }
  for (const path of ['/a%2Fb', '/a/%2e%2e/b', '/..;/b', `/a?b=1;x-api-key=${key}`, `/a?x%2Dapi-key=${key}`]) {
    refused(t, await send(path, path.includes(key) ? [] : ['x-api-key', key]), 400, 'INVALID_REQUEST')
  }
})

testBehind('LB-05, N1: an allowlist holds against a forged X-Forwarded-For', async (t, send) => {
  const { key: listed } = await server.createKey({ organization, allowlist: ['127.0.0.7'] })
  t.equal((await send('/a', ['x-api-key', listed], 'GET', '127.0.0.7')).status, 200)
  upstream.seen.length = 0
  const forgeries = [
    [], ['X-Forwarded-For', '127.0.0.7'], ['X_Forwarded_For', '127.0.0.7'], ['Forwarded', 'for=127.0.0.7'],
    ['X-Forwarded-For', '127.0.0.7', 'X-Forwarded-For', '127.0.0.7'], ['X-Real-IP', '127.0.0.7']
  ]
  for (const forged of forgeries) {
    refused(t, await send('/a', ['x-api-key', listed, ...forged], 'GET', '127.0.0.8'), 401, 'UNAUTHORIZED')
  }
})

testBehind('a forged X-Forwarded-Uri brings no credential and no path', async (t, send) => {
  for (const name of ['X-Forwarded-Uri', 'X_Forwarded_Uri']) {
    const answer = await send('/a', [name, `/b?x-api-key=${key}`])
    refused(t, answer, 401, 'UNAUTHORIZED')
    t.equal(JSON.parse(answer.text).path, '/a')
  }
})

testBehind("a minute's limit is 429 with Retry-After and RateLimit, and counts each request once", async (t, send) => {
  const { key: limited } = await server.createKey({ organization, callsPerMinute: 3 })
  for (let call = 0; call < 3; call++) t.equal((await send('/a', ['x-api-key', limited])).status, 200, `call ${call}`)
  t.equal(upstream.seen.length, 3)
  upstream.seen.length = 0
  const answer = await send('/a', ['x-api-key', limited])
  refused(t, answer, 429, 'RATE_LIMITED')
  t.match(answer.headers['retry-after'], /^\d+$/)
  t.match(answer.headers.ratelimit, 'r=0')
  t.match(answer.headers['ratelimit-policy'], 'q=3;w=60')
})

testBehind('credits that there are none of are 402, and nothing is taken', async (t, send) => {
  refused(t, await send('/a', ['x-api-key', key], 'POST'), 402, 'INSUFFICIENT_CREDITS')
}, { needs: 'scope=-&credits=2' })

testBehind('a revoked key is refused on the next request, in 20 of 20 cases', async (t, send) => {
  for (let round = 0; round < 20; round++) {
    const { key: brief, id } = await server.createKey({ organization })
    t.equal((await send('/a', ['x-api-key', brief])).status, 200)
    upstream.seen.length = 0
    t.equal((await server.admin('POST', `/api-keys/${id}/revoke`)).status, 200)
    refused(t, await send('/a', ['x-api-key', brief]), 401, 'UNAUTHORIZED')
  }
})

testBehind('the API verifies by the JWKS who calls, and need not trust the network', async (t, send) => {
  t.equal((await send('/a', ['x-api-key', key, 'X-Latchkey-Assertion', 'evil'], 'POST')).status, 200)
  const [assertion, ...others] = valuesOf(upstream.seen.at(-1)!, 'x-latchkey-assertion')
  t.strictSame(others, [])
  const jwks = createRemoteJWKSet(new URL(`${server.issuer}/.well-known/jwks.json`))
  const { payload } = await jwtVerify(assertion!, jwks, {
    audience: server.issuer, typ: 'latchkey-assertion+jwt', currentDate: server.clock.now()
  })
  t.equal(payload.sub, keyId)
}, { needs: 'scope=-&assertion=true' })

testBehind('while Latchkey rejects requests they are 503 with Retry-After', async (t, send) => {
  const { availability } = server.latchkey.telemetry
  availability.rejecting = 'overloaded'
  const answer = await send('/a', ['x-api-key', key])
  availability.rejecting = null
  t.equal(answer.status, 503)
  t.equal(answer.headers['retry-after'], '1')
  t.equal(upstream.seen.length, 0)
})

testBehind('while Latchkey cannot be reached nothing passes', async (t, send, _proxy, { withoutLatchkey }) => {
  t.equal((await send('/a', ['x-api-key', key])).status, withoutLatchkey)
  t.equal(upstream.seen.length, 0)
}, { latchkeyPort: await freePort() })

tap.test('nothing is cached, and no file of nginx holds the key', nginx, async t => {
  const proxy = await startNginx({ ...options, program: nginx.path })
  t.teardown(proxy.close)
  for (let call = 0; call < 3; call++) await throughProxy(proxy, `/a?x-api-key=${key}`)
  for (const name of readdirSync(proxy.folder, { recursive: true, encoding: 'utf8' })) {
    if (!/\.(conf|log)$/.test(name)) continue
    t.notMatch(readFileSync(join(proxy.folder, name), 'utf8'), key, name)
  }
})

tap.test('Caddy: needs in the query are not those of the caller either', caddy, async t => {
  const inPath = 'RESOURCE_ID/scope={vars.latchkey_scope}'
  for (const [inQuery, status] of [['?scope=invoices:write', 403], ['?scope=-&{query}', 400]] as const) {
    const changes = [[inPath, `RESOURCE_ID${inQuery}`]] as const
    const proxy = await startCaddy({ ...options, program: caddy.path, changes })
    t.teardown(proxy.close)
    const answer = await throughProxy(proxy, `/a?organization=${organization}`, ['x-api-key', key])
    t.equal(answer.status, status, inQuery)
  }
})

tap.test('Caddy drops no header of ours that a caller names in Connection', caddy, async t => {
  const proxy = await startCaddy({ ...options, program: caddy.path })
  t.teardown(proxy.close)
  for (const name of ['X-Latchkey-Id', 'x-latchkey-scope, close']) {
    t.equal((await throughProxy(proxy, '/a', ['x-api-key', key, 'Connection', name])).status, 400)
  }
})
