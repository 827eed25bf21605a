/** Publishable keys and webhook tokens, in their repositories and in the registry, on both databases. */
import type { Repositories } from '../../../src/domain/store.ts'
import tap, { type Test } from 'tap'
import { rotateApiKey } from '../../../src/domain/credentials/api-key-change.ts'
import { createApiKey } from '../../../src/domain/credentials/api-key-creation.ts'
import { systemActor } from '../../../src/domain/core/actor.ts'
import { createOrganization } from '../../../src/domain/tenancy/organization.ts'
import type { PublishableKey } from '../../../src/domain/credentials/publishable-key.ts'
import { createResource } from '../../../src/domain/declaration/resource-declaration.ts'
import type { Operation } from '../../../src/domain/core/operation.ts'
import { styles } from '../../../src/domain/resources/style.ts'
import type { WebhookToken } from '../../../src/domain/credentials/webhook-token.ts'
import { openStorage } from '../../../src/storage/index.ts'
import type { Storage } from '../../../src/storage/storage.ts'
import { databases } from '../../support/databases.ts'
import { patientLimits } from '../../support/waiting.ts'

const start = new Date('2026-01-01T00:00:00.123Z')
const later = new Date('2026-01-02T00:00:00.456Z')

interface Filled extends Storage {
  operation: Operation<Repositories>, publishable: PublishableKey, webhook: WebhookToken
}

async function filled (t: Test, database: typeof databases[number]): Promise<Filled> {
  const { url, drop } = await database.fresh()
  const storage = await openStorage(url, { limits: patientLimits })
  t.teardown(async () => {
    await storage.close()
    await drop()
  })
  const operation = { store: storage.store, clock: () => start, actor: systemActor }
  const { id: organizationId } = await createOrganization(operation, { name: 'Acme' })
  const { id: resourceId } = await createResource(operation, {
    identifier: 'https://api.test',
    scopes: [{ name: 'a:read', keyOnly: false, description: null }],
    style: styles.craftkit
  })
  const { key } = await createApiKey(operation, {
    organizationId, resource: resourceId, environment: 'live', name: 'key', scopes: ['a:read']
  })
  const common = { organizationId, resourceId, createdBy: 'admin', createdAt: start, revokedAt: null, revision: 1 }
  const publishable: PublishableKey = {
    ...common,
    id: 'pbk_a',
    publishable: 'ck_pub_live_a',
    environment: 'live',
    name: 'Ä "quoted"',
    publicJwk: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' },
    scopes: ['z', 'a']
  }
  const webhook: WebhookToken = {
    ...common,
    id: 'wht_a',
    digest: 'digest-a',
    hint: '…abcd',
    apiKeyId: key.id,
    object: { type: 'templates', id: 'täg/1' }
  }
  await storage.store.publishableKeys.insert(publishable)
  await storage.store.webhookTokens.insert(webhook)
  return { ...storage, operation, publishable, webhook }
}

for (const database of databases) {
  tap.test(`CK-10, CK-11: rows come back as they were inserted, once each [${database.name}]`, async t => {
    const { store: { publishableKeys, webhookTokens }, publishable, webhook } = await filled(t, database)
    t.strictSame([await publishableKeys.get('pbk_a'), await publishableKeys.byPublishable('ck_pub_live_a')], [
      publishable, publishable
    ])
    t.strictSame([await webhookTokens.get('wht_a'), await webhookTokens.byDigest('digest-a')], [webhook, webhook])
    t.strictSame([
      await publishableKeys.get('x'), await publishableKeys.byPublishable('x'), await webhookTokens.get('x'),
      await webhookTokens.byDigest('x')
    ], [null, null, null, null])
    await t.rejects(
      publishableKeys.insert({ ...publishable, id: 'pbk_b' }), { name: 'Failure', code: 'conflict' },
      'one publishable text'
    )
    await t.rejects(
      webhookTokens.insert({ ...webhook, id: 'wht_b' }), { name: 'Failure', code: 'conflict' }, 'one digest'
    )

    await publishableKeys.update({
      ...publishable, publishable: 'another', createdAt: later, name: 'new', scopes: [], revokedAt: later
    })
    t.strictSame(await publishableKeys.get('pbk_a'), {
      ...publishable, name: 'new', scopes: [], revokedAt: later, revision: 2
    }, 'its text and its beginning stay')
    await webhookTokens.update({
      ...webhook, digest: 'another', createdAt: later, object: { type: 'projects', id: '2' }, revokedAt: later
    })
    t.strictSame(await webhookTokens.get('wht_a'), {
      ...webhook, object: { type: 'projects', id: '2' }, revokedAt: later, revision: 2
    })
  })

  tap.test(`W3: pages are complete, newest first, and of one organization [${database.name}]`, async t => {
    const { store: { publishableKeys, webhookTokens }, operation, publishable, webhook } = await filled(t, database)
    const { id: organizationId } = await createOrganization(operation, { name: 'Other' })
    for (const n of [1, 2, 3]) {
      const of = n === 2 ? { organizationId } : {}
      await publishableKeys.insert({
        ...publishable, ...of, id: `pbk_${n}`, publishable: `text ${n}`, createdAt: n === 3 ? start : later
      })
      await webhookTokens.insert({
        ...webhook, ...of, id: `wht_${n}`, digest: `digest ${n}`, createdAt: n === 3 ? start : later
      })
    }
    for (const [prefix, table] of [['pbk', publishableKeys], ['wht', webhookTokens]] as const) {
      const first = await table.page({ limit: 2, after: null }, {})
      t.same([first.items.map(({ id }) => id), first.hasMore], [[`${prefix}_2`, `${prefix}_1`], true])
      const rest = await table.page({ limit: 2, after: first.items.at(-1)! }, {})
      t.same([rest.items.map(({ id }) => id), rest.hasMore], [[`${prefix}_a`, `${prefix}_3`], false])
      t.same((await table.page({ limit: 9, after: null }, { organizationId })).items.map(({ id }) => id), [
        `${prefix}_2`
      ])
    }
  })

  tap.test(`CK-04, CK-10, CK-11: the registry answers with what was acknowledged last, and with nothing that was rolled back [${database.name}]`, async t => {
    const { store, registry, operation, publishable, webhook } = await filled(t, database)
    const known = async () => [
      (await registry.publishableKey('pbk_a'))?.revokedAt,
      (await registry.webhookToken('digest-a'))?.revokedAt,
      (await registry.webhookToken('digest-a'))?.apiKeyId,
      (await registry.apiKeyById(webhook.apiKeyId))?.name
    ]
    t.same(await known(), [null, null, webhook.apiKeyId, 'key'])
    t.same([await registry.publishableKey('x'), await registry.webhookToken('x'), await registry.apiKeyById('x')], [
      null, null, null
    ])
    await t.rejects(
      store.transaction(async tx => {
        await tx.publishableKeys.update({ ...publishable, revokedAt: later })
        await tx.webhookTokens.update({ ...webhook, revokedAt: later })
        await tx.apiKeys.update({ ...(await tx.apiKeys.get(webhook.apiKeyId))!, name: 'renamed' })
        throw new Error('not kept')
      }),
      { message: 'not kept' }
    )
    t.same(await known(), [null, null, webhook.apiKeyId, 'key'])
    await store.transaction(async tx => {
      await tx.publishableKeys.update({ ...publishable, revokedAt: later })
      await tx.webhookTokens.update({ ...webhook, revokedAt: later })
      await tx.apiKeys.update({ ...(await tx.apiKeys.get(webhook.apiKeyId))!, name: 'renamed' })
    })
    t.same(await known(), [later, later, webhook.apiKeyId, 'renamed'])

    const { key } = await rotateApiKey(operation, webhook.apiKeyId, 3600)
    t.equal(
      (await registry.webhookToken('digest-a'))?.apiKeyId, key.id, 'its tokens go over to the key that replaces it'
    )
    await t.rejects(rotateApiKey(operation, webhook.apiKeyId, 0), { code: 'credential_superseded' })
    t.equal((await registry.webhookToken('digest-a'))?.apiKeyId, key.id)
  })
}
