/** Storage that a server can start on: opened, brought to the state that this version needs, with its signing keys. */
import type { Clock } from '../base/clock.ts'
import { closeOffOlderRows, openChains } from '../domain/audit/retention.ts'
import { reseal, type SealedKind } from '../domain/audit/resealing.ts'
import { isBegun } from '../domain/audit/verification.ts'
import { systemActor } from '../domain/core/actor.ts'
import { seedResources, type Seed } from '../domain/declaration/built-in-resources.ts'
import { adoptIdentifiers } from '../domain/declaration/identifier-adoption.ts'
import { seedOperators } from '../domain/members/operators-organization.ts'
import { hostResourceId } from '../domain/resources/resource.ts'
import { styles } from '../domain/resources/style.ts'
import type { Repositories } from '../domain/store.ts'
import { sealedSkills } from '../domain/registries/skill-bundle.ts'
import { sealedSources } from '../domain/registries/third-party-source.ts'
import { sealedProviderKeys } from '../domain/spending/provider-key.ts'
import { openSigningKeys } from '../domain/tokens/key-ring.ts'
import { sealedSigningKeys, type SigningKeys } from '../domain/tokens/signing-key.ts'
import { sealedReviewers } from '../domain/workloads/token-review.ts'
import { auditKeys } from '../secrets/authentication-code.ts'
import { asConfigurationError } from './engine/start-failures.ts'
import { openStorage, type StorageOptions } from './index.ts'
import { type Storage } from './storage.ts'

export interface PreparationOptions {
  clock: Clock
  /** LATCHKEY_SECRET, the newest first. */
  secrets: readonly string[]
  /** Also the identifier of the resource for the host. */
  issuer: string
  /** Built-in resources, beside the one for the host. */
  resources: readonly Seed[]
}

export interface PreparedStorage {
  storage: Storage
  signingKeys: SigningKeys
}

/** Everything that is sealed under LATCHKEY_SECRET, apart from the audit chains, which seal themselves as they grow. */
const sealedKinds: readonly SealedKind<Repositories>[] =
  [sealedSigningKeys, sealedProviderKeys, sealedSources, sealedSkills, sealedReviewers]

/**
 * Opens the database at `url` and prepares it. The signing keys are reloaded after every change of them.
 * @throws ConfigurationError if a server cannot start on the database.
 */
export async function openPreparedStorage (
  url: string, options: StorageOptions & PreparationOptions
): Promise<PreparedStorage> {
  const storage = await openUsableStorage(url, options)
  try {
    const signingKeys = await prepareDatabase(storage, options)
    storage.subscribe(async ({ of }) => { if (of === 'signingKeys' || of === 'everything') await signingKeys.reload() })
    return { storage, signingKeys }
  } catch (error) {
    await storage.close()
    throw asConfigurationError(error, url)
  }
}

/** Opens the database at `url`. @throws ConfigurationError if it cannot be used: at a start, nothing is retried. */
export async function openUsableStorage (url: string, options: StorageOptions): Promise<Storage> {
  return await openStorage(url, options).catch((error: unknown) => { throw asConfigurationError(error, url) })
}

/** Closes off the audit rows that are older than the audit chains, if opening has just created the chains. */
export async function closeOffMigrated (
  { store, migrated }: Pick<Storage, 'store' | 'migrated'>, clock: Clock
): Promise<void> {
  if (migrated.some(name => name.endsWith('_audit_chains'))) await closeOffOlderRows(store, clock)
}

async function prepareDatabase (
  storage: Storage, { clock, secrets, issuer, resources }: PreparationOptions
): Promise<SigningKeys> {
  const { store, registry } = storage
  await closeOffMigrated(storage, clock)
  await openChains(store, clock, auditKeys(secrets))
  await adoptIdentifiers({ store, clock })
  await seedResources(store, clock, [
    { id: hostResourceId, identifier: issuer, name: new URL(issuer).host, scopes: [], style: styles.ledgerbee },
    ...resources,
  ])
  await seedOperators(store, clock)
  await reseal({ store, clock, actor: systemActor }, sealedKinds, secrets)
  const signingKeys = await openSigningKeys(store, clock, secrets, () => registry.signingKeys())
  // A new database has its first audit row now.
  await isBegun(store.audit)
  return signingKeys
}
