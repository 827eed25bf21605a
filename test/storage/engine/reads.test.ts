/** The prepared reads return what Prisma reads. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import t from 'tap'
import type { ApiKey } from '../../../src/domain/credentials/api-key.ts'
import { auditEvent } from '../../../src/domain/audit/event.ts'
import { systemActor } from '../../../src/domain/core/actor.ts'
import type { Client } from '../../../src/domain/credentials/client.ts'
import type { Organization } from '../../../src/domain/tenancy/organization.ts'
import type { Policy } from '../../../src/domain/policy/policy.ts'
import type { Resource } from '../../../src/domain/resources/resource.ts'
import type { SigningKey } from '../../../src/domain/tokens/signing-key.ts'
import { auditKeys } from '../../../src/secrets/authentication-code.ts'
import { migrate, openDatabase } from '../../../src/storage/engine/database.ts'
import { openStorage } from '../../../src/storage/index.ts'
import { repositoriesOver } from '../../../src/storage/store/repositories.ts'
import { databases } from '../../support/databases.ts'
import { patientLimits } from '../../support/waiting.ts'

const at = (second: number) => new Date(Date.UTC(2027, 0, 31, 23, 59, second, 7))

const organization: Organization = {
  id: 'org_a',
  name: 'Ä "quoted" 鍵',
  status: 'suspended',
  features: ['custom-keys', 'ü'],
  callsPerMonth: 1,
  creditsPerMonth: 2,
  callsPerMinute: 3,
  createdAt: at(1),
  suspendedAt: at(2),
  deletedAt: at(3),
  requiresProvider: true,
  unverifiedClients: 'approve',
  revision: 7,
}

const key: ApiKey = {
  id: 'key_a',
  digest: 'd'.repeat(43),
  hint: 'ab_live_…wxyz',
  organizationId: 'org_a',
  organizations: ['org_a', 'org_b'],
  resourceId: 'res_a',
  environment: 'test',
  name: 'Schlüssel',
  access: 'read-only',
  scopes: ['invoices:*'],
  objects: { account: ['a', 'b'], ü: [] },
  allowlist: ['203.0.113.0/24'],
  callsPerMonth: 4,
  creditsPerMonth: 5,
  callsPerMinute: 6,
  createdBy: 'admin',
  creatorId: 'mem_a',
  vouchedBy: 'key_portal',
  portal: { templateId: 'tpl_a', ceiling: 'admin' },
  imported: true,
  chainId: 'key_0',
  rotatedFrom: 'key_0',
  rotatedTo: 'key_b',
  createdAt: at(4),
  expiresAt: at(5),
  revokedAt: at(6),
  revokedReason: 'lost',
  disabledAt: at(21),
  disabledReason: 'doubted',
  annotations: { team: 'ü', note: '' },
  externalId: 'kunde-1',
  lastUsedAt: at(7),
  revision: 8,
}

const client: Client = {
  id: 'cli_a',
  organizationId: 'org_a',
  name: 'Dienst',
  origin: 'registered',
  metadata: {
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
    response_types: [],
    contacts: ['a@b.test'],
    software: { versions: [1, 2.5, null, true] }
  },
  secrets: [{ id: 'sec_a', digest: 'x', hint: '…abcd', createdAt: at(8), expiresAt: at(9) }, {
    id: 'sec_b', digest: 'y', hint: '…efgh', createdAt: at(10), expiresAt: null
  }],
  grants: [{ resourceId: 'res_b', scopes: [] }, { resourceId: 'res_a', scopes: ['a:b', 'c:d'] }],
  allowlist: ['2001:db8::/32'],
  introspects: ['res_a'],
  assertionProfile: 'rfc7523',
  pkceRequired: false,
  generation: 3,
  registrationAccessDigest: 'z',
  registrationTokenId: null,
  creatorId: 'mem_a',
  createdAt: at(11),
  lastUsedAt: at(12),
  revokedAt: at(13),
  revokedReason: 'gone',
  disabledAt: at(21),
  disabledReason: 'doubted',
  annotations: { team: 'ü', note: '' },
  externalId: 'kunde-1',
  revision: 9,
}

const policy: Policy = {
  id: 'pol_a',
  organizationId: 'org_a',
  name: 'Büro',
  description: 'nur Büro',
  effect: 'allow',
  enabled: true,
  conditions: { addresses: ['203.0.113.0/24'] },
  createdBy: 'admin',
  createdAt: at(14),
  updatedAt: at(15),
  revision: 10,
}

const signingKey: SigningKey = {
  kid: 'kid_a',
  algorithm: 'ES256',
  publicJwk: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y' },
  sealedPrivateKey: 'sealed',
  createdAt: at(16),
  activatedAt: at(17),
  retiredAt: at(18),
  publishedUntil: at(19),
  revokedAt: at(20),
  revokedReason: 'leaked',
  revision: 11,
}

const server: Resource = {
  id: 'res_c',
  identifier: 'https://res_c.test',
  name: 'Ressource',
  organizationId: 'org_a',
  scopes: [{ name: 'b:read', keyOnly: true, description: 'lesen' }, {
    name: 'a:write', keyOnly: false, description: null
  }],
  style: { keyPrefix: 'c', transports: [{ in: 'header', name: 'X-Key' }], errors: 'craftkit' },
  tokenLifetime: 60,
  signingAlgorithm: 'ES256',
  kind: 'mcp',
  defaultScopes: ['a:write'],
  mostCredits: 7,
  title: null,
  description: null,
  version: '1.0.0',
  createdAt: at(21),
  revokedAt: at(22),
  revision: 12,
}

const resource = (id: string): Resource => ({
  id,
  identifier: `https://${id}.test`,
  name: id,
  organizationId: null,
  scopes: [],
  style: { keyPrefix: 'a', transports: [{ in: 'bearer' }], errors: 'rfc9457' },
  tokenLifetime: 3600,
  signingAlgorithm: 'ES256',
  kind: 'api',
  defaultScopes: [],
  mostCredits: 0,
  title: null,
  description: null,
  version: '1.0.0',
  createdAt: at(0),
  revokedAt: null,
  revision: 1,
})

/** With NULL in every nullable column, and empty lists. */
const bareKey: ApiKey = {
  ...key,
  id: 'key_c',
  digest: 'e'.repeat(43),
  organizations: ['org_a'],
  scopes: [],
  objects: {},
  allowlist: [],
  callsPerMonth: null,
  creditsPerMonth: null,
  callsPerMinute: null,
  creatorId: null,
  imported: false,
  chainId: 'key_c',
  rotatedFrom: null,
  rotatedTo: null,
  expiresAt: null,
  revokedAt: null,
  revokedReason: null,
  lastUsedAt: null,
}
const bareClient: Client = {
  ...client,
  id: 'cli_b',
  organizationId: null,
  secrets: [],
  grants: [],
  allowlist: [],
  introspects: [],
  registrationAccessDigest: null,
  creatorId: null,
  lastUsedAt: null,
  revokedAt: null,
  revokedReason: null
}
const barePolicy: Policy = {
  ...policy, id: 'pol_b', organizationId: null, description: null, effect: 'deny', enabled: false, conditions: {}
}
const bareSigningKey: SigningKey = {
  ...signingKey, kid: 'kid_b', retiredAt: null, publishedUntil: null, revokedAt: null, revokedReason: null
}
const bareOrganization: Organization = {
  ...organization,
  id: 'org_b',
  features: [],
  callsPerMonth: null,
  creditsPerMonth: null,
  callsPerMinute: null,
  suspendedAt: null,
  deletedAt: null
}

for (const { name, fresh } of databases) {
  t.test(`[${name}] what is read past Prisma is what Prisma reads, in every column`, async t => {
    const { url, drop } = await fresh()
    const database = await openDatabase(url)
    t.teardown(async () => {
      await database.close()
      await drop()
    })
    await migrate(url)
    const repositories = repositoriesOver(database.queries, () => {}, [])
    const { reads } = database
    for (const id of ['res_a', 'res_b']) await repositories.resources.insert(resource(id))

    for (const each of [organization, bareOrganization]) {
      await repositories.organizations.insert(each)
      t.strictSame(await reads.organization(each.id), each)
      t.strictSame(await repositories.organizations.get(each.id), each)
    }
    await repositories.members.insert({
      id: 'mem_a',
      organizationId: 'org_a',
      name: 'Ada',
      role: 'admin',
      email: null,
      scopes: null,
      operator: false,
      groups: [],
      createdAt: at(0),
      removedAt: null,
      revision: 1
    })
    for (const each of [key, bareKey]) {
      await repositories.apiKeys.insert(each)
      t.strictSame(await reads.apiKey(each.id), each)
      t.strictSame(await repositories.apiKeys.byDigest(each.digest, each.resourceId), each)
      t.strictSame(await reads.apiKeyByDigest(each.digest), each.imported ? null : each)
      t.strictSame(await reads.importedApiKey(each.digest, each.resourceId), each.imported ? each : null)
    }
    for (const each of [client, bareClient]) {
      await repositories.clients.insert(each)
      t.strictSame(await reads.client(each.id), each)
      t.strictSame(await repositories.clients.get(each.id), each)
    }
    await repositories.resources.insert(server)
    for (const each of [server, resource('res_a')]) {
      t.strictSame(await reads.resource(each.id), each)
      t.strictSame(await reads.resourceByIdentifier(each.identifier), each)
      t.strictSame(await repositories.resources.get(each.id), each)
    }
    t.strictSame(await reads.resourcesWithoutNormalForm('', 10), [])
    await database.queries.$executeRawUnsafe('UPDATE "Resource" SET "normalIdentifier" = NULL')
    const older = await repositories.resources.withoutNormalForm('', 10)
    t.ok(older.length >= 2)
    t.strictSame(await reads.resourcesWithoutNormalForm('', 10), older)
    t.strictSame(await reads.resourcesWithoutNormalForm(older[0]!.id, 1), [older[1]])
    for (const each of [policy, { ...policy, id: 'pol_0' }, barePolicy]) await repositories.policies.insert(each)
    t.strictSame(await reads.policiesOf('org_a'), [{ ...policy, id: 'pol_0' }, policy])
    t.strictSame(await reads.deploymentPolicies(), [barePolicy])
    t.strictSame(await repositories.policies.of('org_a'), await reads.policiesOf('org_a'))
    for (const each of [bareSigningKey, signingKey]) await repositories.signingKeys.insert(each)
    t.strictSame(await reads.signingKeys(), [signingKey, bareSigningKey])
    t.strictSame(await repositories.signingKeys.all(), [signingKey, bareSigningKey])
    for (const jti of ['jti_c', 'jti_a', 'jti_b']) {
      await repositories.revokedTokens.insert({ jti, clientId: 'cli_a', revokedAt: at(23), expiresAt: at(24) })
    }
    const jtis = async (after: string, limit: number) => (await reads.revokedTokens(after, limit)).map(({ jti }) => jti)
    t.strictSame(await reads.revokedTokens('', 1), [{ jti: 'jti_a', expiresAt: at(24) }])
    t.strictSame([await jtis('', 2), await jtis('jti_b', 2), await jtis('jti_c', 2)], [
      ['jti_a', 'jti_b'], ['jti_c'], []
    ])
    t.equal(await reads.importedApiKey(key.digest, 'res_b'), null)
    t.strictSame(await reads.importedForDeployment(key.digest), [key])
    await repositories.resources.insert({ ...resource('res_o'), organizationId: 'org_a' })
    for (const resourceId of ['res_b', 'res_o']) {
      await repositories.apiKeys.insert({ ...key, id: `key of ${resourceId}`, resourceId })
    }
    t.strictSame((await reads.importedForDeployment(key.digest)).map(({ id }) => id).sort(), ['key of res_b', 'key_a'])
    const isImported = async (organizationId: string | null, ...resourceIds: string[]) =>
      await repositories.apiKeys.isImported(key.digest, { organizationId, resourceIds })
    t.strictSame([
      await isImported('org_a'), await isImported('org_b'), await isImported(null), await isImported(null, 'res_x'),
      await isImported('org_b', 'res_x', 'res_o')
    ], [true, false, false, false, true])
    t.equal(
      await repositories.apiKeys.isImported(bareKey.digest, { organizationId: 'org_a', resourceIds: ['res_a'] }), false,
      'made here'
    )
    if (name === 'sqlite') {
      const { digest } = key
      const pages = [0, 1, 2, 4].map(place => reads.importedKeys!(place, place === 2 ? 2 : 1)) as {
        through: number | null, keys: unknown[]
      }[]
      const expected = [{ digest, resourceId: 'res_a', shared: true }, { digest, resourceId: 'res_b', shared: true }, {
        digest, resourceId: 'res_o', shared: false
      }]
      t.strictSame(pages.flatMap(page => page.keys), expected, 'of four keys one was made here')
      t.strictSame(pages[3], { through: null, keys: [] })
    } else t.equal(reads.importedKeys, undefined)
    const chains = repositoriesOver(database.queries, () => {}, auditKeys(['a'.repeat(32)]))
    for (const organizationId of [null, 'org_a']) {
      await chains.audit.append(
        auditEvent(systemActor, at(25), 'organization.created', { organizationId, subject: 'org_a' })
      )
    }
    const heads = await repositories.audit.headsNotUnder('', 10)
    t.equal(heads.length, 2)
    t.strictSame(await reads.headsNotUnder('', 10), heads)
    t.strictSame(await reads.headsNotUnder('', 1), heads.slice(0, 1))
    t.strictSame(await reads.headsNotUnder(heads[0]!.key, 10), [])
    t.strictSame(
      await Promise.all([
        reads.skillNotUnder('x'), reads.sourceNotUnder('x'), reads.reviewerNotUnder('x'), reads.someProviderKey()
      ]),
      [[], [], [], []]
    )
    const columnsOf = async (table: string) =>
      (name === 'sqlite'
        ? await database.queries.$queryRawUnsafe<{ name: string }[]>(`SELECT name FROM pragma_table_info('${table}')`)
        : await database.queries.$queryRawUnsafe<{ name: string }[]>(
          `SELECT column_name::text AS name FROM information_schema.columns WHERE table_name = '${table}'`
        )).map(column => column.name).sort()
    t.strictSame(Object.keys(organization).sort(), await columnsOf('Organization'))
    t.strictSame(
      Object.keys(key).flatMap(each => each === 'portal' ? ['portalCeiling', 'portalTemplateId'] : each).sort(),
      await columnsOf('ApiKey')
    )
    t.strictSame(
      Object.keys(client).filter(member => member !== 'secrets' && member !== 'grants').sort(),
      (await columnsOf('Client')).filter(column => column !== 'idTokenAlgorithm')
    )
    // The normal form of an identifier is used for look-ups only.
    t.strictSame(
      Object.keys(server).filter(member => member !== 'scopes').sort(),
      (await columnsOf('Resource')).filter(column => column !== 'normalIdentifier')
    )
    t.strictSame(Object.keys(policy).sort(), await columnsOf('Policy'))
    t.strictSame(Object.keys(signingKey).sort(), await columnsOf('SigningKey'))
    t.strictSame(Object.keys(heads[0]!).sort(), await columnsOf('AuditChain'))
    // A registration token would have to exist.
    t.strictSame(
      [organization, key, client].flatMap(record => Object.entries(record).filter(([, value]) => value === null)),
      [['registrationTokenId', null]], 'no column was left out'
    )

    t.equal(await reads.apiKeyByDigest('nobody'), null)
    t.equal(await reads.client('nul\0'), null)
    t.strictSame(await reads.policiesOf('nul\0'), [])

    // A start loads the set of imported keys.
    await database.close()
    const another = await openStorage(url)
    t.teardown(another.close)
    const importedFor = async (resourceId: string | null) =>
      (await another.registry.importedApiKey(key.digest, resourceId))?.id ?? null
    t.strictSame([
      await importedFor('res_a'), await importedFor('res_b'), await importedFor('res_o'), await importedFor('res_m')
    ], ['key_a', 'key of res_b', 'key of res_o', null])
    t.equal(await importedFor(null), null, 'two resources of the deployment have it')
  })

  t.test(`[${name}] what is read past Prisma is what is committed, is not kept past a change that is under way, and is nothing once the database is closed`, async t => {
    const { url, drop } = await fresh()
    t.teardown(drop)
    const { store, registry, close } = await openStorage(url, { limits: patientLimits })
    await store.organizations.insert(bareOrganization)
    await store.transaction(async tx => {
      await tx.organizations.update({ ...bareOrganization, name: 'not yet' })
      t.match(await registry.organization('org_b'), { name: bareOrganization.name })
    })
    t.match(await registry.organization('org_b'), { name: 'not yet' })
    await close()
    await t.rejects((async () => await registry.organization('org_c'))(), { code: 'storage_unavailable' })
  })

  t.test(`[${name}] a client is kept in memory without the request that named it`, async t => {
    const { url, drop } = await fresh()
    const { store, registry, join, close } = await openStorage(url, { limits: patientLimits })
    t.teardown(async () => {
      await close()
      await drop()
    })
    await join()
    const ids = Array.from({ length: 50 }, (_, i) => `cli_with_an_id_as_long_as_ours_${i}`)
    for (const id of ids) await store.clients.insert({ ...bareClient, id })
    await registry.client('nobody')
    const before = heldNow()
    for (const id of ids) {
      t.match(
        await registry.client(
          `client_id=${id}&client_secret=${'s'.repeat(200_000)}`.split('&')[0]!.slice('client_id='.length)
        ),
        { id }
      )
    }
    t.ok(heldNow() - before < ids.length * 50_000, 'not all of each request')
    const [id] = ids
    t.equal(registry.client(id!), registry.client(id!), 'found by the same name')
  })
}

/** The bytes of the heap that are reachable. */
function heldNow (): number {
  setFlagsFromString('--expose_gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage().heapUsed
}
