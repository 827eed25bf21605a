/** Built-in records are immutable: no change through the API takes the management API away from the admin token. */
import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { isDeepStrictEqual } from 'node:util'
import tap from 'tap'
import { styles } from '../../src/domain/resources/style.ts'
import { oneDatabase } from '../support/databases.ts'
import { operationsOf, type Operation } from '../support/openapi-document.ts'
import { startServer, type Json, type TestServer } from '../support/test-server.ts'

/** The operations of the document that change something with a credential of the management API. */
function changesOf (document: Json): Operation[] {
  return operationsOf(document).filter(
    ({ method, security }) => method !== 'GET' && security.some((each: Json) => 'apiKey' in each)
  )
}

/** The records of a new deployment, by every name that a path or a body may use for them. */
async function builtIn (server: TestServer, document: Json): Promise<string[]> {
  const collections = operationsOf(document).filter(
    ({ method, path, security }) => method === 'GET' && !path.includes('{') && security.some(
      (each: Json) => 'apiKey' in each
    )
  )
  const answers = await Promise.all(
    collections.map(async ({ path }) => (await server.admin('GET', path.replace('/api/v1', ''))).json.data)
  )
  const names = answers.filter(Array.isArray).flat().flatMap(
    ({ id, kid, identifier, type }: Json) => type === undefined ? [id, kid, identifier] : []
  )
  return [...new Set(names.filter((name): name is string => typeof name === 'string')), 'admin']
}

/** Some of the values that a schema accepts, with its limits and the names of built-in records. */
function valuesOf (schema: Json, document: Json, names: readonly string[], field = ''): unknown[] {
  if (schema.$ref !== undefined) {
    return valuesOf(document.components.schemas[schema.$ref.split('/').at(-1)!], document, names, field)
  }
  const alternatives = schema.anyOf ?? schema.oneOf
  if (alternatives !== undefined) return alternatives.flatMap((each: Json) => valuesOf(each, document, names, field))
  if (schema.enum !== undefined) return schema.enum
  switch (schema.type) {
    case 'null': return [null]
    case 'boolean': return [true, false]
    case 'integer': return [schema.minimum ?? 0, schema.maximum ?? 1_000]
    case 'array': {
      const items = valuesOf(schema.items, document, names, field)
      return [...(schema.minItems > 0 ? [] : [[]]), ...items.map(each => [each]), ...(schema.examples ?? [])]
    }
    case 'object': return wholeBodiesOf(schema, document, names)
    default: return [
      ...(schema.examples ?? ['x']),
      ...names.filter(name => schema.format === undefined && new RegExp(schema.pattern ?? '', 'u').test(name)),
      ...(field === 'name' ? ['*'] : []),
    ]
  }
}

function membersOf (schema: Json, document: Json, names: readonly string[]): (readonly [string, readonly unknown[]])[] {
  return Object.entries((schema.properties ?? {}) as Json).map(
    ([name, each]) => [name, valuesOf(each, document, names, name)]
  )
}

/** Bodies with all members at once. */
function wholeBodiesOf (schema: Json, document: Json, names: readonly string[]): Json[] {
  const members = membersOf(schema, document, names)
  const most = Math.min(8, Math.max(1, ...members.map(([, values]) => values.length)))
  return Array.from(
    { length: most }, (_, i) => Object.fromEntries(members.map(([name, values]) => [name, values[i % values.length]]))
  )
}

/** Bodies with the required members, and each value of each other member. */
function bodiesOf (schema: Json, document: Json, names: readonly string[]): Json[] {
  const members = membersOf(schema, document, names)
  const required = Object.fromEntries(
    members.filter(([name]) => (schema.required ?? []).includes(name)).map(([name, [first]]) => [name, first])
  )
  return [
    required, ...members.flatMap(([name, values]) => values.map(value => ({ ...required, [name]: value }))),
    ...wholeBodiesOf(schema, document, names),
  ]
}

for (const { name: database, fresh } of oneDatabase) {
  tap.test(`N12: after every change that the API offers on every built-in record the admin token works [${database}]`, async t => {
    const { url, drop } = await fresh()
    let server = await startServer({ database: url, bare: true })
    t.teardown(async () => {
      await server.close()
      await drop()
    })
    const document = (await server.send({ path: '/api/v1/openapi.json' })).json
    const names = await builtIn(server, document)
    const ids = names.filter(name => !name.includes(':'))
    for (
      const name of ['res_host', 'res_management', server.issuer, `${server.issuer}/api/v1`]
    ) t.ok(names.includes(name), name)
    const [management, host] = ['res_management', 'res_host'].map(id => `/resources/${id}`) as [string, string]
    const [managementBefore, hostBefore] = [
      (await server.admin('GET', management)).json, (await server.admin('GET', host)).json,
    ]
    /** Also on a new connection, and on a newly started server. */
    const works = async () => {
      const [answer] = await once(
        get(
          {
            port: server.port,
            path: `/api/v1${management}`,
            agent: false,
            headers: { authorization: `Bearer ${server.adminToken}` },
          }
        ),
        'response'
      ) as [IncomingMessage]
      const body = await text(answer)
      return answer.statusCode === 200 && isDeepStrictEqual(JSON.parse(body), managementBefore)
    }
    t.ok(await works())
    let [sent, made] = [0, 0]
    const lost: string[] = []
    for (const { method, path, requestBody } of changesOf(document)) {
      const isResource = path.includes('/resources/')
      const targets = path.includes('{')
        ? (isResource ? names : ids).map(name => path.replaceAll(/\{\w+\}/g, encodeURIComponent(name)))
        : [path]
      const schema = requestBody?.content?.['application/json']?.schema
      const whole = schema?.$ref === undefined ? schema : document.components.schemas[schema.$ref.split('/').at(-1)!]
      const bodies = schema === undefined
        ? [undefined]
        : isResource
          ? bodiesOf(whole, document, ids)
          : wholeBodiesOf(whole, document, ids)
      for (const target of targets) {
        for (const body of bodies) {
          const { status } = await server.admin(method, target.replace('/api/v1', ''), body)
          sent++
          if (status < 300) made++
          if (status >= 500 || !await works()) lost.push(`${method} ${target} ${JSON.stringify(body)}: ${status}`)
        }
      }
    }
    t.strictSame(lost, [])
    t.comment(`${sent} changes sent, ${made} made`)
    t.ok(made > 50, 'many of them are made')
    const { identifier, organization, revokedAt, createdAt } = hostBefore
    t.match((await server.admin('GET', host)).json, { identifier, organization, revokedAt, createdAt, id: 'res_host' })
    const environment = server.environment
    await server.close()
    server = await startServer(
      {
        database: url,
        bare: true,
        issuer: server.issuer,
        environment: {
          LATCHKEY_SECRET: environment.LATCHKEY_SECRET, LATCHKEY_ADMIN_TOKEN: environment.LATCHKEY_ADMIN_TOKEN,
        },
      }
    )
    t.ok(await works(), 'also after a restart')
  })
}

tap.test('N12: of res_management nothing is changed, and the refusal says why; of res_host name, scopes and style are', async t => {
  const server = await startServer({ bare: true })
  t.teardown(server.close)
  const { admin, issuer, send } = server
  const before = await admin('GET', '/resources/res_management')
  for (const id of ['res_management', encodeURIComponent(`${issuer}/api/v1`)]) {
    for (
      const body of [
        { style: 'craftkit' }, { style: 'crane-ledger' }, { keyPrefix: 'x' }, { name: 'mine' }, { scopes: [] },
        { style: 'opencrane', name: 'Latchkey management API' }, {},
      ]
    ) {
      const answer = await admin('PATCH', `/resources/${id}`, body)
      t.strictSame([answer.status, answer.json], [400, {
        error:
          `The resource ${issuer}/api/v1 is Latchkey's own API: its name, scopes and style belong to the version ` +
            'that runs and cannot be changed.',
        code: 'INVALID_REQUEST'
      }], JSON.stringify(body))
    }
    for (const [method, path] of [['DELETE', ''], ['POST', '/revoke']] as const) {
      t.match(await admin(method, `/resources/${id}${path}`), { status: 400, json: { code: 'INVALID_REQUEST' } })
    }
  }
  t.strictSame((await admin('GET', '/resources/res_management')).json, before.json)
  const { token } = (
    await admin('POST', '/access-tokens', { organization: null, name: 'automation', scopes: ['resources:*'] })
  ).json
  for (const style of ['craftkit', 'crane-ledger', 'craftdesk', 'opencrane', 'rfc9457', 'ledgerbee']) {
    t.match(
      await admin('PATCH', '/resources/res_host', { style, name: style, scopes: [{ name: `${style}:read` }] }),
      { status: 200, json: { style, name: style } }
    )
    t.equal(
      (await send({ path: '/api/v1/resources', headers: { authorization: `Bearer ${token}` } })).status, 200,
      'tokens of the management API work, too'
    )
    t.equal((await admin('GET', '/principal')).json.kind, 'admin_token')
  }
  for (
    const body of [
      { identifier: 'https://elsewhere.test' }, { kind: 'mcp' }, { defaultScopes: [] }, { organization: null },
      { revokedAt: null },
    ]
  ) t.equal((await admin('PATCH', '/resources/res_host', body)).status, 400, JSON.stringify(body))
})

tap.test('N12, B3: the break-glass token is recognised whatever is stored of the management API, and by its one header alone', async t => {
  const { admin, adminToken, issuer, latchkey, send, withKey, createKey, close } = await startServer({ bare: true })
  t.teardown(close)
  const { store } = latchkey.operation
  const { key } = await createKey({ resource: `${issuer}/api/v1`, scopes: ['resources:read'] })
  const written = (await store.resources.get('res_management'))!
  const oddStyle = {
    keyPrefix: 'x',
    errors: 'opencrane' as const,
    requireTls: true,
    transports: [{ in: 'header' as const, name: 'host' }, { in: 'bearer' as const }],
  }
  for (const [how, damage] of Object.entries({ ...styles, odd: oddStyle })) {
    await store.transaction(
      async tx => await tx.resources.update({ ...written, style: damage, scopes: [], revokedAt: new Date() })
    )
    t.match(await admin('GET', '/resources/res_management'), { status: 200, json: { scopes: [] } }, how)
    t.not((await withKey(key, '/api/v1/resources')).status, 200, `${how}: a key goes by what is stored`)
    t.not(
      (await send({ path: '/api/v1/resources', headers: { authorization: `Bearer ${adminToken}x` } })).status, 200, how
    )
    const both = await send(
      { path: '/api/v1/resources', headers: { authorization: `Bearer ${adminToken}`, 'x-api-key': key } }
    )
    t.not(both.status, 200, `${how}: two credentials are not one`)
    const twice = await send(
      {
        path: '/api/v1/resources',
        headers: ['authorization', `Bearer ${adminToken}`, 'authorization', `Bearer ${adminToken}`],
      }
    )
    t.not(twice.status, 200, how)
  }
})
