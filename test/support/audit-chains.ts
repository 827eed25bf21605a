/** Audit chains on a database, without a server around them. */
import type { Test } from 'tap'
import { verifyStep } from '../../src/domain/audit/verification.ts'
import type { VerifiedPlace, ChainFault } from '../../src/domain/audit/chain-fault.ts'
import { auditEvent, type AuditEvent } from '../../src/domain/audit/event.ts'
import { systemActor } from '../../src/domain/core/actor.ts'
import { auditKeys } from '../../src/secrets/authentication-code.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { openStorage } from '../../src/storage/index.ts'
import { type Storage } from '../../src/storage/storage.ts'
import { patientLimits } from './waiting.ts'

export const secret = newSecret()
export const at = new Date('2027-01-01T00:00:00.123Z')

export interface Result { checked: number, fault: ChainFault | null }

/** Runs the whole verification, in small steps. */
export async function verify ({ store }: Storage, secrets: readonly string[] = [secret], limit = 3): Promise<Result> {
  const verification = { audit: store.audit, keys: auditKeys(secrets) }
  let checked = 0
  let place: VerifiedPlace | null = null
  do {
    const step = await verifyStep(verification, place, limit)
    checked += step.checked
    if (step.fault !== null) return { checked, fault: step.fault }
    place = step.next
  } while (place !== null)
  return { checked, fault: null }
}

export const rowOf = (organizationId: string | null, i: number): AuditEvent =>
  auditEvent(
    { ...systemActor, id: 'admin', address: '192.0.2.1', requestId: `req-${i}` },
    new Date(at.getTime() + i * 1_000),
    'api_key.created',
    {
      organizationId,
      subject: `key_${i}`,
      detail: { name: `key ${i}`, scopes: ['b', 'a'], limits: { z: 1.5, a: null }, expiresAt: at }
    }
  )

/** A database with rows in three chains. */
export async function written (
  t: Test, fresh: () => Promise<{ url: string, drop(): Promise<void> }>, rows = 6
): Promise<{ url: string, storage: Storage }> {
  const { url, drop } = await fresh()
  const storage = await openStorage(url, { limits: patientLimits, secrets: [secret] })
  t.teardown(async () => {
    await storage.close()
    await drop()
  })
  for (let i = 1; i <= rows; i++) {
    for (const organization of ['org_a', 'org_b', null]) await storage.store.audit.append(rowOf(organization, i))
  }
  return { url, storage }
}
