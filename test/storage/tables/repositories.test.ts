/** Every repository, and the registry over them, on both databases. */
import t, { type Test } from 'tap'
import type { ApiKey } from '../../../src/domain/credentials/api-key.ts'
import type { AuditEvent } from '../../../src/domain/audit/event.ts'
import type { AuditFilter } from '../../../src/domain/audit/log.ts'
import type { Client } from '../../../src/domain/credentials/client.ts'
import type { Group } from '../../../src/domain/access/group.ts'
import type { Member } from '../../../src/domain/members/permissions.ts'
import type { Organization } from '../../../src/domain/tenancy/organization.ts'
import type { Page, PageQuery } from '../../../src/domain/core/page.ts'
import type { Policy } from '../../../src/domain/policy/policy.ts'
import type { RegistrationToken } from '../../../src/domain/credentials/registration-token.ts'
import type { Resource } from '../../../src/domain/resources/resource.ts'
import type { SigningKey } from '../../../src/domain/tokens/signing-key.ts'
import { negativeFactsIn } from '../../../src/storage/cache/negative-facts.ts'
import { migrate, openDatabase } from '../../../src/storage/engine/database.ts'
import { openStorage } from '../../../src/storage/index.ts'
import type { Storage } from '../../../src/storage/storage.ts'
import { repositoriesOver } from '../../../src/storage/store/repositories.ts'
import { CachedRegistry } from '../../../src/storage/cache/cached-registry.ts'
import { uncachedRegistry } from '../../../src/storage/cache/uncached-registry.ts'
import { newTelemetry, type Telemetry } from '../../../src/telemetry/telemetry.ts'
import { databases, type FreshDatabase } from '../../support/databases.ts'
import { patientLimits } from '../../support/waiting.ts'

const start = new Date('2026-01-01T00:00:00.123Z')
const later = (seconds: number): Date => new Date(start.getTime() + seconds * 1000)

const organization: Organization = {
  id: 'org_a',
  name: 'Ä "quoted" 🗝',
  status: 'active',
  features: ['embedding', 'ö'],
  callsPerMonth: 2_147_483_647,
  creditsPerMonth: null,
  callsPerMinute: 1,
  createdAt: start,
  suspendedAt: null,
  deletedAt: null,
  requiresProvider: true,
  unverifiedClients: 'approve',
  revision: 1
}

const resource: Resource = {
  id: 'res_a',
  identifier: 'https://api.example/a',
  name: 'A',
  organizationId: 'org_a',
  scopes: [{ name: 'z:last-by-name', keyOnly: false, description: null }, {
    name: 'a:key', keyOnly: true, description: 'only keys'
  }],
  style: { keyPrefix: 'a', transports: [{ in: 'header', name: 'x-api-key' }, { in: 'bearer' }], errors: 'rfc9457' },
  tokenLifetime: 3600,
  signingAlgorithm: 'ES256',
  kind: 'mcp',
  defaultScopes: ['z:last-by-name'],
  mostCredits: 7,
  title: null,
  description: null,
  version: '1.0.0',
  createdAt: start,
  revokedAt: null,
  revision: 1,
}

const client: Client = {
  id: 'cli_a',
  organizationId: 'org_a',
  name: 'machine',
  origin: 'operator',
  metadata: {
    token_endpoint_auth_method: 'client_secret_basic',
    grant_types: ['client_credentials'],
    response_types: [],
    nested: { deep: [1, null, 'x'] }
  },
  secrets: [
    { id: 'sec_2', digest: 'two', hint: '…0002', createdAt: start, expiresAt: null },
    { id: 'sec_1', digest: 'one', hint: '…0001', createdAt: start, expiresAt: later(60) },
  ],
  grants: [{ resourceId: 'res_b', scopes: ['b:read'] }, { resourceId: 'res_a', scopes: ['z:last-by-name', 'a:first'] }],
  allowlist: ['192.0.2.0/24', '2001:db8::/32'],
  introspects: ['res_a'],
  assertionProfile: 'rfc7523',
  pkceRequired: false,
  generation: 1,
  registrationAccessDigest: null,
  registrationTokenId: null,
  creatorId: null,
  createdAt: start,
  lastUsedAt: null,
  revokedAt: null,
  revokedReason: null,
  disabledAt: null,
  disabledReason: null,
  annotations: { team: 'ü' },
  externalId: 'customer-1',
  revision: 1,
}

const member: Member = {
  id: 'mem_a',
  organizationId: 'org_a',
  name: 'Ada',
  role: 'admin',
  email: null,
  scopes: null,
  operator: false,
  groups: [],
  createdAt: start,
  removedAt: null,
  revision: 1
}

const apiKey: ApiKey = {
  id: 'key_a',
  digest: 'digest-of-key-a',
  hint: 'a_live_…abcd',
  organizationId: 'org_a',
  organizations: ['org_a', 'org_b'],
  resourceId: 'res_a',
  environment: 'live',
  name: 'key',
  access: 'custom',
  scopes: ['a:key', 'z:last-by-name'],
  objects: { projects: ['prj_1', 'ü'], tasks: [] },
  allowlist: [],
  callsPerMonth: 1,
  creditsPerMonth: 2_147_483_647,
  callsPerMinute: null,
  createdBy: 'admin',
  creatorId: 'mem_a',
  vouchedBy: 'key_portal',
  portal: { templateId: 'tpl_a', ceiling: 'admin' },
  imported: true,
  chainId: 'key_0',
  rotatedFrom: 'key_0',
  rotatedTo: null,
  createdAt: start,
  expiresAt: later(3600),
  revokedAt: null,
  revokedReason: null,
  disabledAt: null,
  disabledReason: null,
  annotations: { team: 'ü' },
  externalId: 'customer-1',
  lastUsedAt: null,
  revision: 1,
}

const registrationToken: RegistrationToken = {
  id: 'rgt_a',
  digest: 'digest-of-token-a',
  hint: '…wxyz',
  organizationId: 'org_a',
  name: 'partners',
  resourceId: 'res_a',
  scopes: ['z:last-by-name'],
  allowlist: ['192.0.2.1'],
  usesLeft: 3,
  createdBy: 'admin',
  createdAt: start,
  expiresAt: null,
  revokedAt: null,
  revision: 1,
}

const signingKey: SigningKey = {
  kid: 'kid-a',
  algorithm: 'ES256',
  publicJwk: { kty: 'EC', crv: 'P-256', x: 'x', y: 'y', kid: 'kid-a' },
  sealedPrivateKey: 'sealed',
  createdAt: start,
  activatedAt: start,
  retiredAt: null,
  publishedUntil: null,
  revokedAt: null,
  revokedReason: null,
  revision: 1,
}

const event: AuditEvent = {
  id: 'evt_a',
  createdAt: start,
  type: 'client.created',
  actor: 'admin',
  organizationId: 'org_a',
  subject: 'cli_a',
  address: '192.0.2.1',
  requestId: 'req-1',
  detail: { name: 'machine', grants: [{ scopes: ['a'] }] },
}

/** A store with an organization and two resources, open until the test ends. */
async function opened (t: Test, fresh: () => Promise<FreshDatabase>): Promise<Storage & { telemetry: Telemetry }> {
  const { url, drop } = await fresh()
  const telemetry = newTelemetry()
  const storage = await openStorage(url, { limits: patientLimits, telemetry })
  t.teardown(async () => {
    await storage.close()
    await drop()
  })
  await storage.store.organizations.insert(organization)
  await storage.store.organizations.insert({ ...organization, id: 'org_b', name: 'B', createdAt: later(1) })
  await storage.store.resources.insert(resource)
  await storage.store.resources.insert({
    ...resource, id: 'res_b', identifier: 'https://api.example/b', organizationId: null, scopes: [], createdAt: later(1)
  })
  return { ...storage, telemetry }
}

async function allPages<T extends { createdAt: Date, id: string }> (
  limit: number, page: (query: PageQuery) => Promise<Page<T>>
): Promise<string[][]> {
  const pages: string[][] = []
  let after: PageQuery['after'] = null
  for (;;) {
    const { items, hasMore }: Page<T> = await page({ limit, after })
    pages.push(items.map(({ id }) => id))
    if (!hasMore) return pages
    after = items.at(-1)!
  }
}

const failure = (code: string) => ({ name: 'Failure', code })

for (const { name, fresh } of databases) {
  t.test(`[${name}] repositories`, async t => {
    const { store, registry, telemetry } = await opened(t, fresh)
    const {
      organizations,
      resources,
      clients,
      members,
      apiKeys,
      registrationTokens,
      signingKeys,
      revokedTokens,
      usedAssertions,
      audit
    } = store
    await clients.insert(client)
    await members.insert(member)
    await members.insert({ ...member, id: 'mem_scoped', scopes: ['invoices:*'] })
    await apiKeys.insert(apiKey)
    await registrationTokens.insert(registrationToken)

    t.test('what was inserted is read back exactly, and what is not there is null', async t => {
      t.strictSame(await organizations.get('org_a'), organization)
      t.strictSame(await resources.get('res_a'), resource)
      t.strictSame(await resources.byIdentifier(resource.identifier), resource)
      t.strictSame(await clients.get('cli_a'), client)
      t.strictSame(await members.get('mem_a'), member)
      t.strictSame((await members.get('mem_scoped'))?.scopes, ['invoices:*'])
      t.strictSame(await apiKeys.get('key_a'), apiKey)
      t.strictSame(await apiKeys.byDigest(apiKey.digest, apiKey.resourceId), apiKey)
      t.strictSame(await registrationTokens.get('rgt_a'), registrationToken)
      t.strictSame(await registrationTokens.byDigest(registrationToken.digest), registrationToken)
      t.strictSame([
        await organizations.get('x'),
        await resources.get('x'),
        await resources.byIdentifier('x'),
        await clients.get('x'),
        await clients.byRegistrationAccessDigest('x'),
        await apiKeys.get('x'),
        await apiKeys.byDigest('x', apiKey.resourceId),
        await registrationTokens.get('x'),
        await registrationTokens.byDigest('x'),
        await members.get('x')
      ], Array(10).fill(null))
    })

    t.test('a taken identifier, digest or id is a conflict', async t => {
      await t.rejects(resources.insert({ ...resource, id: 'res_c' }), failure('conflict'))
      await t.rejects(apiKeys.insert({ ...apiKey, id: 'key_c' }), failure('conflict'))
      await t.rejects(registrationTokens.insert({ ...registrationToken, id: 'rgt_c' }), failure('conflict'))
      await t.rejects(store.transaction(tx => tx.clients.insert(client)), failure('conflict'))
    })

    t.test('an update replaces everything but id and createdAt, and adds one to the revision, whatever it was when it was read', async t => {
      const changedOrganization: Organization = {
        ...organization,
        name: 'new',
        status: 'suspended',
        features: [],
        callsPerMonth: null,
        creditsPerMonth: 3,
        callsPerMinute: null,
        suspendedAt: later(5)
      }
      t.equal((await organizations.update({ ...changedOrganization, revision: 7, createdAt: later(99) })).revision, 2)
      t.strictSame(await organizations.get('org_a'), { ...changedOrganization, revision: 2 })

      const changedResource: Resource = {
        ...resource,
        identifier: 'https://api.example/moved',
        name: 'moved',
        scopes: [{ name: 'new', keyOnly: false, description: null }, resource.scopes[0]!],
        revokedAt: later(6)
      }
      await resources.update({ ...changedResource, createdAt: later(99) })
      t.strictSame(await resources.get('res_a'), { ...changedResource, revision: 2 })

      const changedClient: Client = {
        ...client,
        organizationId: 'org_b',
        secrets: [client.secrets[1]!, { ...client.secrets[0]!, id: 'sec_3' }],
        grants: [client.grants[1]!],
        allowlist: [],
        introspects: [],
        generation: 2,
        registrationAccessDigest: 'rat',
        registrationTokenId: 'rgt_a',
        creatorId: null,
        revokedAt: later(7),
        revokedReason: 'lost',
        disabledAt: later(6),
        disabledReason: 'doubted',
        annotations: {},
        externalId: null,
      }
      await clients.update({ ...changedClient, createdAt: later(99) })
      t.strictSame(await clients.get('cli_a'), { ...changedClient, revision: 2 })
      t.strictSame(await clients.byRegistrationAccessDigest('rat'), { ...changedClient, revision: 2 })

      const changedMember: Member = { ...member, name: 'Grace', role: 'viewer', scopes: ['a:*'], removedAt: later(3) }
      await members.update({ ...changedMember, organizationId: 'org_b', createdAt: later(99) })
      t.strictSame(await members.get('mem_a'), { ...changedMember, revision: 2 })
      await members.update({ ...changedMember, scopes: null })
      t.strictSame(await members.get('mem_a'), { ...changedMember, scopes: null, revision: 3 })

      const changedKey: ApiKey = {
        ...apiKey,
        name: 'renamed',
        organizations: ['org_a'],
        access: 'read-only',
        scopes: [],
        objects: {},
        callsPerMonth: null,
        creditsPerMonth: null,
        callsPerMinute: 7,
        creatorId: null,
        rotatedTo: 'key_b',
        allowlist: ['::1'],
        expiresAt: null,
        revokedAt: later(8),
        revokedReason: 'leaked',
        disabledAt: later(7),
        disabledReason: 'doubted',
        annotations: { team: 'b', '': '' },
        externalId: 'customer-2'
      }
      await apiKeys.update({ ...changedKey, digest: 'other', createdAt: later(99) })
      t.strictSame(await apiKeys.get('key_a'), { ...changedKey, revision: 2 })

      const changedToken: RegistrationToken = {
        ...registrationToken, name: 'renamed', usesLeft: null, revokedAt: later(9)
      }
      await registrationTokens.update({ ...changedToken, createdAt: later(99) })
      t.strictSame(await registrationTokens.get('rgt_a'), { ...changedToken, revision: 2 })
    })

    t.test('the keys of a chain that work in their overlap are found, and no others', async t => {
      const now = later(50)
      const replaced = { ...apiKey, chainId: 'key_c0', rotatedTo: 'key_c9', expiresAt: later(51), revokedAt: null }
      const others: Record<string, Partial<ApiKey>> = {
        c1: {},
        c2: { expiresAt: null },
        c3: { expiresAt: now },
        c4: { rotatedTo: null },
        c5: { revokedAt: start },
        c6: { chainId: 'key_other' }
      }
      for (const [name, properties] of Object.entries(others)) {
        await apiKeys.insert({ ...replaced, id: `key_${name}`, digest: name, ...properties })
      }
      t.strictSame((await apiKeys.inOverlap('key_c0', now)).map(({ id }) => id).toSorted(), ['key_c1', 'key_c2'])
    })

    t.test('generations are raised for the clients of one resource, and for no other', async t => {
      await clients.insert({
        ...client, id: 'cli_r1', secrets: [], grants: [{ resourceId: 'res_b', scopes: [] }], generation: 7
      })
      await clients.insert({
        ...client, id: 'cli_r2', secrets: [], grants: [{ resourceId: 'res_a', scopes: [] }], generation: 7
      })
      await clients.raiseGenerations({ resourceId: 'res_b' })
      t.equal((await clients.get('cli_r1'))?.generation, 8)
      t.equal((await clients.get('cli_r2'))?.generation, 7)
    })

    t.test('the last use is kept to the second, never goes back, and is set for many at once', async t => {
      const ids = Array.from({ length: 1200 }, (_, i) => `key_used_${i}`)
      await store.transaction(async tx => {
        for (const id of ids) await tx.apiKeys.insert({ ...apiKey, id, digest: id })
      })
      await apiKeys.touch(new Map(ids.map(id => [id, later(100)])))
      const used = await apiKeys.get('key_used_1199')
      t.strictSame(used?.lastUsedAt, new Date('2026-01-01T00:01:40.000Z'))
      await apiKeys.touch(new Map([['key_used_0', later(50)], ['key_used_1', later(200)], ['unknown', later(200)]]))
      t.strictSame((await apiKeys.get('key_used_0'))?.lastUsedAt, new Date('2026-01-01T00:01:40.000Z'))
      t.strictSame((await apiKeys.get('key_used_1'))?.lastUsedAt, new Date('2026-01-01T00:03:20.000Z'))
      const statements = () => telemetry.metrics.statements.entries().reduce((sum, [, , , { count }]) => sum + count, 0)
      const before = statements()
      await apiKeys.touch(new Map(ids.slice(100, 150).map((id, i) => [id, later(300 + i)])))
      t.equal(statements() - before, 1, 'fifty seconds are one statement')
      t.strictSame((await apiKeys.get('key_used_149'))?.lastUsedAt, new Date('2026-01-01T00:05:49.000Z'))
      t.ok(await clients.use('cli_a', later(20)))
      for (const at of [later(10), later(30)]) await clients.touch(new Map([['cli_a', at]]))
      t.strictSame((await clients.get('cli_a'))?.lastUsedAt, new Date('2026-01-01T00:00:30.000Z'))
      t.notOk(await clients.use('cli_unknown', later(20)))
      await clients.insert({ ...client, id: 'cli_touched', secrets: [], grants: [] })
      await clients.touch(new Map([['cli_touched', later(10)]]))
      t.strictSame((await clients.get('cli_touched'))?.lastUsedAt, new Date('2026-01-01T00:00:10.000Z'))
    })

    t.test('an algorithm of ID tokens is in use as long as an active client is registered for it', async t => {
      const asking = (algorithm?: string): Client['metadata'] => ({
        ...client.metadata, ...(algorithm && { id_token_signed_response_alg: algorithm })
      })
      t.equal(await clients.usesIdTokens('RS256'), false)
      const own = { ...client, id: 'cli_id_tokens', secrets: [], grants: [], metadata: asking('RS256') }
      await clients.insert(own)
      t.equal(await clients.usesIdTokens('RS256'), true)
      await clients.update({ ...own, metadata: asking() })
      t.equal(await clients.usesIdTokens('RS256'), false)
      await clients.update({ ...own, metadata: asking('RS256'), revokedAt: start })
      t.equal(await clients.usesIdTokens('RS256'), false)
    })

    t.test('idle are the registered clients that were never used, oldest first; a removed one is gone with its secrets', async t => {
      const registered: Client = { ...client, secrets: [], grants: [], origin: 'registered' }
      await clients.insert({ ...registered, id: 'cli_idle_2', createdAt: later(-20) })
      await clients.insert({
        ...registered,
        id: 'cli_idle_1',
        createdAt: later(-30),
        secrets: [{ ...client.secrets[0]!, id: 'sec_idle' }],
        grants: client.grants
      })
      await clients.insert({ ...registered, id: 'cli_used', createdAt: later(-30), lastUsedAt: later(-1) })
      await clients.insert({ ...registered, id: 'cli_young', createdAt: start })
      await clients.insert({ ...registered, id: 'cli_changed', createdAt: later(-30), revision: 2 })
      await clients.insert({ ...registered, id: 'cli_operator', createdAt: later(-30), origin: 'operator' })
      t.strictSame((await clients.idle(start, 10)).map(({ id }) => id), ['cli_idle_1', 'cli_idle_2'])
      t.strictSame((await clients.idle(start, 1)).map(({ id }) => id), ['cli_idle_1'])
      await clients.remove('cli_idle_1')
      t.equal(await clients.get('cli_idle_1'), null)
      await clients.insert({ ...registered, id: 'cli_new', secrets: [{ ...client.secrets[0]!, id: 'sec_idle' }] })
    })

    t.test('exactly as many racing registrations get through as the token has uses', async t => {
      await registrationTokens.insert({ ...registrationToken, id: 'rgt_3', digest: 'three', usesLeft: 3 })
      const spent = await Promise.all(Array.from({ length: 20 }, () => registrationTokens.spend('rgt_3')))
      t.equal(spent.filter(Boolean).length, 3)
      t.equal((await registrationTokens.get('rgt_3'))?.usesLeft, 0)
      await registrationTokens.insert({ ...registrationToken, id: 'rgt_n', digest: 'unlimited', usesLeft: null })
      t.equal(await registrationTokens.spend('rgt_n'), true)
      t.equal((await registrationTokens.get('rgt_n'))?.usesLeft, null)
      t.equal(await registrationTokens.spend('unknown'), false)
    })

    t.test('P2: of many racing callers exactly one remembers an assertion, inside transactions too', async t => {
      const plain = Array.from({ length: 20 }, () => usedAssertions.remember('jti-1', later(60)))
      t.equal((await Promise.all(plain)).filter(Boolean).length, 1)
      const inside = Array.from({ length: 6 }, () => store.transaction(async tx => {
        const first = await tx.usedAssertions.remember('jti-2', later(60))
        await tx.organizations.get('org_a')
        return first
      }))
      t.equal((await Promise.all(inside)).filter(Boolean).length, 1)
      await usedAssertions.prune(later(60), 10)
      t.equal(await usedAssertions.remember('jti-1', later(60)), false)
      await usedAssertions.prune(later(61), 10)
      t.equal(await usedAssertions.remember('jti-1', later(60)), true)
    })

    t.test('revoked tokens are remembered until they are pruned; revoking twice changes nothing', async t => {
      const token = { jti: 'token-1', clientId: 'cli_a', revokedAt: start, expiresAt: later(60) }
      t.equal(await revokedTokens.has('token-1'), false)
      await revokedTokens.insert(token)
      await revokedTokens.insert({ ...token, expiresAt: later(999) })
      t.equal(await revokedTokens.has('token-1'), true)
      await revokedTokens.prune(later(60), 10)
      t.equal(await revokedTokens.has('token-1'), true)
      await revokedTokens.prune(later(61), 10)
      t.equal(await revokedTokens.has('token-1'), false)
    })

    t.test('signing keys come oldest first', async t => {
      const younger = { ...signingKey, kid: 'kid-b', createdAt: later(10), activatedAt: later(310) }
      await signingKeys.insert(younger)
      await signingKeys.insert(signingKey)
      t.strictSame(await signingKeys.all(), [signingKey, younger])
      const retired = { ...signingKey, retiredAt: later(310), publishedUntil: later(9_999) }
      await signingKeys.update({ ...retired, sealedPrivateKey: 'another', createdAt: later(1) })
      t.strictSame(await signingKeys.all(), [{ ...retired, revision: 2 }, younger], 'only its times change')
      const revoked = { ...retired, revokedAt: later(400), revokedReason: 'leaked', revision: 2 }
      t.strictSame(await signingKeys.update(revoked), { ...revoked, revision: 3 })
      const reseal = { id: 'kid-a', from: signingKey.sealedPrivateKey, to: 'sealed anew', sealedBy: 'another' }
      t.equal(await signingKeys.reseal({ ...reseal, from: 'what it had before' }), false)
      t.equal(await signingKeys.reseal(reseal), true)
      t.strictSame(
        await signingKeys.all(), [{ ...revoked, revision: 3, sealedPrivateKey: 'sealed anew' }, younger],
        'what it is for stays'
      )
      await signingKeys.remove('kid-a')
      t.strictSame(await signingKeys.all(), [younger])
    })

    t.test('pages are newest first and complete, also where many rows have one instant', async t => {
      for (let i = 0; i < 7; i++) {
        await audit.append({
          ...event,
          id: `evt_${i}`,
          createdAt: later(i < 4 ? 0 : i),
          organizationId: i % 2 === 0 ? 'org_a' : null,
          type: i === 6 ? 'client.revoked' : 'client.created'
        })
      }
      // Beside the events of the chains themselves.
      const rows: AuditFilter = { types: ['client.created', 'client.revoked'] }
      const newestFirst = ['evt_6', 'evt_5', 'evt_4', 'evt_3', 'evt_2', 'evt_1', 'evt_0']
      for (const limit of [1, 2, 3, 7, 200]) {
        t.strictSame((await allPages(limit, query => audit.page(query, rows))).flat(), newestFirst)
      }
      t.strictSame(await allPages(7, query => audit.page(query, rows)), [newestFirst])
      t.strictSame((await allPages(1, query => audit.page(query, { organizationId: 'org_a' }))).flat(), [
        'evt_6', 'evt_4', 'evt_2', 'evt_0'
      ])
      t.strictSame((await allPages(2, query => audit.page(query, { type: 'client.revoked' }))).flat(), ['evt_6'])
      t.strictSame((await allPages(2, query => audit.page(query, { subject: 'nobody' }))).flat(), [])
      t.strictSame((await audit.page({ limit: 1, after: { createdAt: later(0), id: 'evt_1' } }, rows)).items, [{
        ...event, id: 'evt_0'
      }])
    })

    t.test('W3: a page of one organization has nothing of another', async t => {
      await apiKeys.insert({ ...apiKey, id: 'key_b', digest: 'digest-of-key-b', organizationId: 'org_b' })
      t.strictSame(
        (await apiKeys.page({ limit: 200, after: null }, { organizationId: 'org_b' })).items.map(({ id }) => id),
        ['key_b']
      )
      await members.insert({ ...member, id: 'mem_b', organizationId: 'org_b' })
      t.strictSame(
        (await members.page({ limit: 200, after: null }, { organizationId: 'org_b' })).items.map(({ id }) => id),
        ['mem_b']
      )
      await registrationTokens.insert({ ...registrationToken, id: 'rgt_b', digest: 'b', organizationId: 'org_b' })
      t.strictSame(
        (await registrationTokens.page({ limit: 200, after: null }, { organizationId: 'org_b' })).items.map(({ id }) =>
          id
        ),
        ['rgt_b']
      )
      t.strictSame(
        (await clients.page({ limit: 200, after: null }, { organizationId: 'org_b' })).items.map(({ id }) => id),
        ['cli_a']
      )
      t.strictSame((await organizations.page({ limit: 200, after: null }, { id: 'org_b' })).items.map(({ id }) => id), [
        'org_b'
      ])
      t.strictSame(
        (await resources.page({ limit: 200, after: null }, { visibleTo: 'org_b' })).items.map(({ id }) => id), ['res_b']
      )
      t.strictSame(
        (await resources.page({ limit: 200, after: null }, { visibleTo: 'org_a' })).items.map(({ id }) => id),
        ['res_b', 'res_a']
      )
      t.strictSame(
        (await resources.page({ limit: 200, after: { createdAt: later(1), id: 'res_b' } }, { visibleTo: 'org_a' }))
          .items.map(({ id }) => id),
        ['res_a']
      )
    })

    t.test('a transaction keeps all or nothing', async t => {
      await t.rejects(store.transaction(async tx => {
        await tx.organizations.insert({ ...organization, id: 'org_never' })
        await tx.audit.append({ ...event, id: 'evt_never' })
        throw new Error('changed my mind')
      }), { message: 'changed my mind' })
      t.equal(await organizations.get('org_never'), null)
      t.strictSame((await audit.page({ limit: 200, after: null }, {})).items.filter(({ id }) => id === 'evt_never'), [])
    })

    t.test('the registry answers with what was acknowledged last, whoever asked before', async t => {
      await organizations.insert({ ...organization, id: 'org_v' })
      await resources.insert({ ...resource, id: 'res_v', identifier: 'https://v.example', organizationId: 'org_v' })
      const grants = [{ resourceId: 'res_v', scopes: [] }]
      const key: ApiKey = {
        ...apiKey, id: 'key_v', digest: 'v', organizationId: 'org_v', resourceId: 'res_v', imported: false
      }
      const person: Member = { ...member, id: 'mem_v', organizationId: 'org_v' }
      const machine: Client = { ...client, id: 'cli_v', organizationId: 'org_v', secrets: [], grants }

      t.equal(await registry.apiKey('v'), null)
      t.equal(await registry.client('cli_v'), null)
      t.equal(await registry.member('mem_v'), null)
      await members.insert(person)
      t.strictSame(await registry.member('mem_v'), person)
      await apiKeys.insert(key)
      await clients.insert(machine)
      t.strictSame(await registry.apiKey('v'), key)
      t.strictSame(await registry.client('cli_v'), machine)
      t.match(await registry.organization('org_v'), { status: 'active' })
      t.match(await registry.resource('res_v'), { revokedAt: null })
      t.match(await registry.resourceByIdentifier('https://v.example'), { id: 'res_v' })
      t.equal(await registry.isTokenRevoked('v'), false)

      await store.transaction(async tx => {
        await tx.apiKeys.update({ ...key, revokedAt: later(1) })
        await tx.members.update({ ...person, removedAt: later(1) })
        await tx.clients.update({ ...machine, generation: 2 })
        await tx.organizations.update({ ...organization, id: 'org_v', status: 'suspended' })
        await tx.resources.update({
          ...resource, id: 'res_v', identifier: 'https://moved.example', organizationId: 'org_v', revokedAt: later(1)
        })
        await tx.revokedTokens.insert({ jti: 'v', clientId: 'cli_v', revokedAt: start, expiresAt: later(60) })
      })
      t.strictSame((await registry.apiKey('v'))?.revokedAt, later(1))
      t.strictSame((await registry.member('mem_v'))?.removedAt, later(1))
      t.equal((await registry.client('cli_v'))?.generation, 2)
      t.match(await registry.organization('org_v'), { status: 'suspended' })
      t.strictSame((await registry.resource('res_v'))?.revokedAt, later(1))
      t.equal(await registry.resourceByIdentifier('https://v.example'), null)
      t.match(await registry.resourceByIdentifier('https://moved.example'), { id: 'res_v' })
      t.equal(await registry.isTokenRevoked('v'), true)

      await store.transaction(tx => tx.clients.raiseGenerations({ resourceId: 'res_v' }))
      t.equal((await registry.client('cli_v'))?.generation, 3)
      await clients.remove('cli_v')
      t.equal(await registry.client('cli_v'), null)
    })

    t.test('the registry finds an imported key by its resource and digest, and follows each of those that have one digest', async t => {
      for (
        const [id, organizationId] of [['res_i', 'org_a'], ['res_j', 'org_v'], ['res_k', null], [
          'res_l', null
        ]] as const
      ) {
        await resources.insert({ ...resource, id, identifier: `https://${id}.example`, organizationId })
      }
      const imported = (id: string, resourceId: string): ApiKey => ({
        ...apiKey, id, digest: 'i', resourceId, imported: true
      })
      const found = async () =>
        [
          await registry.importedApiKey('i', 'res_i'), await registry.importedApiKey('i', 'res_j'),
          await registry.importedApiKey('i', null)
        ].map(key => key?.id ?? null)
      t.strictSame(await found(), [null, null, null])
      await store.transaction(tx => tx.apiKeys.insert(imported('key_i', 'res_i')))
      t.strictSame(
        await found(), ['key_i', null, null], 'what an organization imported is known for its resource alone'
      )
      await store.transaction(tx => tx.apiKeys.insert(imported('key_j', 'res_j')))
      await store.transaction(tx => tx.apiKeys.insert(imported('key_k', 'res_k')))
      t.strictSame(await found(), ['key_i', 'key_j', 'key_k'])
      t.equal(await registry.apiKey('i'), null, 'none of them was made here')
      await store.transaction(tx => tx.apiKeys.update({ ...imported('key_j', 'res_j'), revokedAt: later(1) }))
      t.strictSame((await registry.importedApiKey('i', 'res_j'))?.revokedAt, later(1))
      t.equal((await registry.importedApiKey('i', 'res_i'))?.revokedAt, null)
      await store.transaction(tx => tx.apiKeys.insert(imported('key_l', 'res_l')))
      t.strictSame(await found(), ['key_i', 'key_j', null], 'two of the deployment have it')
      t.equal((await registry.importedApiKey('i', 'res_k'))?.id, 'key_k')
      await t.rejects(apiKeys.insert(imported('key_m', 'res_i')), failure('conflict'), 'one digest on one resource')
    })

    t.test('groups and policies are kept as they were written, and the registry follows them', async t => {
      const { groups, policies } = store
      await organizations.insert({ ...organization, id: 'org_g' })
      await members.insert({ ...member, id: 'mem_g', organizationId: 'org_g' })
      const group: Group = {
        id: 'grp_g',
        organizationId: 'org_g',
        name: 'ä',
        description: null,
        scopes: ['a:*', 'b'],
        createdAt: start,
        revision: 1
      }
      await groups.insert(group)
      t.strictSame(await groups.get('grp_g'), group)
      t.strictSame((await registry.member('mem_g'))?.groups, [])
      for (let i = 0; i < 2; i++) await groups.addMember('grp_g', 'mem_g')
      t.strictSame((await registry.member('mem_g'))?.groups, [{ id: 'grp_g', scopes: ['a:*', 'b'] }])
      await groups.update({
        ...group, organizationId: 'org_b', name: 'b', description: 'c', scopes: [], createdAt: later(9)
      })
      t.strictSame(await groups.get('grp_g'), { ...group, name: 'b', description: 'c', scopes: [], revision: 2 })
      t.strictSame((await registry.member('mem_g'))?.groups, [{ id: 'grp_g', scopes: [] }])
      t.strictSame((await groups.page({ limit: 9, after: null }, { memberId: 'mem_g' })).items.map(({ id }) => id), [
        'grp_g'
      ])
      t.strictSame((await members.page({ limit: 9, after: null }, { groupId: 'grp_g' })).items.map(({ id }) => id), [
        'mem_g'
      ])
      await groups.removeMember('grp_g', 'mem_g')
      await groups.addMember('grp_g', 'mem_g')
      await groups.remove('grp_g')
      t.strictSame((await registry.member('mem_g'))?.groups, [])
      t.equal(await groups.get('grp_g'), null)

      const policy: Policy = {
        id: 'pol_g',
        organizationId: 'org_g',
        name: 'ä',
        description: null,
        effect: 'deny',
        enabled: true,
        conditions: { kinds: ['api_key'], times: { days: ['mon'] } },
        createdBy: 'admin',
        createdAt: start,
        updatedAt: start,
        revision: 1
      }
      const ids = async (owner: string | null) => (await registry.policies(owner)).policies.map(({ id }) => id)
      t.strictSame([await ids('org_g'), await ids(null)], [[], []])
      await store.transaction(async tx => {
        await tx.policies.insert(policy)
        await tx.policies.insert({ ...policy, id: 'pol_deployment', organizationId: null })
      })
      t.strictSame([await ids('org_g'), await ids(null), await ids('org_a')], [['pol_g'], ['pol_deployment'], []])
      t.strictSame(await policies.get('pol_g'), policy)
      await policies.update({
        ...policy,
        organizationId: 'org_b',
        createdBy: 'x',
        createdAt: later(9),
        enabled: false,
        conditions: {},
        updatedAt: later(1)
      })
      t.strictSame(await policies.get('pol_g'), {
        ...policy, enabled: false, conditions: {}, updatedAt: later(1), revision: 2
      })
      t.match(await registry.policies('org_g'), { denies: [] })
      t.strictSame(
        (await policies.page({ limit: 9, after: null }, { organizationId: null })).items.map(({ id }) => id),
        ['pol_deployment']
      )
      t.strictSame(
        (await policies.page({ limit: 9, after: null }, { organizationId: 'org_g', enabled: true })).items, []
      )
      await policies.remove(policy)
      await policies.remove({ ...policy, id: 'pol_deployment', organizationId: null })
      t.strictSame([await ids('org_g'), await ids(null)], [[], []])
    })

    t.test('the registry takes nothing from a transaction that was rolled back', async t => {
      await registry.organization('org_b')
      await t.rejects(store.transaction(async tx => {
        await tx.organizations.update({ ...organization, id: 'org_b', status: 'suspended' })
        await tx.revokedTokens.insert({ jti: 'rolled back', clientId: 'cli_a', revokedAt: start, expiresAt: later(60) })
        throw new Error('no')
      }))
      t.match(await registry.organization('org_b'), { status: 'active' })
      t.equal(await registry.isTokenRevoked('rolled back'), false)
    })
  })
}

t.test('[sqlite] the registry serves the same unchanged record as the same object, and knows revoked tokens after a restart', async t => {
  const { url, drop } = await databases[0]!.fresh()
  t.teardown(drop)
  const first = await openStorage(url, { limits: patientLimits })
  await first.store.organizations.insert(organization)
  const once = await first.registry.organization('org_a')
  t.equal(await first.registry.organization('org_a'), once)
  await first.store.revokedTokens.insert({ jti: 'kept', clientId: 'cli_a', revokedAt: start, expiresAt: later(60) })
  await first.close()
  const second = await openStorage(url, { limits: patientLimits })
  t.teardown(() => second.close())
  t.equal(await second.registry.isTokenRevoked('kept'), true)
  t.strictSame(await second.registry.organization('org_a'), organization)
  await second.store.revokedTokens.prune(later(61), 10)
  t.equal(await second.registry.isTokenRevoked('kept'), false)
})

t.test('[sqlite] Y3: what was read before a revocation is not kept when it arrives after it', async t => {
  const { url, drop } = await databases[0]!.fresh()
  const database = await openDatabase(url)
  t.teardown(async () => {
    await database.close()
    await drop()
  })
  await migrate(url)
  const repositories = repositoriesOver(database.queries, change => view.apply(change), [])
  const { organizations } = repositories
  const hasRead = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const slow = async (id: string) => {
    const found = await organizations.get(id)
    hasRead.resolve()
    await goOn.promise
    return found
  }
  const view = new CachedRegistry(
    { ...uncachedRegistry(repositories, database.reads), organization: slow }, negativeFactsIn(database.reads)
  )
  await organizations.insert(organization)

  const early = view.organization('org_a')
  await hasRead.promise
  await organizations.update({ ...organization, status: 'suspended' })
  goOn.resolve()
  t.match(await early, { status: 'active' })
  t.match(await view.organization('org_a'), { status: 'suspended' })
})
