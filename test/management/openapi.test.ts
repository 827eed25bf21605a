/** The OpenAPI document as a contract: complete, valid, true, and enough to write a client from. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Validator } from '@seriousme/openapi-schema-validator'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import openapiTS, { astToString } from 'openapi-typescript'
import Fastify from 'fastify'
import tap from 'tap'
import { Type } from 'typebox'
import { serverOptions } from '../../src/server/http-server.ts'
import { failures } from '../../src/base/errors.ts'
import { managementScopes } from '../../src/management/resource.ts'
import { created } from '../../src/management/conventions/idempotent-creation.ts'
import { openApiDocument } from '../../src/management/documentation/openapi.ts'
import { judgeOf, operationsOf } from '../support/openapi-document.ts'
import { startServer, type Json, type Outgoing } from '../support/test-server.ts'
import { routesOf } from '../support/routes.ts'

const root = join(import.meta.dirname, '../..')
const server = await startServer({ registration: 'open' })
tap.teardown(server.close)
const served = await server.send({ path: '/api/v1/openapi.json' })
const document = served.json
const operations = operationsOf(document)

/**
 * Routes that are no operations: files of the reference page. Refusals of other methods and preflights are none either.
 */
const parts = ['/reference/swagger-ui-bundle.js', '/reference/swagger-ui.css', '/reference/start.js']
const assets = [
  'pages.css', 'dashboard.css', 'dashboard.js', 'link.js', 'passkeys.js', 'mark.svg', 'inter.woff2',
  'jetbrains-mono.woff2'
].map(name => `/assets/${name}`)
/** Pages of the dashboard are no operations either. */
const isScreen = (url: string): boolean => url === '/dashboard' || url.startsWith('/dashboard/')
/** Nor is where metadata would be if the issuer had a path. */
const elsewhere = ['/.well-known/oauth-authorization-server/*', '/.well-known/openid-configuration/*']
/** A proxy asks by the method of its caller; GET stands for all of them. */
const anyMethod = (url: string): boolean => url.startsWith('/api/v1/forward-auth/')

tap.test('OC-01: the document is OpenAPI 3.1, valid for an independent validator, and public', async t => {
  t.equal(served.status, 200)
  t.equal(served.headers['content-type'], 'application/json; charset=utf-8')
  t.equal(document.openapi, '3.1.0')
  const { valid, errors } = await new Validator().validate(JSON.parse(served.text)) as {
    valid: boolean, errors?: unknown
  }
  t.ok(valid, JSON.stringify(errors))
})

tap.test('OC-01: every route is in the document, and the document has no others', async t => {
  const answers = await Promise.all((await routesOf(server.latchkey)).map(async route => ({
    ...route,
    refuses: route.method === 'OPTIONS' || (await server.send({ method: route.method, path: route.url })).status === 405
  })))
  const expected = answers.filter(({ method, url, refuses }) =>
    method !== 'HEAD' && !refuses && ![...parts, ...assets, ...elsewhere].includes(url) && !isScreen(url) &&
    (method === 'GET' || !anyMethod(url))
  )
    .map(({ method, url }) => `${method} ${url.replace(/:(\w+)/g, '{$1}').replace('*', '{path}')}`)
  t.strictSame(operations.map(({ method, path }) => `${method} ${path}`).sort(), expected.sort())
})

tap.test('OC-01: every operation says what it does and what it answers', async t => {
  const ids = new Set(operations.map(({ operationId }) => operationId))
  t.equal(ids.size, operations.length, 'no two have one name')
  for (const { method, path, operationId, summary, tags, responses, security } of operations) {
    const route = `${method} ${path}`
    t.match(operationId, /^[a-z][A-Za-z0-9]+$/, `${route} has a name`)
    t.ok(typeof summary === 'string' && summary.length > 3, `${route} has a summary: give its schema one`)
    t.ok(tags.length > 0, `${route} stands in a group`)
    t.ok(Array.isArray(security), `${route} says how to authenticate`)
    const successes = Object.entries(responses as Json).filter(([status]) => Number(status) < 400)
    if (!path.endsWith('/oauth/authorize')) {
      t.ok(successes.length > 0, `${route} says what it answers: give its schema a response`)
    }
    for (const [status, response] of successes) {
      const schemas = Object.values(response.content ?? {}).map((media: any) => media.schema)
      t.ok(
        ['204', '303'].includes(status) || /\/(revoke|backchannel-logout)$/.test(path) || anyMethod(path) || schemas.some(schema =>
          schema !== undefined && Object.keys(schema).length > 0
        ),
        `${route} has a schema for ${status}`
      )
    }
  }
})

tap.test('OC-01: neither two schemas share a title nor two operations a name', async t => {
  const described = { issuer: server.issuer, version: '1', tokenUrl: server.issuer, scopes: [] }
  const made = (...schemas: Json[]) => () => openApiDocument(
    described, schemas.map((schema, i) => ({ method: 'GET', url: `/route${i}`, schema, config: {} }) as never)
  )
  const titled = (of: Json) => ({ response: { 200: Type.Object(of, { title: 'Same' }) } })
  const text = { name: Type.String() }
  t.ok('Same' in made(titled(text), titled(text))().components.schemas)
  t.throws(made(titled(text), titled({ count: Type.Integer() })), { message: /different schemas have the title Same/ })
  t.throws(made({ operationId: 'same' }, { operationId: 'same' }), { message: /Two operations are called same/ })
})

tap.test('OC-01: a route that creates, and does not say so, answers nothing', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  app.post('/made', async (request, reply) => await created({} as never, request, reply, async () => ({ id: 'made' })))
  t.match(await app.inject({ method: 'POST', url: '/made' }), { statusCode: 500, body: /POST \/made creates without/ })
})

tap.test('OC-01: what stands in the document can be read by every tool', async t => {
  const look = (value: unknown, place: string): void => {
    if (typeof value !== 'object' || value === null) return
    const { pattern, enum: values, type } = value as Json
    if (typeof pattern === 'string') {
      t.notMatch(
        pattern, /\(\?|\\[pPbBdDsSwWk\d]/,
        `${place}: neither lookaround nor classes that dialects understand differently`
      )
      for (const flags of ['', 'u']) t.ok(new RegExp(pattern, flags), place)
    }
    if (Array.isArray(values)) t.ok(type !== undefined, `${place} has a type beside its enum`)
    for (const [name, each] of Object.entries(value)) {
      if (name !== 'example' && name !== 'examples') look(each, `${place}/${name}`)
    }
  }
  look(document, '')
  const instances = JSON.stringify(document)
  t.ok(instances.includes('"format":"date-time"') && instances.includes('"format":"date"'))
})

tap.test('OC-01: every request body is a component of its own name, and every group and operation is described', async t => {
  for (const { operationId, requestBody, description } of operations) {
    for (const [type, { schema }] of Object.entries((requestBody?.content ?? {}) as Json)) {
      t.match(schema.$ref, /^#\/components\/schemas\/\w+$/, `${operationId} ${type}`)
      t.ok(schema.$ref.split('/').at(-1) in document.components.schemas, schema.$ref)
    }
    // Beyond the sentence that names the scopes.
    t.ok(
      typeof description === 'string' && !/^Needs `/.test(description), `${operationId} is described: ${description}`
    )
  }
  for (const { name, description } of document.tags) {
    t.ok(typeof description === 'string' && description.length > 10, `${name} is described`)
  }
  t.strictSame(
    Object.keys(document.components.schemas).filter(name => ['Client', 'Server', 'Request', 'Response'].includes(name)),
    [], 'generators have classes of these names'
  )
})

tap.test('OC-01: parameters are what routes take', async t => {
  const parameters = operations.flatMap(({ operationId, parameters = [] }) =>
    (parameters as Json[]).map(each => ({ operationId, ...each }) as Json)
  )
  const named = (name: string) => parameters.filter(each => each.name === name)
  t.ok(named('limit').length > 15)
  for (const { operationId, schema } of named('limit')) {
    t.strictSame(schema, { type: 'integer', minimum: 1, maximum: 200, default: 100 }, operationId)
  }
  for (const { operationId, schema } of [...named('cursor'), ...named('If-Match'), ...named('Idempotency-Key')]) {
    t.ok(schema.pattern, operationId)
  }
  for (const { operationId, name, schema } of [...named('from'), ...named('until'), ...named('to')]) {
    t.match(schema.format, /^date(-time)?$/, `${operationId} ${name}`)
  }
  for (const { operationId, schema } of [...named('dryRun'), ...named('force'), ...named('enabled')]) {
    t.equal(schema.type, 'boolean', operationId)
  }
  const { admin } = server
  for (const limit of ['1', '200', '007']) {
    t.equal((await admin('GET', `/clients?limit=${encodeURIComponent(limit)}`)).status, 200, limit)
  }
  for (const limit of ['0', '201', '1.0', '1e1', ' 1', '', '-1', '١', '0000001', 'true']) {
    t.match(await admin('GET', `/clients?limit=${encodeURIComponent(limit)}`), {
      status: 400, json: { details: { field: 'limit' } }
    }, limit)
  }
  for (const flag of ['1', 'yes', '', 'TRUE']) {
    t.match(
      await admin('GET', `/policies?enabled=${flag}`), { status: 400, json: { details: { field: 'enabled' } } }, flag
    )
  }
  for (const tag of ['3', '"3', '"3""4"', '']) {
    const answer = await server.send({
      method: 'DELETE',
      path: '/api/v1/clients/cli_none',
      headers: { authorization: `Bearer ${server.adminToken}`, 'if-match': tag }
    })
    t.match(answer, { status: 400, json: { error: /If-Match must be/, details: { field: 'if-match' } } }, tag)
  }
})

tap.test('OC-01: the document demands an organization where the admin token has to name one; a confined credential may leave it out', async t => {
  const creations = operations.filter(({ requestBody }) => {
    const [media] = Object.values((requestBody?.content ?? {}) as Json)
    const schema = document.components.schemas[String(media?.schema.$ref).split('/').at(-1)!]
    const description = schema?.properties?.organization?.description
    return description?.startsWith('The organization that it belongs to. A credential')
  })
  t.strictSame(creations.map(({ operationId }) => operationId).sort(), [
    'createApiKey', 'createClient', 'createClientApproval', 'createEmailDomain', 'createGroup', 'createInvitation',
    'createMcpServer',
    'createMember', 'createProviderKey', 'createPublishableKey', 'createRegistrationToken', 'createThirdPartySource',
    'createTrustedIssuer',
    'createTrustedProvider', 'importApiKey'
  ])
  for (const { operationId, requestBody } of creations) {
    const { schema } = requestBody.content['application/json']
    t.ok(document.components.schemas[schema.$ref.split('/').at(-1)!].required.includes('organization'), operationId)
  }
  const body = { name: 'g', scopes: [] }
  t.match(await server.admin('POST', '/groups', body), {
    status: 400, json: { error: /Name the organization/, details: { field: 'organization' } }
  })
  const { id: organization } = await server.createOrganization()
  const { key } = await server.createKey({ organization, resource: `${server.issuer}/api/v1`, scopes: ['groups:*'] })
  const asKey = (sent: Json) =>
    server.send({ method: 'POST', path: '/api/v1/groups', headers: { 'x-api-key': key }, body: sent })
  t.match(await asKey(body), { status: 201, json: { organization } })
  t.match(await asKey({ ...body, organization }), { status: 201, json: { organization } })
  t.match(await asKey({ ...body, organization: null }), { status: 400, json: { details: { field: 'organization' } } })
  t.match(await asKey({ ...body, organization: 'org_other' }), { status: 404 })
})

tap.test('OC-01: operations name their scopes, ways to authenticate, and refusals with their codes', async t => {
  const { securitySchemes } = document.components
  const known = new Set(managementScopes.map(({ name }) => name))
  for (const { operationId, security, path } of operations) {
    for (const [scheme, scopes] of security.flatMap((each: Json) => Object.entries(each))) {
      t.ok(scheme in securitySchemes, `${operationId}: ${scheme}`)
      for (const scope of scopes) t.ok(known.has(scope), `${operationId}: ${scope}`)
    }
    if (security.some((each: Json) => 'apiKey' in each)) t.ok(path.startsWith('/api/v1/'))
  }
  const grantable = managementScopes.filter(({ keyOnly }) => !keyOnly).map(({ name }) => name)
  t.strictSame(Object.keys(securitySchemes.oauth2.flows.clientCredentials.scopes).sort(), grantable.sort())
  t.equal(securitySchemes.oauth2.flows.clientCredentials.tokenUrl, `${server.issuer}/api/v1/auth/token`)
  const codesOf = (operationId: string, status: number): string[] => {
    const name = operations.find(each => each.operationId === operationId)!.responses[status].$ref.replace(
      '#/components/responses/', ''
    )
    return document.components.responses[name].content['application/json'].schema.allOf[1].properties.code.enum
  }
  t.strictSame(codesOf('updateClient', 409), [
    'ORGANIZATION_NOT_ACTIVE', 'CREDENTIAL_DISABLED', 'CREDENTIAL_REVOKED', 'CONFLICT'
  ])
  t.strictSame(codesOf('updateClient', 404), ['NOT_FOUND'])
  t.strictSame(codesOf('getClient', 403), ['INSUFFICIENT_PERMISSIONS', 'ORGANIZATION_SUSPENDED'])
  const stated = new Set(
    operations.flatMap(({ operationId, responses }) =>
      Object.entries(responses as Json).filter(([, each]) => each.$ref !== undefined).flatMap(([status]) =>
        codesOf(operationId, Number(status))
      )
    )
  )
  for (
    const code of [
      'INVALID_REQUEST', 'UNAUTHORIZED', 'INTERNAL', 'STORAGE_UNAVAILABLE', 'PAYLOAD_TOO_LARGE',
      'UNSUPPORTED_MEDIA_TYPE'
    ] satisfies Uppercase<keyof typeof failures>[]
  ) t.ok(stated.has(code), code)
})

tap.test('OC-01: creations take an Idempotency-Key and changes an If-Match, and say what those can end in', async t => {
  for (
    const { method, operationId, parameters = [], responses } of operations.filter(each =>
      each.security.some((way: Json) => 'apiKey' in way)
    )
  ) {
    const headers = (parameters as Json[]).filter(each => each.in === 'header' && each.required === false).map((
      { name }
    ) => name)
    t.equal(headers.includes('Idempotency-Key'), 201 in responses || operationId === 'rotateClientSecret', operationId)
    t.equal(422 in responses, headers.includes('Idempotency-Key'), operationId)
    if (method === 'PATCH' || method === 'DELETE' || operationId.startsWith('revoke')) {
      t.ok(headers.includes('If-Match'), operationId)
    }
    if (method === 'GET') t.strictSame(headers, [], operationId)
    t.equal(412 in responses, headers.includes('If-Match'), operationId)
  }
  t.notOk(
    operations.find(({ operationId }) => operationId === 'grantCredits')!.parameters.some((each: Json) =>
      each.name === 'If-Match'
    ),
    'an account is added to, whatever the organization is by now'
  )
})

tap.test('OC-01: every example is what its schema says', async t => {
  const ajv = new Ajv2020({ strict: false })
  addFormats.default(ajv)
  ajv.addSchema({ $id: 'openapi', ...document })
  const look = (value: unknown, pointer: string): void => {
    if (typeof value !== 'object' || value === null) return
    const { schema, example, examples } = value as Json
    const shown = schema === undefined
      ? []
      : example !== undefined
        ? [example]
        : Object.values(examples ?? {}).map((each: any) => each.value)
    for (const each of shown) {
      const validate = ajv.compile({ $ref: `openapi#${pointer}/schema` })
      t.ok(validate(each), `${decodeURIComponent(pointer)}: ${JSON.stringify(validate.errors)} ${JSON.stringify(each)}`)
    }
    for (const [name, each] of Object.entries(value)) {
      look(each, `${pointer}/${encodeURIComponent(name.replaceAll('~', '~0').replaceAll('/', '~1'))}`)
    }
  }
  look(document.paths, '/paths')
  look(document.components.responses, '/components/responses')
})

tap.test('a schema describes an answer and never changes it', async t => {
  const app = Fastify(serverOptions({ logLevel: 'silent', trustProxy: [] }))
  t.teardown(() => app.close())
  const response = { 200: Type.Object({ b: Type.Integer(), a: Type.String() }) }
  await app.register(async context => {
    await server.latchkey.routes(context, {})
    context.get('/probe', { schema: { response } }, () => ({ a: 1, b: '2', more: new Date(0) }))
  })
  t.equal((await app.inject('/probe')).body, '{"a":1,"b":"2","more":"1970-01-01T00:00:00.000Z"}')
})

tap.test('D1: nothing that a request says bends the document, the page or llms.txt', async t => {
  t.strictSame(document.servers, [{ url: server.issuer }])
  const bends: Outgoing['headers'][] = [
    { host: 'evil.example' },
    { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', 'x-forwarded-prefix': '/evil' },
    { forwarded: 'host=evil.example;proto=https' },
    { origin: 'https://evil.example' }
  ]
  for (const path of ['/api/v1/openapi.json', '/reference', '/reference/start.js', '/llms.txt']) {
    const { text } = await server.send({ path })
    for (const headers of bends) t.equal((await server.send({ path, headers: headers! })).text, text, path)
  }
})

tap.test('the reference page loads nothing from another host, and its policy would not let it', async t => {
  const page = await server.send({ path: '/reference' })
  t.equal(page.status, 200)
  t.equal(
    page.headers['content-security-policy'],
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action " +
      "'none'; base-uri 'none'; frame-ancestors 'none'"
  )
  const links = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(match => match[1]!)
  t.strictSame(
    links.filter(link => link.startsWith('/')).sort(), ['/api/v1/openapi.json', '/llms.txt', ...parts].sort()
  )
  t.strictSame(links.filter(link => !link.startsWith('/')), ['data:,'])
  t.notMatch(page.text, /<script[^>]*>[^<]|style=|onload=/, 'nothing within the page that a policy would have to allow')
  for (const path of parts) {
    const part = await server.send({ path })
    t.equal(part.status, 200, path)
    t.equal(
      part.headers['content-type'], path.endsWith('.css') ? 'text/css; charset=utf-8' : 'text/javascript; charset=utf-8'
    )
  }
  t.match(
    (await server.send({ path: '/reference/start.js' })).text, /"url":"\/api\/v1\/openapi\.json".*"validatorUrl":null/
  )
  for (const name of ['package.json', '..%2fpackage.json', 'swagger-ui-bundle.js.map']) {
    t.equal((await server.send({ path: `/reference/${name}` })).status, 404)
  }
})

tap.test('OC-01: a client made from the document performs the management journey, and every answer is what the document says', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-client-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'api.d.ts'), astToString(await openapiTS(served.text)))
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({
      extends: join(root, 'tsconfig.json'),
      compilerOptions: {
        paths: { 'latchkey-api': [join(folder, 'api.d.ts')] }, typeRoots: [join(root, 'node_modules/@types')]
      },
      files: [join(root, 'test/generated-client/journey.ts')],
      include: [],
      exclude: []
    })
  )
  t.strictSame(
    await run(join(root, 'node_modules/typescript/bin/tsc'), '-p', folder), { code: 0, output: '' },
    'it compiles, but for what must not'
  )

  const judge = judgeOf(document)
  const judged: string[] = []
  const { journey } = await import(pathToFileURL(join(root, 'test/generated-client/journey.ts')).href)
  const types = await journey(server.url, server.adminToken, async (request: Request, response: Response) => {
    const said = judge(request.method, new URL(request.url).pathname, {
      status: response.status, headers: Object.fromEntries(response.headers), text: await response.text()
    })
    t.strictSame(said, [], `${request.method} ${request.url}`)
    judged.push(request.method)
  })
  t.ok(judged.length >= 17)
  for (
    const type of [
      'organization.created', 'client.created', 'api_key.created', 'api_key.updated', 'api_key.rotated',
      'api_key.revoked', 'client.revoked'
    ]
  ) t.ok(types.includes(type), type)
})

function run (...parameters: string[]): Promise<{ code: number | null, output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, parameters, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => { output += chunk })
    child.on('error', reject)
    child.on('close', code => { resolve({ code, output }) })
  })
}

tap.test('OC-01: the document tells what groups, policies and the OAuth endpoints refuse with', async t => {
  const { admin, createClient, send } = server
  const made = async (path: string, body: Json) => (await admin('POST', path, body)).json
  const judge = judgeOf(document)
  const announced = async (method: string, path: string, body: Json | undefined, code: string) => {
    const answer = await admin(method, path, body)
    t.equal(answer.json.code, code, `${method} ${path}`)
    t.strictSame(judge(method, `/api/v1${path}`, answer), [], `${method} ${path} ${code}`)
  }
  const { id: organization } = await server.createOrganization()
  const client = await createClient({ organization })
  const member = await made('/members', { organization, name: 'Ada', role: 'admin' })
  const group = await made('/groups', { organization, name: 'g', scopes: [] })
  await made('/policies', {
    organization, name: 'p', effect: 'deny', enabled: false, conditions: { groups: [group.id] }
  })
  await announced('POST', '/groups', { organization: 'org_none', name: 'g', scopes: [] }, 'NOT_FOUND')
  await announced('DELETE', `/groups/${group.id}`, undefined, 'CONFLICT')
  await admin('DELETE', `/members/${member.id}`)
  await announced('PUT', `/groups/${group.id}/members/${member.id}`, undefined, 'CREDENTIAL_REVOKED')
  await announced('POST', '/policies', { organization: 'org_none', name: 'p', effect: 'deny' }, 'NOT_FOUND')
  await announced('POST', '/policies', {
    organization, name: 'p', effect: 'deny', conditions: { resources: ['res_none'] }
  }, 'UNKNOWN_RESOURCE')
  await announced('POST', '/policies', {
    organization, name: 'p', effect: 'deny', conditions: { addresses: ['nowhere'] }
  }, 'INVALID_ALLOWLIST')
  await server.createKey({ organization, resource: `${server.issuer}/api/v1`, scopes: ['policies:*'] })
  await announced('POST', '/policies', { organization, name: 'p', effect: 'deny' }, 'WOULD_LOCK_OUT')
  await admin('POST', `/organizations/${organization}/suspend`, {})
  await announced('POST', '/groups', { organization, name: 'g', scopes: [] }, 'ORGANIZATION_NOT_ACTIVE')
  await announced('POST', '/policies', { organization, name: 'p', effect: 'deny' }, 'ORGANIZATION_NOT_ACTIVE')
  for (const path of ['/oauth/revoke', '/oauth/introspect', '/auth/token']) {
    const form = new URLSearchParams({
      token: 'x', grant_type: 'client_credentials', client_id: client.clientId, client_secret: client.clientSecret
    })
    const answer = await send({ method: 'POST', path: `/api/v1${path}`, body: form })
    t.equal(answer.json.error, 'unauthorized_client', path)
    t.strictSame(judge('POST', `/api/v1${path}`, answer), [], path)
  }
})
