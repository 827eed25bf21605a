/** What OpenCrane states about its access API, statement by statement, over real HTTP and on both databases. */
import tap from 'tap'
import { startOnEachDatabase } from '../harness.ts'
import { routesOf } from '../security/routes.ts'

const { servers, close } = await startOnEachDatabase()
tap.teardown(close)

/** Where the specifications put it: documents under /.well-known. And what is for people. */
const elsewhere = /^\/(?:\.well-known\/|reference(?:\/|$)|llms\.txt$)/

for (const { name, server } of servers) {
  const { send, issuer } = server

  tap.test(`OC-01: everything is under /api/v1, and an OpenAPI 3.1 document made from the code says so [${name}]`, async t => {
    const { status, headers, json } = await send({ path: '/api/v1/openapi.json' })
    t.equal(status, 200)
    t.equal(headers['content-type'], 'application/json; charset=utf-8')
    t.equal(headers['cache-control'], 'public, max-age=300')
    t.equal(json.openapi, '3.1.0')
    t.strictSame(json.servers, [{ url: issuer }])
    t.strictSame(Object.keys(json.components.securitySchemes), ['apiKey', 'bearer', 'oauth2', 'clientBasic', 'registrationToken', 'registrationAccessToken'])
    const paths = Object.keys(json.paths)
    t.strictSame(paths.filter(path => !path.startsWith('/api/v1/') && !elsewhere.test(path)), [])
    t.strictSame((await routesOf(server.latchkey)).map(({ url }) => url).filter(url => !url.startsWith('/api/v1/') && !elsewhere.test(url)), [])

    const organization = await server.createOrganization()
    const { schema } = json.paths['/api/v1/organizations/{id}'].get.responses[200].content['application/json']
    const { required, properties } = json.components.schemas[schema.$ref.split('/').at(-1)]
    const answer = await server.admin('GET', `/organizations/${organization.id}`)
    t.strictSame(Object.keys(answer.json), required, 'what is sent is what is announced')
    t.strictSame(Object.keys(properties), required)
  })
}
