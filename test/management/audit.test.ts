/** The audit log over HTTP: who sees what, how it is exported and verified, and that every security event is in it. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import tap from 'tap'
import { auditEvent } from '../../src/domain/audit/event.ts'
import { systemActor } from '../../src/domain/core/actor.ts'
import { createOrganization } from '../../src/domain/tenancy/organization.ts'
import { hashOf } from '../../src/domain/audit/chain.ts'
import { behindTheServer, dropTriggers } from '../support/audit-tampering.ts'
import { databases } from '../support/databases.ts'
import { startServer, type Json } from '../support/test-server.ts'
import { newId } from '../../src/secrets/random.ts'
import { latchkeyCommand, run } from '../support/running-server.ts'
import { eventually } from '../support/waiting.ts'

const ready = await Promise.all(databases.map(async ({ name, fresh }) => {
  const database = await fresh()
  return { name, database, server: await startServer({ database: database.url }) }
}))

const lines = (text: string): Json[] =>
  text.trimEnd().split('\n').filter(line => line !== '').map(line => JSON.parse(line) as Json)

tap.test('L2: a verification goes on from the cursor of its answer, and from no other', async t => {
  const server = await startServer({ bare: true })
  t.teardown(server.close)
  const count = 100
  for (let i = 0; i < count; i++) await createOrganization(server.latchkey.operation, { name: `of many ${i}` })
  const answers: Json[] = []
  for (let cursor = '', next = true; next; cursor = `?cursor=${answers.at(-1)!.nextCursor}`) {
    const { status, json } = await server.admin('GET', `/audit/verify${cursor}`)
    t.match([status, json], [200, { fault: null, recovered: [] }])
    answers.push(json)
    next = json.nextCursor !== undefined
  }
  t.ok(answers.length > 1, `${answers.length} answers`)
  // Its first row, and the one in the chain of the deployment.
  t.ok(answers.reduce((sum, { checked }) => sum + checked, 0) >= 2 * count)
  const unmarked = answers[0]!.nextCursor.split('.')[0]
  t.match(await server.admin('GET', `/audit/verify?cursor=${unmarked}`), {
    status: 400, json: { details: { field: 'cursor' } }
  })
})

for (const { name, database, server } of ready) {
  const { admin, issuer, send, clock } = server
  tap.teardown(async () => {
    await server.close()
    await database.drop()
  })
  const rows = async (query: string): Promise<Json[]> => (await admin('GET', `/audit?${query}`)).json.data as Json[]
  const soon = async (query: string, count = 1) => await eventually(() => rows(query), found => found.length >= count)
  const managementKey = async (organization: string) =>
    (await server.createKey({ organization, resource: `${issuer}/api/v1`, scopes: ['audit:read'] })).key
  const command = async (...parameters: string[]) =>
    await run(process.execPath, [latchkeyCommand, ...parameters], {
      env: { ...server.environment, LATCHKEY_URL: server.url, LATCHKEY_TOKEN: server.adminToken }
    })

  tap.test(`the audit log is filtered by organization, actor, type and its beginning, subject and time [${name}]`, async t => {
    const organization = (await server.createOrganization('filtered')).id
    const key = await server.createKey({ organization })
    await admin('POST', `/api-keys/${key.id}/revoke`)
    const types = async (query: string) => (await rows(`organization=${organization}&${query}`)).map(({ type }) => type)
    t.strictSame(await types(''), ['api_key.revoked', 'api_key.created', 'organization.created'])
    t.strictSame(await types('type=api_key.'), ['api_key.revoked', 'api_key.created'])
    t.strictSame(await types('type=api_key.created'), ['api_key.created'])
    t.strictSame(await types(`subject=${organization}`), ['organization.created'])
    t.strictSame(await types('actor=admin&limit=1'), ['api_key.revoked'])
    t.strictSame(await types('actor=nobody'), [])
    const [newest] = await rows(`organization=${organization}`)
    t.strictSame(await types(`from=${newest!.createdAt}`), ['api_key.revoked'], 'from is included')
    t.strictSame(await types(`until=${newest!.createdAt}`), ['api_key.created', 'organization.created'], 'until is not')
    for (
      const query of [
        'type=nothing.', 'type=api_key', 'type=api_key.cre', 'type=%25', 'from=yesterday', 'until=2027-02-31T00:00:00Z',
        'chain=deployment'
      ]
    ) {
      t.match(await admin('GET', `/audit?${query}`), { status: 400 }, query)
      t.match(await admin('GET', `/audit/export?${query}`), { status: 400 }, query)
    }
  })

  tap.test(`an organization sees, exports and counts its own rows only [${name}]`, async t => {
    const [mine, other] = [(await server.createOrganization('mine')).id, (await server.createOrganization('other')).id]
    for (let i = 0; i < 3; i++) await admin('PATCH', `/organizations/${other}`, { name: `busy ${i}` })
    const headers = { 'x-api-key': await managementKey(mine) }
    const own = lines((await send({ path: '/api/v1/audit/export', headers })).text)
    t.strictSame(own.map(({ chain, sequence, type }) => [chain, sequence, type]), [[mine, 1, 'organization.created'], [
      mine, 2, 'api_key.created'
    ]], 'numbers that tell nothing of others')
    t.strictSame(lines((await send({ path: `/api/v1/audit/export?organization=${other}`, headers })).text), own)
    t.strictSame(Object.keys(own[0]!), [
      'id', 'createdAt', 'type', 'actor', 'organization', 'subject', 'address', 'requestId', 'detail', 'chain',
      'sequence', 'previous', 'hash', 'mac', 'key'
    ])
    t.strictSame([own[0]!.previous, own[1]!.previous], ['', own[0]!.hash])
    for (const line of own) {
      t.equal(
        hashOf({ ...line, createdAt: new Date(line.createdAt), organizationId: line.organization } as never), line.hash,
        'a line is enough to compute its hash'
      )
    }
    const { data } = (await send({ path: '/api/v1/audit/head', headers })).json
    t.match(data, [{ chain: mine, sequence: 2, hash: own[1]!.hash, pruned: 0 }])
    t.equal(data.length, 1)
    for (
      const [method, path, body] of [['GET', '/audit/verify'], ['POST', '/audit/verify', {
        heads: [{ chain: mine, sequence: 1, hash: 'x' }]
      }]] as const
    ) {
      t.match(await send({ method, path: `/api/v1${path}`, headers, ...(body ? { body } : {}) }), {
        status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' }
      })
    }
  })

  tap.test(`every use of the admin token is in the audit log: the first at once, those of a minute with their number [${name}]`, async t => {
    clock.stop()
    clock.advance(600)
    const from = clock.now().toISOString()
    for (let i = 0; i < 5; i++) {
      await send({
        path: '/api/v1/organizations', headers: { authorization: `Bearer ${server.adminToken}` }, from: '127.0.0.77'
      })
    }
    const uses = async () =>
      (await rows(`type=admin_token.used&from=${from}`)).filter(({ address }) => address === '127.0.0.77')
    t.match(await eventually(uses, found => found.length > 0), [{
      actor: 'admin', organization: null, subject: 'admin', detail: { method: 'GET' }
    }])
    clock.advance(60)
    await send({
      path: '/api/v1/organizations', headers: { authorization: `Bearer ${server.adminToken}` }, from: '127.0.0.77'
    })
    t.strictSame((await eventually(uses, found => found.length > 1)).map(({ detail }) => detail), [{
      omitted: 4, method: 'GET'
    }, { method: 'GET' }])
  })

  tap.test(`what was good once and is used after its end is a reuse [${name}]`, async t => {
    const key = await server.createKey()
    await admin('POST', `/api-keys/${key.id}/rotate`, { overlapSeconds: 0 })
    t.equal((await server.withKey(key.key)).status, 401)
    t.match(await soon(`type=credential.reuse_detected&subject=${key.id}`), [{
      organization: key.organization, detail: { reason: 'rotated' }, address: '127.0.0.1'
    }])
    t.match(await soon(`type=credential.refused&subject=${key.id}`), [{ detail: { reason: 'rotated' } }])

    const stranger = await server.createClient()
    await server.tokenRequest({ ...stranger, clientSecret: 'never-was-one' })
    const client = await server.createClient()
    await admin('POST', `/clients/${client.clientId}/rotate-secret`, { overlapSeconds: 0 })
    t.equal((await server.tokenRequest(client)).status, 401)
    t.match(await soon(`type=credential.reuse_detected&subject=${client.clientId}`), [{
      organization: client.organization, detail: { reason: 'secret_rotated' }
    }])
    // Rows are written in their order, so all that there will be of the one before is there.
    t.match(await rows(`type=client.refused&subject=${stranger.clientId}`), [{
      detail: { reason: 'invalid secret provided' }
    }])
    t.strictSame(await rows(`type=credential.reuse_detected&subject=${stranger.clientId}`), [])
  })

  tap.test(`a registration token that is spent, exhausted or refused is in the audit log, with why [${name}]`, async t => {
    const token = await server.createRegistrationToken({ uses: 1 })
    const register = async (text: string) =>
      await send({
        method: 'POST',
        path: '/api/v1/oauth/register',
        headers: { authorization: `Bearer ${text}` },
        body: { client_name: 'agent' }
      })
    const registered = await register(token.token)
    t.equal(registered.status, 201)
    const spent = await rows(`subject=${token.id}&type=registration_token.`)
    t.strictSame(
      spent.map(({ type, actor, detail }) => [type, actor, detail]).filter(([type]) =>
        type !== 'registration_token.created'
      ).sort(),
      [
        ['registration_token.exhausted', token.id, { client: registered.json.client_id, usesLeft: 0 }],
        ['registration_token.spent', token.id, { client: registered.json.client_id, usesLeft: 0 }]
      ]
    )
    t.equal((await register(token.token)).status, 401)
    t.match(await soon(`type=client.refused&subject=${token.id}`), [{
      organization: token.organization, detail: { reason: 'registration_token_used_up' }
    }])
  })

  tap.test(`an introspection that is refused is in the deployment's audit log, and tells the one who asked nothing [${name}]`, async t => {
    const elsewhere = `https://${newId('x').toLowerCase().replaceAll('_', '')}.test`
    await admin('POST', '/resources', { identifier: elsewhere, scopes: [] })
    const [asker, other] = [await server.createClient({ introspects: [elsewhere] }), await server.createClient()]
    const ask = async ({ clientId, clientSecret }: typeof asker) =>
      await send({
        method: 'POST',
        path: '/api/v1/oauth/introspect',
        body: new URLSearchParams({
          client_id: clientId, client_secret: clientSecret, token: await server.tokenFor(other)
        })
      })
    t.strictSame((await ask(asker)).json, { active: false })
    t.match(await soon(`type=introspection.refused&subject=${asker.clientId}`), [{
      organization: null, detail: { reason: 'not_for_this_client', credential: other.clientId }
    }])
    const unentitled = await server.createClient()
    t.equal((await ask(unentitled)).status, 403)
    t.match(await soon(`type=introspection.refused&subject=${unentitled.clientId}`), [{
      organization: null, detail: { reason: 'introspects_no_resource' }
    }])
  })

  tap.test(`L3: what strangers name themselves cannot break a line of the audit log or steer a terminal [${name}]`, async t => {
    const evil = 'a\r\n{"type":"x"}\u001b[2J\u009b31m\u202eb\u2028'
    await server.latchkey.operation.store.audit.append(
      auditEvent(systemActor, clock.now(), 'client.registered', {
        organizationId: 'org_l3', subject: evil, detail: { name: evil, [evil]: [evil] }
      })
    )
    const { text } = await admin('GET', '/audit/export?organization=org_l3')
    t.equal(lines(text).length, 1)
    // eslint-disable-next-line no-control-regex
    t.notMatch(JSON.stringify(lines(text)), /[\u0000-\u001f\u007f-\u009f\u202e\u2028]|\\u00|\\r|\\n/)
    t.match(lines(text)[0]!.subject, 'a\\u{d}\\u{a}{"type":"x"}\\u{1b}[2J\\u{9b}31m\\u{202e}b\\u{2028}')
  })

  tap.test(`L2: verify goes over the API and on the command line, and names the row that was edited [${name}]`, async t => {
    const organization = (await server.createOrganization('tampered')).id
    for (let i = 0; i < 3; i++) await admin('PATCH', `/organizations/${organization}`, { name: `name ${i}` })
    t.match((await admin('GET', '/audit/verify')).json, { fault: null })
    const good = await command('audit', 'verify')
    t.match(good, { code: 0, stdout: /^verified {2}\d+ rows\n$/, stderr: '' })
    const heads = join(server.folder, 'heads.ndjson')
    const printed = await command('audit', 'head')
    t.equal(printed.code, 0)
    await writeFile(heads, printed.stdout)
    t.match(await command('audit', 'verify', '--heads', heads), { code: 0, stdout: /heads {5}\d+ compared/ })
    const odd = join(server.folder, 'odd.ndjson')
    t.match(await command('audit', 'verify', '--heads', odd), { code: 1, stderr: /odd\.ndjson cannot be read \(ENOENT\)/ })
    for (const line of ['{"chain":"deployment","sequence":1}', 'null', 'sequence 1']) {
      await writeFile(odd, `${printed.stdout}\n${line}\n`)
      t.match(await command('audit', 'verify', '--heads', odd), {
        code: 1,
        stderr: `odd.ndjson:${lines(printed.stdout).length + 1} is not the head of a chain: give a file from`
      }, line)
    }
    const file = join(server.folder, 'export.ndjson')
    t.match(await command('audit', 'export', '--org', organization, '--output', file), { code: 0 })
    t.strictSame(lines(await readFile(file, 'utf8')).map(({ type }) => type), [
      'organization.created', 'organization.updated', 'organization.updated', 'organization.updated'
    ])
    t.equal((await command('audit', 'export', '--org', organization)).stdout, await readFile(file, 'utf8'))
    t.match(await command('audit', 'list', '--org', organization, '--type', 'organization.created'), {
      code: 0, stdout: /organization\.created {2}admin {2}org_/
    })

    await dropTriggers(database.url)
    const row = lines(await readFile(file, 'utf8'))[1]
    await behindTheServer(database.url, [`UPDATE "AuditEvent" SET "actor" = 'somebody' WHERE "id" = '${row!.id}'`])
    t.match((await admin('GET', '/audit/verify')).json.fault, {
      chain: organization, sequence: 2, id: row!.id, problem: 'edited'
    })
    const bad = await command('audit', 'verify')
    t.match(bad, {
      code: 1,
      stderr: new RegExp(
        `Row 2 of the chain ${organization} \\(${row!.id}\\) was altered after it was written`
      )
    })
    t.match(await command('audit', 'verify', '--json'), { code: 1, stdout: new RegExp(row!.id) })
    await behindTheServer(database.url, [`UPDATE "AuditEvent" SET "actor" = 'admin' WHERE "id" = '${row!.id}'`])
    t.match(await command('audit', 'verify'), { code: 0 })

    const old = (await server.createOrganization('old')).id
    await admin('PATCH', `/organizations/${old}`, { name: 'older' })
    clock.advance(1)
    t.match(await command('audit', 'prune', '--org', old, '--before', '2020-01-01'), {
      code: 2, stderr: /export them first, then add --yes/
    })
    t.match(await command('audit', 'prune', '--org', old, '--before', '2020-01-01', '--yes'), {
      code: 0, stdout: new RegExp(`${old} +0 +0\\n`)
    })
    t.strictSame((await admin('POST', '/audit/prune', { organization: old, before: clock.now().toISOString() })).json, {
      organization: old, rows: 2, through: 2, more: false
    })
    t.match(await rows(`organization=${old}`), [{ type: 'audit.pruned', detail: { rows: 2, through: 2 } }])

    const later = (await server.createOrganization('recovered')).id
    await behindTheServer(database.url, [`UPDATE "AuditChain" SET "hash" = 'x' WHERE "id" = '${later}'`])
    t.match(await admin('PATCH', `/organizations/${later}`, { name: 'no more' }), {
      status: 500,
      json: {
        code: 'AUDIT_CHAIN_BROKEN',
        details: { chain: later },
        error: new RegExp(`chain ${later} is broken: its head was altered.*latchkey audit recover --org ${later}`)
      }
    })
    t.match(await command('audit', 'recover', '--org', later), { code: 2, stderr: /keep a copy of the database/ })
    t.match(await command('audit', 'recover', '--yes'), { code: 2, stderr: /Give --org ID/ })
    t.match(await command('audit', 'recover', '--org', later, '--yes'), {
      code: 0,
      stdout: new RegExp(
        `chain .*${later}\nfound .*Row 1 of the chain ${later}.* the head was altered.\n` +
          'closed off .*1 rows\ncontinues at .*row 2\n'
      )
    })
    t.match(await command('audit', 'recover', '--org', later, '--yes'), {
      code: 1, stderr: /is whole; nothing to recover. \(CONFLICT\)/
    })
    t.equal((await admin('PATCH', `/organizations/${later}`, { name: 'goes on' })).status, 200)
    t.match(await command('audit', 'verify'), {
      code: 0,
      stdout: /^verified/,
      stderr: new RegExp(`Broken earlier, closed off since:\n.*\n${later} +1 .*the head was altered`)
    }, 'and says so from then on')
    t.match((await admin('GET', '/audit/verify')).json.recovered, [{ chain: later, sequence: 2 }])

    await behindTheServer(database.url, [
      `DELETE FROM "AuditEvent" WHERE "chain" = '${organization}'`,
      `DELETE FROM "AuditChain" WHERE "id" = '${organization}'`
    ])
    t.match(await command('audit', 'verify', '--heads', heads), {
      code: 1, stderr: new RegExp(`${organization} is missing, with its whole chain`)
    })
    await server.close()
    t.match(
      await command('audit', 'verify', '--offline'),
      { code: 1, stderr: new RegExp(`${organization} is missing, with its whole chain`) },
      'and without a server'
    )
    t.match(await command('audit', 'recover', '--org', organization, '--yes', '--offline', '--json'), {
      code: 0, stdout: /"problem":"chain_gone"/
    })
    t.match(await command('audit', 'verify', '--offline'), { code: 0 })
    const kept = join(t.testdir(), 'heads.ndjson')
    await writeFile(kept, printed.stdout)
    t.match(await command('audit', 'verify', '--offline', '--heads', kept), {
      code: 1, stderr: new RegExp(`chain ${organization}\\b`)
    }, 'the heads of before say what is gone')
    const DATABASE_URL = `file:${join(server.folder, 'nowhere.db')}`
    t.match(
      await run(process.execPath, [latchkeyCommand, 'audit', 'verify', '--offline'], {
        env: { ...server.environment, DATABASE_URL }
      }),
      { code: 1, stderr: `DATABASE_URL: there is no database at ${DATABASE_URL}; name another` }
    )
  })
}

tap.test('L2: more chains than one request answers for are verified, and all their heads printed and compared', async t => {
  const server = await startServer()
  t.teardown(server.close)
  const { audit } = server.latchkey.operation.store
  for (let i = 0; i < 201; i++) {
    await audit.append(
      auditEvent(systemActor, server.clock.now(), 'client.registered', { organizationId: `org_${i}`, subject: 'x' })
    )
  }
  const command = async (...parameters: string[]) => {
    const env = { ...server.environment, LATCHKEY_URL: server.url, LATCHKEY_TOKEN: server.adminToken }
    return await run(process.execPath, [latchkeyCommand, 'audit', ...parameters], { env })
  }
  const { stdout } = await command('head')
  const heads = lines(stdout)
  t.ok(heads.length > 201)
  t.equal(new Set(heads.map(({ chain }) => chain as string)).size, heads.length)
  const file = join(server.folder, 'heads.ndjson')
  await writeFile(file, stdout)
  // The use of the admin token is a row of its own once a minute, which may be written between the two commands.
  const { verified, exported } = await eventually(async () => ({
    verified: await command('verify', '--heads', file, '--json'),
    exported: lines((await command('export')).stdout).length
  }), answer => JSON.parse(answer.verified.stdout).checked === answer.exported)
  t.match(verified, { code: 0, stderr: '' })
  t.match(JSON.parse(verified.stdout), { heads: heads.length, fault: null, checked: exported })
  const forged: Json = { ...heads.at(-1), hash: 'x' }
  await writeFile(file, [...heads.slice(0, -1), forged].map(head => JSON.stringify(head)).join('\n'))
  t.match(await command('verify', '--heads', file), { code: 1, stderr: new RegExp(`chain ${forged.chain}\\b`) })
})
