/** Resealing of signing keys under the newest secret. */
import { seal, unseal } from '../../secrets/sealing.ts'
import { auditEvent } from '../audit/event.ts'
import type { Operation } from '../core/operation.ts'
import type { SigningKey } from './signing-key.ts'
import type { SigningKeyPort } from './signing-key.ts'
import type { AuditPort } from '../audit/log.ts'

/**
 * Seals every key that is under an older one of `secrets` under the first; returns how many. A key that none of them
 * opens stays as it is.
 */
export async function resealSigningKeys (
  { store, clock, actor }: Operation<AuditPort & SigningKeyPort>, secrets: readonly string[]
): Promise<number> {
  let resealed = 0
  for (const { kid } of (await store.signingKeys.all()).filter(key => openedByOlder(key, secrets) !== null)) {
    await store.transaction(async (tx) => {
      const key = (await tx.signingKeys.all()).find(candidate => candidate.kid === kid)
      const text = key === undefined ? null : openedByOlder(key, secrets)
      // Another server was faster.
      if (text === null) return
      await tx.signingKeys.reseal({ kid, sealedPrivateKey: seal(text, secrets[0]!, kid) })
      await tx.audit.append(auditEvent(actor, clock(), 'signing_key.resealed', { organizationId: null, subject: kid }))
    })
    resealed++
  }
  return resealed
}

/** The text that an older one of `secrets` opens; null: the first opens it, or none does. */
export function openedByOlder (
  { kid, sealedPrivateKey }: SigningKey, [newest, ...older]: readonly string[]
): string | null {
  return unseal(sealedPrivateKey, [newest!], kid) === null ? unseal(sealedPrivateKey, older, kid) : null
}
