/** OC-19: skill bundles over HTTP: published, verified by a program that is not ours, listed, yanked. */
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { skillFile, tar, tarGz, zip } from '../support/archives.ts'
import { foreignProgram } from '../support/foreign-programs.ts'
import { MovableClock, startOnEachDatabase, type Json, type TestServer } from '../support/test-server.ts'

const clock = new MovableClock()
clock.stop()
const { servers, close } = await startOnEachDatabase({ clock })
tap.teardown(close)

const management = (server: TestServer) => `${server.issuer}/api/v1`
const python = foreignProgram('python3', 'https://www.python.org')
const verifier = join(import.meta.dirname, '../judges/skill-verifier.py')

const files = [
  { name: 'pdf-forms/SKILL.md', content: skillFile() }, { name: 'pdf-forms/scripts/fill.py', content: 'print(1)\n' }
]

async function publish (
  server: TestServer, archive: Buffer, query: string, headers: Record<string, string> = {}
): Promise<{ status: number, json: Json }> {
  const credential: Record<string, string> = 'x-api-key' in headers
    ? {}
    : { authorization: `Bearer ${server.adminToken}` }
  const answer = await server.send({
    method: 'POST',
    path: `/api/v1/skills?${query}`,
    body: archive,
    headers: { 'content-type': 'application/octet-stream', ...credential, ...headers }
  })
  return { status: answer.status, json: answer.json }
}

async function download (server: TestServer, id: string, authorization = `Bearer ${server.adminToken}`) {
  const answer = await fetch(`${management(server)}/skills/${id}/archive`, { headers: { authorization } })
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) }
}

/** What the verifier prints, and its exit code. */
async function judged (archive: string, record: string, jwks: string): Promise<{ code: number, text: string }> {
  return await new Promise(resolve => {
    execFile(python.path, [verifier, archive, record, jwks], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : 1, text: (stdout + stderr).trim().split('\n').at(-1) ?? '' })
    })
  })
}

for (const { name: database, server } of servers) {
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

  tap.test(`OC-19: a bundle is published with its digest and signature, and downloaded as it was sent [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const archives = [['zip', zip(files)], ['tar', tar(files)], ['tar.gz', tarGz(files)]] as const
    for (const [i, [format, archive]] of archives.entries()) {
      const published = await publish(server, archive, `organization=${organization}&version=1.${i}.0`)
      t.equal(published.status, 201)
      const { id, signature, ...record } = published.json
      t.strictSame(record, {
        organization,
        name: 'pdf-forms',
        version: `1.${i}.0`,
        description: 'Fills in PDF forms.',
        license: null,
        compatibility: null,
        allowedTools: null,
        metadata: {},
        format,
        digest: `sha256:${sha256(archive)}`,
        size: archive.length,
        unpackedSize: skillFile().length + 9,
        files: 2,
        status: 'active',
        yankedAt: null,
        yankedReason: null,
        publishedBy: 'admin',
        createdAt: clock.now().toISOString(),
      })
      t.match(id, /^skl_/)
      t.match(signature, /^[\w-]+\.\.[\w-]+$/)
      const { status, bytes, headers } = await download(server, id)
      t.equal(status, 200)
      t.ok(bytes.equals(archive), 'the same bytes')
      t.equal(headers.get('repr-digest'), `sha-256=:${Buffer.from(sha256(bytes), 'hex').toString('base64')}:`)
      t.equal(headers.get('content-disposition'), `attachment; filename="pdf-forms-1.${i}.0.${format}"`)
      t.equal(headers.get('x-content-type-options'), 'nosniff')
      clock.advance(1)
    }
  })

  tap.test(`OC-19: a verifier of 20 lines that is not ours takes a good bundle, and no tampered one [${database}]`, python, async t => {
    const { id: organization } = await server.createOrganization()
    const archive = tarGz(files)
    const { json: { id } } = await publish(server, archive, `organization=${organization}&version=2.0.0`)
    const folder = t.testdir()
    const path = (name: string) => join(folder, name)
    const jwks = async () => {
      const { text } = await server.send({ path: '/.well-known/jwks.json' })
      await writeFile(path('jwks.json'), text)
    }
    const record = async (name: string, change: Json = {}) => {
      const { json } = await server.admin('GET', `/skills/${id}`)
      await writeFile(path(name), JSON.stringify({ ...json, ...change }))
      return json
    }
    await jwks()
    const before = await record('good.json')
    await writeFile(path('bundle'), (await download(server, id)).bytes)
    t.strictSame(await judged(path('bundle'), path('good.json'), path('jwks.json')), { code: 0, text: 'verified' })

    const tampered = Buffer.from(archive)
    tampered[tampered.length - 1]! ^= 1
    await writeFile(path('tampered'), tampered)
    t.strictSame(
      await judged(path('tampered'), path('good.json'), path('jwks.json')), { code: 1, text: 'refused: digest' }
    )
    for (const change of [
      { digest: `sha256:${sha256(tampered)}` }, { version: '2.0.1' }, { name: 'pdf-form' },
      { organization: 'org_other' }
    ]) {
      await record('changed.json', change)
      const bundle = 'digest' in change ? 'tampered' : 'bundle'
      t.match(await judged(path(bundle), path('changed.json'), path('jwks.json')), { code: 1, text: /^refused/ })
    }

    await server.admin('POST', '/signing-keys/rotate', {})
    clock.advance(86_400)
    await jwks()
    t.match(
      await judged(path('bundle'), path('good.json'), path('jwks.json')), { code: 1, text: 'refused: unknown kid' },
      'the key of the old signature is not published any more: never taken unverified'
    )
    const after = await record('anew.json')
    t.not(after.signature.split('.')[0], before.signature.split('.')[0], 'another kid')
    t.strictSame(await judged(path('bundle'), path('anew.json'), path('jwks.json')), { code: 0, text: 'verified' })
  })

  tap.test(`OC-19: a version is one of SemVer 2.0 [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const statusOf = async (version: string) => (await publish(
      server, zip(files), `organization=${organization}&version=${encodeURIComponent(version)}`
    )).status
    for (const version of ['1.0.0-0', '1.0.0-alpha.1', '1.0.0-0a.-', '1.0.0-x+001', '1.0.0+21AF.--']) {
      t.equal(await statusOf(version), 201, version)
    }
    const others = ['1.0.0-..', '1.0.0-a..b', '1.0.0-01', '1.0.0-a.01', '1.0.0+..', '1.0.0+a.', '1.0.0-', '1.0.0+a+b']
    for (const version of others) t.equal(await statusOf(version), 400, version)
  })

  tap.test(`OC-19: a version is never overwritten; a yanked one stays readable by its exact version, marked [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const query = `organization=${organization}&version=1.0.0`
    const first = await publish(server, zip(files), query)
    const same = await publish(server, zip(files), query)
    t.equal(same.status, 409)
    t.match(same.json.error, /published on .* with this content; a version never changes/)
    const other = await publish(server, tar(files), query)
    t.match(other.json, { code: 'CONFLICT', details: { id: first.json.id } })
    t.match(other.json.error, /with another content/)

    clock.advance(1)
    const yanked = await server.admin('POST', `/skills/${first.json.id}/yank`, { reason: 'leaks names' })
    t.match(yanked.json, { status: 'yanked', yankedReason: 'leaks names', yankedAt: clock.now().toISOString() })
    clock.advance(1)
    const again = await server.admin('POST', `/skills/${first.json.id}/yank`, { reason: 'another' })
    t.strictSame(again.json, yanked.json, 'idempotent')
    t.equal((await publish(server, tar(files), query)).status, 409, 'a yanked version is not free')
    const read = await server.admin('GET', `/skills/pdf-forms@1.0.0?organization=${organization}`)
    t.match(read.json, { id: first.json.id, status: 'yanked' })
    const twice = await server.admin('GET', `/skills/pdf-forms@1.0.0@1?organization=${organization}`)
    t.equal(twice.status, 404, 'two versions are none')
    const nowhere = await server.admin('GET', '/skills/pdf-forms@1.0.0')
    t.match([nowhere.status, nowhere.json], [400, { code: 'INVALID_REQUEST', details: { field: 'organization' } }])
    const { bytes, headers } = await download(server, first.json.id)
    t.ok(bytes.equals(zip(files)))
    t.equal(headers.get('latchkey-skill-status'), 'yanked')

    await publish(server, tar(files), `organization=${organization}&version=1.0.1`)
    const listed = async (filter: string) =>
      (await server.admin('GET', `/skills?organization=${organization}${filter}`)).json.data
        .map(({ version }: Json) => version)
    t.strictSame(await listed(''), ['1.0.1', '1.0.0'])
    t.strictSame(await listed('&status=active'), ['1.0.1'])
    t.strictSame(await listed('&status=yanked&name=pdf-forms'), ['1.0.0'])
    t.strictSame(await listed('&name=other'), [])
    const events = (await server.admin('GET', `/audit?subject=${first.json.id}`)).json.data
    t.strictSame(events.map(({ type }: Json) => type), ['skill.yanked', 'skill.published'])
    t.match(events[1].detail, { name: 'pdf-forms', version: '1.0.0', digest: first.json.digest })
  })

  tap.test(`OC-19: reading takes skills:read and publishing skills:write; others see nothing [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const key = async (scopes: string[], owner = organization) =>
      (await server.createKey({ organization: owner, resource: management(server), scopes })).key
    const writer = { 'x-api-key': await key(['skills:write']) }
    const reader = { 'x-api-key': await key(['skills:read']) }
    const other = (await server.createOrganization()).id
    const stranger = { 'x-api-key': await key(['skills:read', 'skills:write'], other) }
    t.equal((await publish(server, zip(files), 'version=1.0.0', reader)).status, 403)
    const { status, json } = await publish(server, zip(files), 'version=1.0.0', writer)
    t.equal(status, 201, 'its own organization, which it need not name')
    t.equal(json.organization, organization)
    const read = async (headers: Record<string, string>, path: string) =>
      (await server.send({ path: `/api/v1/skills${path}`, headers })).status
    for (const path of [`/${json.id}`, '/pdf-forms@1.0.0', `/${json.id}/archive`]) {
      t.equal(await read(reader, path), 200, path)
      t.equal(await read(writer, path), 403, path)
      t.equal(await read(stranger, path), 404, path)
    }
    t.equal(await read(stranger, `/pdf-forms@1.0.0?organization=${organization}`), 404)
    const foreign = await publish(server, zip(files), `version=1.0.1&organization=${organization}`, stranger)
    t.equal(foreign.status, 404)
    t.equal((await publish(server, zip(files), 'version=1.0.1')).status, 400, 'a deployment-wide credential names it')
  })

  tap.test(`OC-19: a retried publication is one, by its Idempotency-Key [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const query = `organization=${organization}&version=1.0.0`
    const once = { 'idempotency-key': 'a-publication' }
    const first = await publish(server, zip(files), query, once)
    t.equal(first.status, 201)
    t.strictSame(await publish(server, zip(files), query, once), first)
    t.match(await publish(server, tar(files), query, once), { status: 422, json: { code: 'IDEMPOTENCY_KEY_REUSED' } })
  })

  tap.test(`OC-19: a row that was changed in the database is neither signed nor handed out [${database}]`, async t => {
    const { id: organization } = await server.createOrganization()
    const { json: { id } } = await publish(server, zip(files), `organization=${organization}&version=1.0.0`)
    const { json: other } = await publish(server, tar(files), `organization=${organization}&version=1.0.1`)
    const { store } = server.latchkey.operation
    const [bundle, donor] = [await store.skillBundles.get(id), await store.skillBundles.get(other.id)]
    t.equal((await download(server, id)).status, 200)
    await store.transaction(async tx => {
      await tx.skillBundles.reseal({ id, from: bundle!.seal, to: donor!.seal, sealedBy: bundle!.sealedBy })
    })
    for (const path of [`/skills/${id}`, `/skills/${id}/archive`]) {
      t.match(await server.admin('GET', path), { status: 500, json: { code: 'RECORD_ALTERED' } })
    }
  })
}
