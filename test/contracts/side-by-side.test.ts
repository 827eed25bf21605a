/** The four examples on one server: each answers in its own format, and the keys of one are invalid at another. */
import tap from 'tap'
import { examples } from '../../examples/examples.ts'
import {
  MovableClock, startServer, type Answer, type Json, type KeyAnswer, type Outgoing
} from '../support/test-server.ts'

const clock = new MovableClock()
clock.stop()
const server = await startServer({
  clock,
  bare: true,
  trustProxy: '127.0.0.1',
  async mount (app, latchkey) {
    // OpenCrane has the paths of the management API for itself.
    for (const { routes, mount } of Object.values(examples)) if (routes === undefined) await mount(app, latchkey)
  },
})
tap.teardown(server.close)
const { issuer } = server
const organization = (await server.admin('POST', '/organizations', { name: 'Acme', features: ['custom-scopes'] })).json
  .id as string

interface Api {
  name: string, path: string, resource: string, scope: string, carry(key: string): Record<string, string>
}

const asBearer = (key: string) => ({ authorization: `Bearer ${key}` })
const apis: readonly Api[] = [
  {
    name: 'LedgerBee',
    path: '/api/v1/invoices',
    resource: issuer,
    scope: 'invoices:read',
    carry: key => ({ 'x-api-key': key })
  },
  {
    name: 'Crane Ledger',
    path: `/crane-ledger/organizations/${organization}/accounts`,
    resource: `${issuer}/crane-ledger`,
    scope: 'accounts:read',
    carry: asBearer
  },
  {
    name: 'CraftKit',
    path: '/craftkit/v1/templates',
    resource: `${issuer}/craftkit`,
    scope: 'templates:read',
    carry: asBearer
  },
  {
    name: 'CraftDesk',
    path: '/craftdesk/v1/projects',
    resource: `${issuer}/craftdesk`,
    scope: 'projects:read',
    carry: asBearer
  }
]

const call = async ({ path }: Api, headers: Outgoing['headers']) =>
  await server.send({ path, headers: { 'x-forwarded-proto': 'https', ...headers as Record<string, string> } })
const createKey = async ({ resource }: Api, scopes: string[]): Promise<KeyAnswer> =>
  await server.createKey({ organization, resource, scopes })

const needed = 'This route needs a credential: an API key or an access token as Authorization: Bearer.'
const neededOfLedgerbee =
  'This route needs a credential: an API key in the x-api-key header, or an access token as Authorization: Bearer.'
const notValid = 'The credential is not valid.'
const lacks = (scope: string) => `The credential lacks a scope that this route needs: ${scope}.`
const kinds = ['none', 'malformed', 'revoked', 'lacking scope'] as const
type Kind = typeof kinds[number]

const statuses: Record<Kind, number> = { none: 401, malformed: 401, revoked: 401, 'lacking scope': 403 }
const sentences = ({ name, scope }: Api): Record<Kind, string> => ({
  none: name === 'LedgerBee' ? neededOfLedgerbee : needed,
  malformed: notValid,
  revoked: notValid,
  'lacking scope': lacks(scope)
})

/** The whole body of each failure, in each style. */
const bodies: Record<string, (api: Api, kind: Kind) => Json> = {
  LedgerBee: (api, kind) => ({
    statusCode: statuses[kind],
    timestamp: clock.now().toISOString(),
    path: api.path,
    message: sentences(api)[kind],
    code: kind === 'lacking scope' ? 'INSUFFICIENT_PERMISSIONS' : 'UNAUTHORIZED',
    details: kind === 'lacking scope'
      ? { reason: 'insufficient_scope', requiredScopes: [api.scope] }
      : { reason: kind === 'none' ? 'missing_credentials' : 'invalid_api_key' }
  }),
  'Crane Ledger': (api, kind) => ({
    error: {
      type: kind === 'lacking scope' ? 'permission_error' : 'authentication_error',
      code: kind === 'lacking scope' ? 'insufficient_permissions' : 'invalid_api_key',
      message: sentences(api)[kind],
      status: statuses[kind],
    },
  }),
  CraftKit: (api, kind) => ({
    error: {
      none: { code: 'missing_authorization', message: 'Send the API key as Authorization: Bearer.' },
      malformed: { code: 'invalid_credentials', message: 'The credential is not valid here.' },
      revoked: { code: 'invalid_credentials', message: 'The credential is not valid here.' },
      'lacking scope': { code: 'forbidden', message: lacks(api.scope) },
    }[kind],
  }),
  CraftDesk: (api, kind) => ({
    message: kind === 'lacking scope' ? 'Forbidden' : 'Unauthorized',
    code: statuses[kind],
    errors: { api_key: [sentences(api)[kind]] }
  })
}

tap.test('the same four failures, in the words of each API', async t => {
  const table: string[] = []
  for (const api of apis) {
    const revoked = await createKey(api, [api.scope])
    await server.admin('POST', `/api-keys/${revoked.id}/revoke`)
    const poor = await createKey(api, [])
    const attempts: Record<Kind, Record<string, string>> = {
      none: {}, malformed: api.carry('nonsense'), revoked: api.carry(revoked.key), 'lacking scope': api.carry(poor.key),
    }
    for (const kind of kinds) {
      const answer = await call(api, attempts[kind])
      t.strictSame([answer.status, answer.json], [statuses[kind], bodies[api.name]!(api, kind)], `${api.name}: ${kind}`)
      t.match(answer.headers['www-authenticate'], kind === 'none' ? /^Bearer resource_metadata="/ : /^Bearer error="/)
      t.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
      table.push(`${api.name.padEnd(12)} | ${kind.padEnd(13)} | ${answer.status} | ${answer.text}`)
    }
  }
  for (const line of table) t.comment(line)
  t.equal(table.length, 16)
})

tap.test('every API takes its own keys, and no other API takes them', async t => {
  for (const own of apis) {
    const { key } = await createKey(own, [own.scope])
    t.equal((await call(own, own.carry(key))).status, 200, own.name)
    for (const other of apis.filter(api => api !== own)) {
      const answer = await call(other, other.carry(key))
      t.strictSame(
        [answer.status, answer.json], [401, bodies[other.name]!(other, 'malformed')], `${own.name} at ${other.name}`
      )
    }
  }
})

tap.test('what no API has is answered in the words of the API that it was asked of', async t => {
  const message = 'There is no such route.'
  const answers: Record<string, Json> = {
    '/api/v1/nowhere': { error: message, code: 'NOT_FOUND' },
    '/crane-ledger/nowhere': { error: { type: 'not_found_error', code: 'not_found', message, status: 404 } },
    '/craftkit/v1/nowhere': { error: { code: 'not_found', message } },
    '/craftdesk/v1/nowhere': { message: 'Not Found', code: 404, errors: { route: [message] } },
  }
  for (const [path, body] of Object.entries(answers)) {
    const { status, json } = await server.send({ path })
    t.strictSame([status, json], [404, body], path)
  }
})

tap.test('a token is for the API that it was asked for', async t => {
  const client = await server.createClient({
    organization, grants: apis.map(({ resource, scope }) => ({ resource, scopes: [scope] }))
  })
  for (const own of apis) {
    const token = await server.tokenFor(client, { resource: own.resource })
    for (const api of apis) {
      t.equal((await call(api, asBearer(token))).status, api === own ? 200 : 401, `${own.name} at ${api.name}`)
    }
  }
})

tap.test('each says where its metadata is, and it is there', async t => {
  for (const api of apis) {
    const answer: Answer = await call(api, {})
    const url = /resource_metadata="([^"]+)"/.exec(answer.headers['www-authenticate']!)![1]!
    const metadata = await server.send({ path: new URL(url).pathname })
    t.strictSame([metadata.status, metadata.json.resource], [200, api.resource])
  }
})
