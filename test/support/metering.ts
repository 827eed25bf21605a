/** A store prepared for metering: a resource, and an organization with keys for each test. */
import type { Test } from 'tap'
import type { ApiKey } from '../../src/domain/credentials/api-key.ts'
import { systemActor } from '../../src/domain/core/actor.ts'
import { grantCredits, type CreditAccount } from '../../src/domain/metering/credit.ts'
import { noLimits } from '../../src/domain/tenancy/limits.ts'
import { meter, type Meter } from '../../src/domain/metering/meter.ts'
import type { Resource } from '../../src/domain/resources/resource.ts'
import { styles } from '../../src/domain/resources/style.ts'
import type { Store, Repositories } from '../../src/domain/store.ts'
import type { Operation } from '../../src/domain/core/operation.ts'
import { openStorage } from '../../src/storage/index.ts'
import type { Storage } from '../../src/storage/storage.ts'
import { newId } from '../../src/secrets/random.ts'
import type { Environment } from '../../src/secrets/credential-text.ts'
import type { FreshDatabase } from './databases.ts'
import { MovableClock } from './test-server.ts'
import { patientLimits } from './waiting.ts'

export const noon = new Date('2026-01-15T12:00:00.000Z')

/** A clock that stands at `instant` until it is moved. */
export function clockAt (instant: Date | string): MovableClock {
  const clock = new MovableClock()
  clock.stop()
  clock.advance((new Date(instant).getTime() - clock.now().getTime()) / 1_000)
  return clock
}

/** An organization of its own on a shared database, and the operations of a test on it. Its clock stands at noon. */
export interface Tenant {
  store: Store
  organizationId: string
  live: CreditAccount
  test: CreditAccount
  clock: MovableClock
  operation: Operation<Repositories>
  /** Closed with the test. */
  newMeter (): Meter
  /** On another server of the same database; SQLite serves one server, so on the same one there. */
  newMeterElsewhere (): Meter
  elsewhere: Store
  newKey (properties?: Partial<ApiKey>): Promise<ApiKey>
  grant (amount: number, environment?: Environment): Promise<void>
}

export interface Metering extends Storage {
  url: string
  newTenant (t: Test): Promise<Tenant>
}

/** Stays open until the test ends. */
export async function openMetering (t: Test, fresh: () => Promise<FreshDatabase>): Promise<Metering> {
  const { url, drop } = await fresh()
  const storage = await openStorage(url, { limits: patientLimits })
  const other = url.startsWith('file:') ? storage : await openStorage(url, { limits: patientLimits })
  t.teardown(async () => {
    for (const each of new Set([storage, other])) await each.close()
    await drop()
  })
  const resource: Resource = {
    id: 'res_a',
    identifier: 'https://api.example/a',
    name: 'A',
    organizationId: null,
    scopes: [],
    style: styles.rfc9457,
    tokenLifetime: 3600,
    signingAlgorithm: 'ES256',
    kind: 'api',
    defaultScopes: [],
    mostCredits: 0,
    title: null,
    description: null,
    version: '1.0.0',
    createdAt: noon,
    revokedAt: null,
    revision: 1
  }
  if (await storage.store.resources.get(resource.id) === null) await storage.store.resources.insert(resource)
  return { ...storage, url, newTenant: t => newTenant(t, storage.store, other.store) }
}

async function newTenant (t: Test, store: Store, elsewhere: Store): Promise<Tenant> {
  const clock = clockAt(noon)
  const operation = { store, clock: clock.now, actor: systemActor }
  const organizationId = newId('org')
  await store.organizations.insert({
    id: organizationId,
    name: 'tenant',
    status: 'active',
    features: [],
    ...noLimits,
    createdAt: noon,
    suspendedAt: null,
    deletedAt: null,
    requiresProvider: false,
    unverifiedClients: 'allow',
    revision: 1
  })
  const meterOver = (store: Store) => () => {
    const made = meter(store, clock.now)
    t.teardown(() => made.stop())
    return made
  }
  return {
    store,
    elsewhere,
    organizationId,
    live: { organizationId, environment: 'live' },
    test: { organizationId, environment: 'test' },
    clock,
    operation,
    newMeter: meterOver(store),
    newMeterElsewhere: meterOver(elsewhere),
    async newKey (properties = {}) {
      const id = newId('key')
      const key: ApiKey = {
        ...unlimitedKey,
        id,
        chainId: id,
        digest: `digest-of-${id}`,
        organizationId,
        organizations: [organizationId],
        ...properties
      }
      await store.apiKeys.insert(key)
      return key
    },
    async grant (amount, environment = 'live') {
      await grantCredits(operation, { organizationId, environment, amount, reason: 'test' })
    },
  }
}

const unlimitedKey: Omit<ApiKey, 'id' | 'chainId' | 'digest' | 'organizationId' | 'organizations'> = {
  hint: 'api_live_…abcd',
  resourceId: 'res_a',
  environment: 'live',
  name: 'key',
  access: 'custom',
  scopes: [],
  objects: {},
  allowlist: [],
  callsPerMonth: null,
  creditsPerMonth: null,
  callsPerMinute: null,
  createdBy: 'admin',
  creatorId: null,
  vouchedBy: null,
  portal: null,
  imported: false,
  rotatedFrom: null,
  rotatedTo: null,
  createdAt: noon,
  expiresAt: null,
  revokedAt: null,
  revokedReason: null,
  disabledAt: null,
  disabledReason: null,
  annotations: {},
  externalId: null,
  lastUsedAt: null,
  revision: 1
}
