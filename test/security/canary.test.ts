/**
 * L1: secrets are planted in every input of a caller, and searched for in every output of a server: each line of the
 * log at its most verbose level, the metrics, the traces, the audit log, the errors. A control shows that the search
 * finds leaks.
 */
import tap from 'tap'
import { newSecret } from '../../src/secrets/random.ts'
import { basic, startServer, type Answer, type Json, type Outgoing, type TestServer } from '../support/test-server.ts'
import { startCollector } from '../support/trace-collector.ts'
import { until } from '../support/waiting.ts'
import { routesOf } from '../support/routes.ts'

/** Makes unique canaries, and finds them again. */
function aviary () {
  const flown: string[] = []
  return {
    flown,
    /** At least 32 random characters, which occur nowhere else. */
    canary (): string {
      const text = `canary${flown.length}x${newSecret().replace(/[^A-Za-z0-9]/g, '').slice(0, 26)}`
      flown.push(text)
      return text
    },
    /** The canaries whose beginning occurs in `text`, in any case. */
    foundIn (text: string): string[] {
      return [...new Set(text.match(/(?<=canary)\d+(?=x[a-z0-9]{4})/gi))].map(number => flown[Number(number)]!)
    },
  }
}

const { canary, foundIn, flown } = aviary()

/** Secrets in the formats of other systems, with a canary inside. */
const shapes: readonly ((text: string) => string)[] = [
  text => text,
  text => `sk_live_${text}`,
  text => `ghp_${text}`,
  text => `lb_live_${text}`,
  text => `lkadm_${text}`,
  text => `whk_${text}`,
  text => `eyJhbGciOiJub25lIn0.${text}.${text}`,
  text => `-----BEGIN PRIVATE KEY-----${text}`,
]
let turn = 0
const secret = () => shapes[turn++ % shapes.length]!(canary())

const collector = await startCollector()
const server = await startServer({ registration: 'open', environment: { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url } })
tap.teardown(async () => {
  await server.close()
  await collector.close()
})

const headerNames = [
  'authorization',
  'x-api-key',
  'cookie',
  'proxy-authorization',
  'x-auth-token',
  'idempotency-key',
  'if-match',
  'if-none-match',
  'user-agent',
  'referer',
  'origin',
  'x-request-id',
  'request-id',
  'x-forwarded-for',
  'x-forwarded-host',
  'forwarded',
  'accept',
  'accept-language',
  'accept-encoding',
  'content-language',
  'from',
  'via',
  'dpop',
  'x-csrf-token',
  'tracestate',
  'baggage',
  'x-unknown'
]
const schemes = [
  secret, () => `Bearer ${secret()}`, () => `Basic ${Buffer.from(`${secret()}:${secret()}`).toString('base64')}`,
  () => basic('cli_x', secret()), () => `Digest username="${secret()}"`, () => `DPoP ${secret()}`
]
const oauthMembers = [
  'client_secret',
  'client_assertion',
  'assertion',
  'token',
  'code',
  'code_verifier',
  'refresh_token',
  'password',
  'access_token',
  'subject_token',
  'scope',
  'resource',
  'grant_type',
  'client_id',
  'client_assertion_type',
  'token_type_hint'
]

/** Every input of every route. */
async function plant ({ send, raw, adminToken, latchkey }: TestServer): Promise<Answer[]> {
  const answers: Answer[] = []
  const ask = async (request: Outgoing) => { answers.push(await send(request)) }
  const asAdmin = { authorization: `Bearer ${adminToken}` }
  const routes = [...await routesOf(latchkey), { method: 'GET', url: '/api/v1/invoices' }, {
    method: 'POST', url: '/api/v1/invoices'
  }, { method: 'GET', url: '/unknown/:a/:b' }]
  for (const { method, url } of routes) {
    const path = (fill: () => string) => url.replace(/:\w+|\*/g, fill)
    for (const name of headerNames) {
      // Headers that the HTTP parser reads itself come as raw bytes, below.
      const value = name === 'authorization' ? schemes[turn % schemes.length]!() : secret()
      await ask({
        method,
        path: path(() => 'x'),
        headers: name === 'authorization' || turn % 2 === 0 ? { [name]: value } : { ...asAdmin, [name]: value }
      })
    }
    if (/[:*]/.test(url)) {
      for (const headers of [{}, asAdmin]) {
        await ask({ method, path: path(() => encodeURIComponent(secret())), headers })
      }
    }
    const names = ['x-api-key', 'access_token', 'token', 'cursor', 'organization', 'limit', 'client_secret', secret()]
    const query = names.map(name => `${encodeURIComponent(name)}=${encodeURIComponent(secret())}`).join('&')
    for (const headers of [{}, asAdmin]) await ask({ method, path: `${path(() => 'x')}?${query}`, headers })
    if (['GET', 'HEAD', 'OPTIONS'].includes(method)) continue
    const bodies: [string, string][] = [
      [
        'application/json',
        JSON.stringify({ name: secret(), organization: secret(), secret: secret(), key: { d: secret() } })
      ],
      ['application/json', JSON.stringify({ [secret()]: 1 })],
      ['application/json', `{"client_secret":"${canary()}`],
      ['application/json', canary()],
      ['application/json', `"${canary()}"`],
      [
        'application/x-www-form-urlencoded',
        oauthMembers.map(name => `${name}=${encodeURIComponent(secret())}`).join('&')
      ],
      ['application/x-www-form-urlencoded', `${canary()}=%zz&${canary()}&token=${canary()}`],
      [
        'multipart/form-data; boundary=x',
        `--x\r\ncontent-disposition: form-data; name="${canary()}"\r\n\r\n${canary()}\r\n--x--`
      ],
      [`text/${canary()}`, canary()]
    ]
    for (const [type, body] of bodies) {
      for (const headers of [asAdmin, {}]) {
        await ask({
          method, path: path(() => 'x'), headers: { ...headers, 'content-type': type }, body
        })
      }
    }
  }
  for (
    const path of ['/api/v1/auth/token', '/api/v1/oauth/introspect', '/api/v1/oauth/revoke', '/api/v1/auth/session']
  ) {
    for (const member of oauthMembers) {
      const form = { grant_type: 'client_credentials', client_id: 'cli_x', client_secret: 'x', token: 'x' }
      for (const value of [secret(), `${canary()}"'<\0\n`]) {
        await ask({ method: 'POST', path, body: new URLSearchParams({ ...form, [member]: value }) })
      }
    }
  }
  const malformed = [
    `GET / HTTP/1.1\r\nhost: x\r\n${canary()}\r\n\r\n`,
    `GET /%zz/${canary()}?${canary()} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    canary(),
    `POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${canary()}\r\n\r\n`,
    `GET / HTTP/1.1\r\nhost: ${canary()}\r\nconnection: close\r\n\r\n`,
    `${canary().toUpperCase()} / HTTP/1.1\r\nhost: x\r\n\r\n`,
    `GET / HTTP/1.1\r\nhost: x\r\nauthorization: ${canary()}\0\r\n\r\n`,
    `GET http://user:${canary()}@x/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
    `POST /api/v1/clients HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n${canary()}\r\n`
  ]
  await Promise.all(malformed.map(raw))
  return answers
}

/** Real secrets of ours, in their own fields and in others. */
async function useReal (own: TestServer): Promise<{ secrets: string[], answers: Answer[] }> {
  const { send, adminToken, createClient, createKey, createRegistrationToken, tokenFor } = own
  const client = await createClient()
  const key = await createKey()
  const registration = await createRegistrationToken()
  const token = await tokenFor(client)
  const registered =
    (await send({
      method: 'POST',
      path: '/api/v1/oauth/register',
      headers: { authorization: `Bearer ${registration.token}` },
      body: {}
    })).json
  const secrets = [
    adminToken, client.clientSecret, key.key, registration.token, token, registered.registration_access_token as string,
    registered.client_secret as string
  ]
  const answers: Answer[] = []
  const ask = async (request: Outgoing) => { answers.push(await send(request)) }
  const asAdmin = { authorization: `Bearer ${adminToken}` }
  for (const each of secrets) {
    const ways: Record<string, string>[] = [
      { 'x-api-key': each }, { authorization: `Bearer ${each}` }, { authorization: basic(client.clientId, each) },
      { cookie: `s=${each}` }, { ...asAdmin, 'idempotency-key': each }
    ]
    for (const headers of ways) {
      await ask({ path: '/api/v1/invoices', headers })
      await ask({ path: '/api/v1/clients?limit=1', headers })
    }
    for (
      const path of [
        `/${each}`, `/api/v1/clients/${each}`, `/api/v1/api-keys/${each}?access_token=${each}`,
        `/api/v1/oauth/register/${each}`, `/api/v1/audit?subject=${each}`
      ]
    ) await ask({ path, headers: asAdmin })
    for (
      const body of [{ name: 'x', organization: each, grants: [] }, { [each]: 1 }, {
        name: 'x', organization: client.organization, grants: [{ resource: each, scopes: [each] }]
      }]
    ) {
      await ask({ method: 'POST', path: '/api/v1/clients', headers: asAdmin, body })
    }
    await ask({
      method: 'POST',
      path: '/api/v1/auth/token',
      body: new URLSearchParams({
        grant_type: each, client_id: each, client_secret: each, scope: each, client_assertion: each
      })
    })
  }
  return { secrets, answers }
}

const planted = await plant(server)
const real = await useReal(server)
const log = () => server.lines.join('')
const prom = async () => (await server.send({ path: '/prom' })).text
const audit = async () => {
  let all = ''
  for (
    let cursor: string | undefined, page: Json = {};
    page.pagination?.hasMore !== false;
    cursor = page.pagination.nextCursor
  ) {
    page =
      (await server.admin(
        'GET', `/audit?limit=200${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`
      )).json
    all += JSON.stringify(page.data)
  }
  return all
}
/** Spans are exported in batches, in order: after the marker's span, all earlier ones have arrived. */
const traces = async () => {
  const { headers } = await server.send({ path: '/healthz' })
  await until(
    'the collector has got the last span',
    () => collector.bodies.some(body => body.includes(headers['x-request-id'] as string))
  )
  return collector.bodies.join('')
}
const realIn = (text: string) => real.secrets.filter(each => text.includes(each.slice(-20)))

tap.test('L1: the canaries were everywhere', async t => {
  t.ok(flown.length > 5_000, `${flown.length} of them`)
  t.ok(planted.length > 2_000)
  t.ok(
    planted.some(({ status }) => status < 300) && planted.some(({ status }) => status === 401) &&
      planted.some(({ status }) => status === 400)
  )
  t.strictSame(planted.filter(({ status }) => status >= 500).map(({ text }) => text), [])
})

tap.test('L1: no secret is in a line of the log at level trace, and every line of a request has its id', async t => {
  t.strictSame(foundIn(log()), [])
  t.strictSame(realIn(log()), [])
  const lines = server.lines.map(line => JSON.parse(line) as Json)
  t.ok(lines.length > 4_000)
  t.strictSame(
    lines.filter(line => !/^[0-9a-f-]{36}$/.test(line.reqId ?? '') && !/^Server listening/.test(line.msg)), []
  )
  const refused = await server.send({ path: '/api/v1/invoices' })
  const own = server.lines.map(line => JSON.parse(line) as Json).filter(line =>
    line.reqId === refused.headers['x-request-id']
  )
  t.strictSame(
    own.map(line => line.msg), ['incoming request', 'refused', 'request completed'], 'and the caller has it too'
  )
})

tap.test('L1: no secret is in a metric', async t => {
  const text = await prom()
  t.match(text, 'latchkey_guard_verdicts_total')
  t.strictSame(foundIn(text), [])
  t.strictSame(realIn(text), [])
  const aggregate = (await server.admin('GET', '/metrics')).text
  t.strictSame([...foundIn(aggregate), ...realIn(aggregate)], [])
})

tap.test('L1: no secret is in a trace', async t => {
  const sent = await traces()
  t.match(sent, 'POST /api/v1/auth/token')
  t.strictSame(foundIn(sent), [])
  t.strictSame(realIn(sent), [])
})

tap.test('L1: no secret is in a row of the audit log', async t => {
  const rows = await audit()
  t.match(rows, 'credential.refused')
  t.strictSame(foundIn(rows), [])
  t.strictSame(realIn(rows), [])
})

tap.test('L1: no real secret is in an error, and of what was made up an error repeats the path and the name of a member at most', async t => {
  const errors = [...planted, ...real.answers].filter(({ status }) => status >= 400)
  t.strictSame(errors.filter(({ text }) => realIn(text).length > 0).map(({ text }) => text), [])
  const without = ({ json, text }: Answer): string => {
    const repeated = [json.path, json.instance, json.details?.field].filter(each => typeof each === 'string')
    return repeated.reduce((rest, each) => rest.replaceAll(JSON.stringify(each).slice(1, -1), ''), text)
  }
  t.strictSame(errors.filter(answer => foundIn(without(answer)).length > 0).map(({ text }) => text), [])
})

tap.test('L1: the search finds a canary that is there, in each of the places', async t => {
  const one = canary()
  server.app.log.trace({ note: one }, 'a careless line')
  t.strictSame(foundIn(log()), [one], 'in the log')
  server.latchkey.telemetry.metrics.verdicts.increment(one)
  t.strictSame(foundIn(await prom()), [one], 'in a metric')
  server.latchkey.telemetry.tracing!.span(`careless ${one}`, () => {})
  t.strictSame(foundIn(await traces()), [one], 'in a trace')
  await server.createOrganization(one)
  t.strictSame(
    foundIn(JSON.stringify((await server.admin('GET', '/organizations?limit=1')).json)), [one], 'in an answer'
  )
})
