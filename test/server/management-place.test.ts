/** The management API below another path, or nowhere: what moves with it, and what stays. */
import tap from 'tap'
import { signIn } from '../support/people.ts'
import { startServer } from '../support/test-server.ts'

const prefix = '/latchkey/v1'
const moved = await startServer({ bare: true, routes: { management: { prefix } } })
tap.teardown(moved.close)
const absent = await startServer({ bare: true, routes: { management: false } })
tap.teardown(absent.close)

const headers = { authorization: `Bearer ${moved.adminToken}` }

tap.test('below another path the management API is the same resource, and /api/v1 is free of it', async t => {
  const made = await moved.send({ method: 'POST', path: `${prefix}/organizations`, headers, body: { name: 'Acme' } })
  t.equal(made.status, 201)
  const { status, json } = await moved.send({
    method: 'POST',
    path: `${prefix}/access-tokens`,
    headers,
    body: { organization: made.json.id, name: 'automation', scopes: ['organizations:read'] }
  })
  t.equal(status, 201)
  const own = { authorization: `Bearer ${json.token as string}` }
  const principal = await moved.send({ path: `${prefix}/principal`, headers: own })
  t.equal(principal.json.resource, `${moved.issuer}/api/v1`)
  const [here, there] = [`${prefix}/organizations`, '/api/v1/organizations']
  t.equal((await moved.send({ path: here, headers: own })).status, 200)
  t.equal((await moved.send({ path: there, headers: own })).status, 404)
  const metadata = await moved.send({ path: '/.well-known/oauth-protected-resource/api/v1' })
  t.equal(metadata.json.resource, `${moved.issuer}/api/v1`)
})

tap.test('its document and the calls of the dashboard move with it; the OAuth endpoints stay', async t => {
  const { json } = await moved.send({ path: `${prefix}/openapi.json` })
  const paths = Object.keys(json.paths)
  t.ok(paths.includes(`${prefix}/organizations`))
  t.notOk(paths.includes('/api/v1/organizations'))
  t.ok(paths.includes('/api/v1/auth/token'))
  t.equal((await moved.send({ path: '/api/v1/openapi.json' })).status, 404)

  const organization = (await moved.send({
    method: 'POST', path: `${prefix}/organizations`, headers, body: { name: 'Globex' }
  })).json.id as string
  const { json: { id } } = await moved.send({
    method: 'POST', path: `${prefix}/members`, headers, body: { organization, name: 'Ada', role: 'owner' }
  })
  const { cookie } = await signIn(moved, id)
  const page = await moved.send({ path: '/dashboard/audit', headers: { cookie, accept: 'text/html' } })
  t.equal(page.status, 200)
  t.match(page.text, `href="${prefix}/audit/export?`)
  const keys = await moved.send({ path: '/dashboard/api-keys', headers: { cookie, accept: 'text/html' } })
  t.match(keys.text, 'API keys')
})

tap.test('without a management API there is no document and no dashboard; tokens are issued all the same', async t => {
  const own = { authorization: `Bearer ${absent.adminToken}` }
  const gone = ['organizations', 'principal', 'openapi.json'].map(name => `/api/v1/${name}`)
  for (const path of [...gone, '/dashboard', '/llms.txt']) {
    t.equal((await absent.send({ path, headers: own })).status, 404, path)
  }
  t.equal((await absent.send({ method: 'POST', path: '/api/v1/auth/token' })).json.error, 'invalid_client')
  t.equal((await absent.send({ path: '/.well-known/oauth-authorization-server' })).status, 200)
  t.equal((await absent.send({ path: '/healthz' })).status, 200)
})
