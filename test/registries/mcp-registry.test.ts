/** OC-19: the MCP servers of an organization in the shape of the official registry, judged by its own schema. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import tap from 'tap'
import { identifierNamed, registryName } from '../../src/domain/registries/registry-name.ts'
import { foreignProgram } from '../support/foreign-programs.ts'
import { MovableClock, startOnEachDatabase, type Json, type TestServer } from '../support/test-server.ts'

/** The official registry, whose Go module has the schema: no copy of it is kept here. */
const module = 'github.com/modelcontextprotocol/registry@v1.8.9'
const go = foreignProgram('go', 'https://go.dev/doc/install')

const clock = new MovableClock()
clock.stop()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)

function officialSchema (): ValidateFunction {
  const told = execFileSync(go.path, ['mod', 'download', '-json', module], { encoding: 'utf8' })
  const { Dir } = JSON.parse(told) as { Dir: string }
  const ajv = new Ajv({ strict: false })
  addFormats.default(ajv)
  const schema = readFileSync(join(Dir, 'internal/validators/schemas/2025-12-11.json'), 'utf8')
  return ajv.compile(JSON.parse(schema) as object)
}

/** Requests as VS Code sends them to the registry of `chat.mcp.gallery.serviceUrl`. */
const requestsOfVsCode = {
  first: (text: string) =>
    `/v0.1/servers?limit=50&version=latest${text === '' ? '' : `&search=${encodeURIComponent(text)}`}`,
  next: (cursor: string, limit = 50) => `/v0.1/servers?limit=${limit}&version=latest&cursor=${cursor}`,
  one: (name: string) => `/v0.1/servers/${encodeURIComponent(name)}/versions/latest`,
}

async function organizationWith (server: TestServer, host: string, paths: string[], more: Json = {}) {
  const { id: organization } = await server.createOrganization()
  const made: Json[] = []
  for (const path of paths) {
    const { status, json } = await server.admin('POST', '/mcp-servers', {
      organization,
      identifier: `https://${host}${path}`,
      name: `tools ${path}`.slice(0, 200).trim(),
      scopes: [{ name: 'orders:read' }, { name: 'orders:admin', keyOnly: true }],
      defaultScopes: ['orders:read'],
      ...more
    })
    if (status !== 201) throw new Error(JSON.stringify(json))
    made.push(json)
  }
  const get = async (path: string) => await server.admin('GET', `/organizations/${organization}/mcp-registry${path}`)
  return { organization, made, get }
}

for (const { name: database, server } of servers) {
  tap.test(`OC-19: a server is listed with its URL, scopes and registration endpoint [${database}]`, async t => {
    const { made: [resource], get } = await organizationWith(server, `mcp.${database}.acme.test`, ['/mcp'], {
      title: 'Acme tools', description: 'Looks up orders.', version: '2.1.0-beta.1'
    })
    t.match(resource, { title: 'Acme tools', version: '2.1.0-beta.1', registryName: `test.acme.${database}.mcp/mcp` })
    const at = clock.now().toISOString()
    const entry = {
      server: {
        $schema: 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json',
        name: `test.acme.${database}.mcp/mcp`,
        title: 'Acme tools',
        description: 'Looks up orders.',
        version: '2.1.0-beta.1',
        remotes: [{ type: 'streamable-http', url: resource!.identifier }],
        _meta: {
          'io.modelcontextprotocol.registry/publisher-provided': {
            authorizationServer: server.issuer,
            resourceMetadata: resource!.metadataUrl,
            scopes: ['orders:read'],
            defaultScopes: ['orders:read'],
            registrationEndpoint: `${server.issuer}/api/v1/oauth/register`,
          }
        }
      },
      _meta: {
        'io.modelcontextprotocol.registry/official': {
          status: 'active', statusChangedAt: at, publishedAt: at, isLatest: true
        }
      }
    }
    t.strictSame((await get('/v0.1/servers')).json, { servers: [entry], metadata: { count: 1 } })
    const name = encodeURIComponent(entry.server.name)
    t.strictSame((await get(`/v0.1/servers/${name}/versions`)).json, { servers: [entry], metadata: { count: 1 } })
    for (const version of ['latest', '2.1.0-beta.1']) {
      t.strictSame((await get(`/v0.1/servers/${name}/versions/${version}`)).json, entry)
    }
    t.match(await get(`/v0.1/servers/${name}/versions/2.0.0`), { status: 404, json: { error: 'Server not found' } })
    await server.admin('PATCH', `/mcp-servers/${resource!.id}`, { version: '2.1.0', title: null, description: null })
    const plain = (await get(`/v0.1/servers/${name}/versions/latest`)).json.server
    t.match(plain, { version: '2.1.0', title: 'tools /mcp', description: 'tools /mcp' })
    clock.advance(5)
    await server.admin('POST', `/mcp-servers/${resource!.id}/revoke`, {})
    t.equal((await get(`/v0.1/servers/${name}/versions/latest`)).status, 404)
    t.strictSame((await get('/v0.1/servers')).json, { servers: [], metadata: { count: 0 } })
    t.match((await get('/v0.1/servers?include_deleted=true')).json.servers[0]._meta, {
      'io.modelcontextprotocol.registry/official': { status: 'deleted', statusChangedAt: clock.now().toISOString() }
    })
  })

  tap.test(`OC-19: requests as VS Code sends them find, page and show every server; each answer fits the official schema [${database}]`, go, async t => {
    const isServerJson = officialSchema()
    const paths = [...Array.from({ length: 7 }, (_, i) => `/teams/${i}/mcp`), '', '/a_b?x=1', `/${'long'.repeat(60)}`]
    const { made, get } = await organizationWith(server, `gallery-${database}.example:8443`, paths)
    const names: string[] = made.map(({ registryName }) => registryName).sort()
    const valid = ({ json: { servers } }: { json: Json }) => {
      for (const { server: shown } of servers) t.ok(isServerJson(shown), shown.name, { errors: isServerJson.errors })
      return servers.map((entry: Json) => entry.server.name)
    }
    t.strictSame(valid(await get(requestsOfVsCode.first(''))), names)
    t.strictSame(
      valid(await get(requestsOfVsCode.first('TEAMS'))), names.filter(name => name.includes('teams')),
      'search in any case'
    )
    const seen: string[] = []
    for (let path = '/v0.1/servers?limit=3&version=latest'; path !== '';) {
      const answer = await get(path)
      seen.push(...valid(answer))
      const { nextCursor } = answer.json.metadata
      path = nextCursor === undefined ? '' : requestsOfVsCode.next(nextCursor, 3)
    }
    t.strictSame(seen, names)
    for (const name of names) t.equal((await get(requestsOfVsCode.one(name))).json.server.name, name)
    t.notOk(isServerJson({ name: 'no slash', description: 'x', version: '1' }), 'the schema refuses')
    t.equal((await get('/v0.1/servers?cursor=Zm9v.AAAAAAAAAAAAAAAAAAAAAA')).status, 400, 'a cursor of nobody')
    t.equal((await get('/v0.1/servers?version=9.9.9')).json.metadata.count, 0)
  })

  tap.test(`OC-19: a registry shows one organization to its own credentials alone [${database}]`, async t => {
    const { organization, made: [own] } = await organizationWith(server, `own-${database}.example`, ['/mcp'])
    const other = await organizationWith(server, `other-${database}.example`, ['/mcp'])
    const key = async (owner: string, scopes: string[]) =>
      (await server.createKey({ organization: owner, resource: `${server.issuer}/api/v1`, scopes })).key
    const read = async (secret: string, owner: string, name = '') =>
      (await server.withKey(secret, `/api/v1/organizations/${owner}/mcp-registry/v0.1/servers${name}`)).status
    const reader = await key(organization, ['mcp-servers:read'])
    t.equal(await read(reader, organization), 200)
    t.equal(await read(reader, other.organization), 404)
    t.equal(await read(reader, 'org_unknown'), 404)
    t.equal(await read(await key(organization, ['resources:read']), organization), 403)
    const foreign = encodeURIComponent(other.made[0]!.registryName)
    t.equal(await read(reader, organization, `/${foreign}/versions/latest`), 404)
    t.equal(await read(reader, organization, `/${encodeURIComponent(own!.registryName)}/versions/latest`), 200)
  })
}

tap.test('OC-19: the name of a server follows from its URL and leads back to it; no two share one', async t => {
  const expected: Record<string, string> = {
    'https://tools.acme.com/mcp': 'com.acme.tools/mcp',
    'https://tools.acme.com/': 'com.acme.tools/_',
    'https://tools.acme.com': 'com.acme.tools/_',
    'https://tools.acme.com/a/b': 'com.acme.tools/a__b',
    'https://tools.acme.com/a_b': 'com.acme.tools/a_5fb',
    'https://tools.acme.com/a//b': 'com.acme.tools/a____b',
    'https://tools.acme.com/a/': 'com.acme.tools/a__',
    'https://tools.acme.com//a': 'com.acme.tools/__a',
    'https://tools.acme.com/a?b=%2F': 'com.acme.tools/a_3fb_3d_252F',
    'https://tools.acme.com:8443/mcp': 'com.acme.tools/_p8443__mcp',
    'https://tools.acme.com/_p8443/mcp': 'com.acme.tools/_5fp8443__mcp',
    'http://localhost:3000/mcp': 'localhost/_http_p3000__mcp',
    'http://127.0.0.1/mcp': '1.0.0.127/_http__mcp',
    'https://[::1]/mcp': 'id.latchkey/res_1',
    'https://a_b.example/mcp': 'id.latchkey/res_1',
    [`https://a.example/${'x'.repeat(200)}`]: 'id.latchkey/res_1',
    'urn:mcp': 'id.latchkey/res_1',
    'https://latchkey.id/mcp': 'id.latchkey/res_1',
  }
  for (const [identifier, name] of Object.entries(expected)) {
    t.equal(registryName({ id: 'res_1', identifier }), name, identifier)
    const named = identifierNamed(name)
    if (name.startsWith('id.latchkey/')) t.strictSame(named, { id: 'res_1' })
    else t.equal(new URL((named as { identifier: string }).identifier).href, new URL(identifier).href)
  }
  for (const name of ['', '/', 'a', 'a/b/c', 'a b/c', 'x/%2e']) t.equal(identifierNamed(name), null, name)
})
