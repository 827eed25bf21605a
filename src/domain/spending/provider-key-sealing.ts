/** Resealing of provider keys under the newest secret. */
import { providerKeySealing, seal, unseal } from '../../secrets/sealing.ts'
import { auditEvent } from '../audit/event.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Operation } from '../core/operation.ts'
import { everyRow } from '../core/page.ts'
import type { ProviderKey, ProviderKeyPort } from './provider-key.ts'

/**
 * Seals every key that is under an older one of `secrets` under the first; returns how many. A key that none of them
 * opens stays as it is.
 */
export async function resealProviderKeys (
  { store, clock, actor }: Operation<AuditPort & ProviderKeyPort>, secrets: readonly string[]
): Promise<number> {
  if (!await store.providerKeys.some()) return 0
  let resealed = 0
  for await (const { id, organizationId, sealedKey } of everyRow(query => store.providerKeys.page(query, {}))) {
    const text = providerKeyUnderOlder({ id, sealedKey }, secrets)
    if (text === null) continue
    const sealed = seal(text, secrets[0]!, id, providerKeySealing)
    await store.transaction(async tx => {
      // Another server was faster, or the text was replaced.
      if (!await tx.providerKeys.reseal(id, sealedKey, sealed)) return
      await tx.audit.append(auditEvent(actor, clock(), 'provider_key.resealed', { organizationId, subject: id }))
      resealed++
    }, 'read committed')
  }
  return resealed
}

/** The text that an older one of `secrets` opens; null: the first opens it, or none does. */
export function providerKeyUnderOlder (
  { id, sealedKey }: Pick<ProviderKey, 'id' | 'sealedKey'>, [newest, ...older]: readonly string[]
): string | null {
  return unseal(sealedKey, [newest!], id, providerKeySealing) === null
    ? unseal(sealedKey, older, id, providerKeySealing)
    : null
}
