/** One rule for the query on every route of the management API: unknown parameters and credentials are refused. */
import tap from 'tap'
import { exampleOf, type Schema } from '../../src/management/documentation/examples.ts'
import { startServer, type Answer, type Json } from '../support/test-server.ts'

interface Operation {
  requestBody?: { content: Record<string, { schema: Schema }> },
  parameters?: { in: string, name: string }[],
  security?: Json[]
}
interface Call {
  method: string, path: string, body?: Json, operation: Operation
}

const server = await startServer()
tap.teardown(server.close)
const { send, admin, issuer } = server
const document = (await send({ path: '/api/v1/openapi.json' })).json as {
  paths: Record<string, Record<string, Operation>>, components: { schemas: Record<string, Schema> }
}

/** Every route that takes a credential, with a valid body. */
const calls: Call[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, operation]) => {
    if (
      !path.startsWith('/api/v1/') || /^\/api\/v1\/((oauth|auth|guard)\/|verify$)/.test(path) ||
      (operation.security ?? []).length === 0 || operation.security!.some((way: Json) => 'clientBasic' in way)
    ) return []
    const schema = operation.requestBody?.content['application/json']?.schema
    return [{
      method: method.toUpperCase(),
      path: path.replace(/\{\w+\}/g, 'nothing'),
      operation,
      ...(schema === undefined ? {} : { body: exampleOf(resolved(schema)) as Json })
    }]
  })
)

/** The document defines shapes that several routes share in one place. */
function resolved (schema: Schema): Schema {
  if (typeof schema.$ref === 'string') return resolved(document.components.schemas[schema.$ref.split('/').at(-1)!]!)
  return JSON.parse(JSON.stringify(schema), (_, value) => typeof value?.$ref === 'string' ? resolved(value) : value)
}

async function ask ({ method, path, body }: Call, query: string, headers: Record<string, string>): Promise<Answer> {
  return await send({ method, path: `${path}?${query}`, headers, ...(body === undefined ? {} : { body }) })
}

/** What a query cannot do without. */
const neededBy: Readonly<Record<string, string>> = {
  'POST /api/v1/skills': 'version=1.0.0&', 'GET /api/v1/spend/sums': 'by=day&'
}

const asAdmin = { authorization: `Bearer ${server.adminToken}` }

tap.test('S4: an unknown parameter of the query is refused by name on every management route', async t => {
  t.ok(calls.length > 80, `${calls.length} routes`)
  const { key } = await server.createKey()
  const template = (await admin('POST', '/organization-templates', { name: 'x' })).json.id
  const partner = await server.createKey({
    resource: `${issuer}/api/v1`, scopes: ['portal-provision', 'portal-sso-mint'], portal: { template }
  })
  for (const call of calls) {
    const headers = call.path === '/api/v1/api-key'
      ? { 'x-api-key': key }
      : call.path.startsWith('/api/v1/portal/') ? { 'x-api-key': partner.key } : asAdmin
    for (
      const [query, field] of [['nothing=x', 'nothing'], ['nothing', 'nothing'], ['limitt=1', 'limitt'], [
        '__proto__=x', '__proto__'
      ], ['token=x', 'token']]
    ) {
      // What is missing is named first.
      const needed = neededBy[`${call.method} ${call.path}`] ?? ''
      const answer = await ask(call, needed + query!, headers)
      t.match(answer, { status: 400 }, `${call.method} ${call.path}?${query}: ${answer.text.slice(0, 200)}`)
      t.match(answer.json, { code: 'INVALID_REQUEST', details: { field } }, `${call.method} ${call.path}?${query}`)
    }
  }
  t.strictSame((await admin('GET', '/groups')).json.data, [], 'and nothing was made')
})

tap.test('S4: a credential in the query is refused on every management route, with the reason, and proves nothing', async t => {
  const { key } = await server.createKey({ resource: `${issuer}/api/v1`, scopes: ['*'] })
  for (const call of calls) {
    for (
      const [name, reason, text] of [['x-api-key', 'api_key_in_query', key], [
        'access_token', 'access_token_in_query', server.adminToken
      ], ['access_token', 'access_token_in_query', key]] as const
    ) {
      const answer = await ask(call, `${name}=${text}`, {})
      t.match(
        answer, { status: 401, json: { details: { reason } } },
        `${call.method} ${call.path}?${name}: ${answer.text.slice(0, 200)}`
      )
      t.match(answer.headers['www-authenticate'], /Credentials are not accepted in the query of a URL/)
      const beside = await ask(call, `${name}=${text}`, asAdmin)
      t.match(
        beside, { status: 400, json: { code: 'INVALID_REQUEST', details: { reason: 'several_credentials' } } },
        `${call.method} ${call.path}?${name} beside a good one`
      )
    }
  }
})
