/**
 * Y7: importing a key's digest gives no power over another organization's callers, and reveals nothing about other
 * organizations.
 */
import { createHash } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import tap from 'tap'
import type { Latchkey } from '../../src/app.ts'
import { createOrganization } from '../../src/domain/tenancy/organization.ts'
import { hostResourceId } from '../../src/domain/resources/resource.ts'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import { styles } from '../../src/domain/resources/style.ts'
import { newApiKeyText } from '../../src/secrets/credential-text.ts'
import { basic, startOnEachDatabase, type Answer, type Json, type TestServer } from '../support/test-server.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('base64url')
const shared = 'https://shared.test/'

interface Tenant { id: string, identifier: string, prefix: string }
const tenants = new Map<Latchkey, { one: Tenant, other: Tenant }>()

/** A resource of the deployment, and two organizations with one resource each; every one has a guarded route. */
async function mount (app: FastifyInstance, latchkey: Latchkey): Promise<void> {
  const { operation } = latchkey
  const guarded = async (identifier: string, prefix: string, organizationId: string | null) => {
    await createResource(operation, {
      identifier, organizationId, scopes: [{ name: 'read', keyOnly: false, description: null }], style: styles.ledgerbee
    })
    await app.register(async api => {
      await api.register(latchkey.guard, { resource: identifier })
      api.get(
        '/', { config: { scopes: ['read'] } },
        async ({ principal }) => ({ id: principal.id, organization: principal.organizationId })
      )
    }, { prefix })
  }
  const tenant = async (name: string): Promise<Tenant> => {
    const { id } = await createOrganization(operation, { name })
    const identifier = `https://${name}.test/`
    await guarded(identifier, `/${name}`, id)
    return { id, identifier, prefix: `/${name}/` }
  }
  await guarded(shared, '/shared', null)
  tenants.set(latchkey, { one: await tenant('one'), other: await tenant('other') })
}

const { servers, close } = await startOnEachDatabase({ mount })
tap.teardown(close)

let made = 0
/** A key in the format of another system, and one in ours. */
const newText = () => `made.elsewhere/${made++}/${'x'.repeat(20)}`

async function acting (server: TestServer, organization: string) {
  const { key } = await server.createKey({
    organization, resource: `${server.issuer}/api/v1`, scopes: ['*'], name: 'manager'
  })
  return async (method: string, path: string, body?: Json): Promise<Answer> =>
    await server.send({
      method, path: `/api/v1${path}`, headers: { 'x-api-key': key }, ...(body === undefined ? {} : { body })
    })
}

function importOf (text: string, resource: string, organization: string): Json {
  return {
    organization, resource, environment: 'live', name: 'legacy', access: 'full', digest: sha256(text), hint: '…'
  }
}

/** The answer without the values that differ for each request. */
function told (
  { status, json: { timestamp: _, ...json }, headers: { date: __, 'x-request-id': ___, ...headers } }: Answer
): Json {
  return { status, json, headers }
}

for (const { name, server } of servers) {
  const { one, other } = tenants.get(server.latchkey)!
  const { admin, withKey, createClient, send } = server

  tap.test(`Y7: on a resource of the deployment an organization imports nothing, hears nothing and changes nothing [${name}]`, async t => {
    const manage = await acting(server, other.id)
    const before = await resourceOf(server)
    const held = newText()
    t.equal((await admin('POST', '/api-keys/import', importOf(held, shared, one.id))).status, 201)
    const imported = await resourceOf(server)
    t.strictNotSame(imported, before, 'the first import of the deployment says that keys were taken over')
    const [known, unknown] = [
      await manage('POST', '/api-keys/import', importOf(held, shared, other.id)),
      await manage('POST', '/api-keys/import', importOf(newText(), shared, other.id))
    ]
    t.match(known, { status: 403, json: { code: 'INSUFFICIENT_PERMISSIONS' } })
    t.strictSame(told(known), told(unknown), 'what is known is answered as what is not')
    t.strictSame(await resourceOf(server), imported)
    for (const resource of [server.issuer, shared]) {
      t.match(await manage('POST', '/api-keys/import', importOf(newText(), resource, other.id)), { status: 403 })
    }
    t.equal(
      (await server.latchkey.operation.store.resources.get(hostResourceId))?.style.importedKeys, undefined,
      'nor does a try change the resource'
    )
    t.match(await admin('POST', '/api-keys/import', importOf(held, shared, other.id)), {
      status: 409, json: { code: 'CONFLICT' }
    }, 'the deployment hears of it')
    t.match(
      (await withKey(held, '/shared/')).json, { organization: one.id }, 'and its first key stays the one that it was'
    )
  })

  for (const [first, second] of [[one, other], [other, one]] as const) {
    const order = first === one ? 'one, then the other' : 'the other, then the one'
    tap.test(`Y7: two organizations import one digest on resources of their own, ${order} [${name}]`, async t => {
      const text = newText()
      const [asFirst, asSecond] = [await acting(server, first.id), await acting(server, second.id)]
      const firstId = (await asFirst('POST', '/api-keys/import', importOf(text, first.identifier, first.id))).json.id
      const before = await withKey(text, first.prefix)
      t.strictSame(before.json, { id: firstId, organization: first.id })
      t.equal(
        (await withKey(text, second.prefix)).status, 401,
        'it is a key of the resource that it was imported for, and of no other'
      )
      const taken = await asSecond('POST', '/api-keys/import', importOf(text, second.identifier, second.id))
      t.equal(taken.status, 201, 'the second hears nothing of the first')
      t.strictSame((await withKey(text, second.prefix)).json, { id: taken.json.id, organization: second.id })
      t.strictSame((await withKey(text, first.prefix)).json, before.json, 'the callers of the first stay its own')
      t.equal((await withKey(text, '/shared/')).status, 401)
      t.match(
        await asSecond('POST', '/api-keys/import', importOf(text, second.identifier, second.id)), { status: 409 },
        'a digest is unique within a resource'
      )

      // Each organization controls its own key alone.
      await asSecond('POST', `/api-keys/${taken.json.id}/revoke`)
      t.equal((await withKey(text, second.prefix)).status, 401)
      t.equal((await withKey(text, first.prefix)).status, 200, 'revoking the one ends nothing of the other')
      t.equal((await asSecond('POST', `/api-keys/${firstId}/revoke`)).status, 404)
      await asFirst('POST', `/api-keys/${firstId}/revoke`)
      t.equal((await withKey(text, first.prefix)).status, 401)
    })
  }

  tap.test(`Y7: routes for any resource know imported keys of the deployment's resources alone, and none that several have [${name}]`, async t => {
    const asOther = await acting(server, other.id)
    const text = newText()
    const { id } = (await admin('POST', '/api-keys/import', importOf(text, shared, one.id))).json
    t.match(await withKey(text, '/api/v1/principal'), { status: 200, json: { id, organization: one.id } })
    t.equal((await asOther('POST', '/api-keys/import', importOf(text, other.identifier, other.id))).status, 201)
    for (const path of ['/api/v1/principal', '/api/v1/api-key']) {
      t.match(await withKey(text, path), { status: 200, json: { id } }, 'an organization takes nothing from it')
    }
    await admin('POST', '/api-keys/import', importOf(text, server.issuer, other.id))
    t.match(
      await withKey(text, '/api/v1/principal'), { status: 401 },
      'two resources of the deployment have it: which is meant cannot be told'
    )
    t.match((await withKey(text, '/shared/')).json, { id, organization: one.id })

    const own = newText()
    await asOther('POST', '/api-keys/import', importOf(own, other.identifier, other.id))
    const [known, unknown] = [await withKey(own, '/api/v1/principal'), await withKey(newText(), '/api/v1/principal')]
    t.strictSame(told(known), told(unknown), 'what an organization imported for its own resource is known there')
  })

  tap.test(`Y7: the digest of a key that was made here makes nothing of it elsewhere [${name}]`, async t => {
    const { key, id } = await server.createKey({ organization: one.id, resource: shared, scopes: ['read'] })
    const asOther = await acting(server, other.id)
    t.equal(
      (await asOther('POST', '/api-keys/import', importOf(key, other.identifier, other.id))).status, 201,
      'it hears nothing of it'
    )
    t.match(await withKey(key, '/shared/'), { status: 200, json: { id } })
    t.match(await withKey(key, '/api/v1/api-key'), { status: 200, json: { id } })
    t.equal((await withKey(key, other.prefix)).status, 401, 'a key that was made here is that key everywhere')
  })

  tap.test(`Y7: a key of the form of ours that another deployment made is found where it was imported [${name}]`, async t => {
    const foreign = newApiKeyText('lb', 'live')
    t.equal((await withKey(foreign, other.prefix)).status, 401)
    const asOther = await acting(server, other.id)
    const { id } = (await asOther('POST', '/api-keys/import', importOf(foreign, other.identifier, other.id))).json
    t.match(await withKey(foreign, other.prefix), { status: 200, json: { id } })
    t.equal((await withKey(foreign, one.prefix)).status, 401)
  })

  tap.test(`Y7: a digest that several have is a key of each when memory is compared with the database [${name}]`, async t => {
    const text = newText()
    for (const tenant of [one, other]) {
      await admin('POST', '/api-keys/import', importOf(text, tenant.identifier, tenant.id))
    }
    for (const { id, prefix } of [one, other]) {
      t.match(await withKey(text, prefix), { status: 200, json: { organization: id } })
    }
    t.match((await admin('GET', '/effective-access/drift')).json, { differences: 0 })
  })

  tap.test(`Y7: introspection and revocation speak of imported keys to those alone whose resources and organization they are [${name}]`, async t => {
    const text = newText()
    const asOne = await acting(server, one.id)
    const { id } = (await asOne('POST', '/api-keys/import', importOf(text, one.identifier, one.id))).json
    const [ofOne, ofOther, plain] = [
      await createClient({ organization: one.id, introspects: [one.identifier] }),
      await createClient({ organization: other.id, introspects: [other.identifier] }),
      await createClient({ organization: one.id })
    ]
    const post = async (path: string, client: { clientId: string, clientSecret: string }, token: string) =>
      await send({
        method: 'POST',
        path: `/api/v1/oauth/${path}`,
        headers: { authorization: basic(client.clientId, client.clientSecret) },
        body: new URLSearchParams({ token })
      })
    t.match((await post('introspect', ofOne, text)).json, { active: true, sub: id, aud: one.identifier })
    t.strictSame((await post('introspect', ofOther, text)).json, { active: false })
    t.strictSame(
      told(await post('revoke', ofOther, text)), told(await post('revoke', ofOther, newText())),
      'to another organization it is like what does not exist'
    )
    for (const client of [ofOne, plain]) {
      t.match(
        await post('revoke', client, text), { status: 400, json: { error: 'unsupported_token_type' } },
        'a 200 would say that it is dead'
      )
    }

    const asOther = await acting(server, other.id)
    const taken = (await asOther('POST', '/api-keys/import', importOf(text, other.identifier, other.id))).json
    t.match((await post('introspect', ofOther, text)).json, { active: true, sub: taken.id, aud: other.identifier })
    t.match((await post('introspect', ofOne, text)).json, { active: true, sub: id, aud: one.identifier })
    await admin('POST', '/api-keys/import', importOf(text, shared, one.id))
    const ofBoth = await createClient({ organization: one.id, introspects: [one.identifier, shared] })
    t.strictSame(
      (await post('introspect', ofBoth, text)).json, { active: false },
      'where two of its resources have it, which is meant cannot be told'
    )
  })
}

async function resourceOf ({ latchkey: { operation: { store } } }: TestServer): Promise<unknown> {
  return await store.resources.byIdentifier(shared)
}
