/** A store with what metering needs in it: an organization, a resource, and keys with limits. */
import type { Test } from 'tap'
import type { ApiKey } from '../src/domain/api-key.ts'
import { systemActor } from '../src/domain/audit.ts'
import { grantCredits } from '../src/domain/credit.ts'
import { meter, type Meter } from '../src/domain/meter.ts'
import { styles } from '../src/domain/style.ts'
import type { Operation } from '../src/domain/store.ts'
import { openStorage, type Storage } from '../src/storage/index.ts'
import type { Environment } from '../src/secrets.ts'
import type { FreshDatabase } from './databases.ts'
import { MovableClock } from './harness.ts'

export const noon = new Date('2026-01-15T12:00:00.000Z')

/** A clock that stands at `instant` until it is moved. */
export function clockAt (instant: Date | string): MovableClock {
  const clock = new MovableClock()
  clock.stop()
  clock.advance((new Date(instant).getTime() - clock.now().getTime()) / 1_000)
  return clock
}

export interface Metering extends Storage {
  url: string
  clock: MovableClock
  operation: Operation
  /** A meter of its own; closed with the test unless it was closed before. */
  newMeter (): Meter
  /** Another server on the same database; on SQLite, which serves one, the same again. */
  another (): Promise<{ store: Operation['store'], newMeter (): Meter }>
  newKey (id: string, properties?: Partial<ApiKey>): Promise<ApiKey>
  grant (amount: number, environment?: Environment, organizationId?: string): Promise<void>
}

export async function openMetering (t: Test, fresh: () => Promise<FreshDatabase>): Promise<Metering> {
  const { url, drop } = await fresh()
  const clock = clockAt(noon)
  const storage = await openStorage(url)
  const open: Storage[] = [storage]
  const meters: Meter[] = []
  t.teardown(async () => {
    for (const each of meters) await each.close()
    for (const each of open) await each.close()
    await drop()
  })
  const meterOver = (store: Operation['store']) => () => {
    const made = meter(store, clock.now)
    meters.push(made)
    return made
  }
  const { store } = storage
  for (const id of ['org_a', 'org_b']) await store.organizations.insert({ id, name: id, status: 'active', features: [], createdAt: noon, suspendedAt: null })
  await store.resources.insert({
    id: 'res_a', identifier: 'https://api.example/a', name: 'A', organizationId: null, scopes: [], style: styles.rfc9457, tokenLifetime: 3600, createdAt: noon, revokedAt: null
  })
  const operation = { store, clock: clock.now, actor: systemActor }
  return {
    ...storage,
    url,
    clock,
    operation,
    newMeter: meterOver(store),
    async another () {
      if (url.startsWith('file:')) return { store, newMeter: meterOver(store) }
      const other = await openStorage(url)
      open.push(other)
      return { store: other.store, newMeter: meterOver(other.store) }
    },
    async newKey (id, properties = {}) {
      const key: ApiKey = { ...unlimitedKey, id, digest: `digest-of-${id}`, ...properties }
      await store.apiKeys.insert(key)
      return key
    },
    async grant (amount, environment = 'live', organizationId = 'org_a') {
      await grantCredits(operation, { organizationId, environment, amount, reason: 'test' })
    },
  }
}

const unlimitedKey: Omit<ApiKey, 'id' | 'digest'> = {
  hint: 'api_live_…abcd',
  organizationId: 'org_a',
  organizations: ['org_a'],
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
  imported: false,
  rotatedFrom: null,
  rotatedTo: null,
  createdAt: noon,
  expiresAt: null,
  revokedAt: null,
  revokedReason: null,
  lastUsedAt: null
}
