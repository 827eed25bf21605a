/** Commands that work on the database of the configuration, without a server. */
import { existsSync } from 'node:fs'
import { systemClock } from '../base/clock.ts'
import { ConfigurationError } from '../base/errors.ts'
import { inspectConfig, loadConfig, type Config } from '../config/config.ts'
import type { ChainKeys } from '../domain/audit/chain.ts'
import type { ChainFault, RecoveredBreak, VerifiedPlace } from '../domain/audit/chain-fault.ts'
import type { KnownHead } from '../domain/audit/chain-walk.ts'
import { recoverAudit, type Recovered } from '../domain/audit/retention.ts'
import { compareHead, verifyMore } from '../domain/audit/verification.ts'
import { systemActor } from '../domain/core/actor.ts'
import { adoptIdentifiers } from '../domain/declaration/identifier-adoption.ts'
import { auditKeys } from '../secrets/authentication-code.ts'
import { backUp } from '../storage/engine/backup.ts'
import type { Storage } from '../storage/storage.ts'
import { closeOffMigrated, openUsableStorage } from '../storage/prepared-storage.ts'

/**
 * Applies the migrations that the database lacks. `ending`: ids of resources to end, where two have the same URL.
 * @throws ConfigurationError if two resources with the same URL are in use.
 */
export async function migrateOnly (ending: readonly string[] = []): Promise<void> {
  await withStorage(loadConfig(), async storage => {
    await adoptIdentifiers({ store: storage.store, clock: systemClock }, ending)
  })
}

/** The result of verifying the whole audit log. `fault` null: none was found. */
export interface AuditVerdict { checked: number, fault: ChainFault | null, recovered: RecoveredBreak[] }

/**
 * Verifies the audit log, and compares it with exported heads. Calls `onChecked` after every some thousand rows.
 * @throws ConfigurationError if there is no database.
 */
export async function verifyAudit (
  heads: readonly KnownHead[], onChecked: (rows: number) => void
): Promise<AuditVerdict> {
  return await withAuditLog(async ({ store: { audit } }, keys) => {
    const verification = { audit, keys }
    let checked = 0
    const recovered: RecoveredBreak[] = []
    let next: VerifiedPlace | null = null
    do {
      const step = await verifyMore(verification, next)
      checked += step.checked
      recovered.push(...step.recovered)
      onChecked(step.checked)
      if (step.fault !== null) return { checked, fault: step.fault, recovered }
      next = step.next
    } while (next !== null)
    for (const head of heads) {
      const fault = await compareHead(verification, head)
      if (fault !== null) return { checked, fault, recovered }
    }
    return { checked, fault: null, recovered }
  })
}

/**
 * Runs `recoverAudit` without a server: a server does not start while its start needs a change that cannot be recorded.
 * @throws ConfigurationError if there is no database.
 */
export async function recoverAuditOffline (organizationId: string | null): Promise<Recovered> {
  return await withAuditLog(async ({ store }, keys) =>
    await recoverAudit({ store, clock: systemClock, actor: systemActor }, keys, organizationId)
  )
}

/** Copies the SQLite database into a new file, also while a server runs. @throws ConfigurationError if it cannot. */
export async function backupOnly (target: string): Promise<void> {
  await backUp(inspectConfig().databaseUrl, target)
}

async function withAuditLog<T> (work: (storage: Storage, keys: ChainKeys) => Promise<T>): Promise<T> {
  const { databaseUrl, secrets } = loadConfig()
  if (databaseUrl.startsWith('file:') && !existsSync(databaseUrl.slice('file:'.length))) {
    throw new ConfigurationError([`DATABASE_URL: there is no database at ${databaseUrl}; name another`])
  }
  return await withStorage({ databaseUrl, secrets }, async storage => await work(storage, auditKeys(secrets)))
}

/** Opens the storage, which applies the migrations that the database lacks, and closes it after `work`. */
async function withStorage<T> (
  { databaseUrl, secrets }: Pick<Config, 'databaseUrl' | 'secrets'>, work: (storage: Storage) => Promise<T>
): Promise<T> {
  const storage = await openUsableStorage(databaseUrl, { secrets })
  try {
    await closeOffMigrated(storage, systemClock)
    return await work(storage)
  } finally {
    await storage.close()
  }
}
