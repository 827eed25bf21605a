/** Emergency revocation of a signing key: a successor signs first, then the key's tokens are refused. */
import type { SigningPorts } from './signing-key.ts'
import { Failure } from '../../base/errors.ts'
import { auditEvent } from '../audit/event.ts'
import { type Operation, requireExpected } from '../core/operation.ts'
import { keyNamed, signAtOnce, publishNextKey, earlier, endOfTokens } from './signing-key-rotation.ts'
import { signingAt, stateOfSigningKey, type SigningKey } from './signing-key.ts'

/**
 * Revokes a key: from the next request on its tokens are refused, and it is not published. If it is the one that signs,
 * the pending key, or else a new one, signs before it ends, so that no server signs with it at that time; if it is
 * pending, the one that signs continues. A revoked key stays as it is.
 * @throws Failure `not_found`, `precondition_failed`.
 */
export async function revokeSigningKey (
  operation: Operation<SigningPorts>, secrets: readonly string[], kid: string, reason: string | null
): Promise<SigningKey> {
  const before = keyNamed(await operation.store.signingKeys.all(), kid)
  requireExpected(operation, before)
  let successor: SigningKey | null = null
  for (let attempt = 1; ; attempt++) {
    const kept = await revokeUnlessItSigns(operation, before, successor, reason)
    if (kept !== null) return kept
    if (attempt === successions) {
      throw new Failure('conflict', {
        message:
          `The signing key ${kid} signs again after each attempt, because its successors are revoked; stop that ` +
            'and retry.'
      })
    }
    successor = await signAtOnce(operation, (await publishNextKey(operation, secrets, before.algorithm)).kid)
  }
}

/** Successors made in one revocation, at most, in case each is revoked at the same time. */
export const successions = 5

/** Null: the key is the one that signs; another has to sign first. */
export async function revokeUnlessItSigns (
  operation: Operation<SigningPorts>, { kid, revision }: SigningKey, successor: SigningKey | null, reason: string | null
): Promise<SigningKey | null> {
  const { store, clock, actor } = operation
  return await store.transaction(async (tx) => {
    const now = clock()
    const keys = await tx.signingKeys.all()
    const key = keyNamed(keys, kid)
    // The succession's own change of the key is not a concurrent change.
    if (successor === null) {
      requireExpected({ ...operation, ...(operation.expects === undefined ? {} : { expects: [revision] }) }, key)
    }
    if (key.revokedAt !== null) return key
    const signing = signingAt(keys, now, key.algorithm)
    if (signing === key) return null
    if (stateOfSigningKey(key, now) === 'pending' && signing !== undefined) {
      await tx.signingKeys.update({ ...signing, retiredAt: null, publishedUntil: null })
    }
    const ended = {
      ...key,
      revokedAt: now,
      revokedReason: reason,
      retiredAt: earlier(key.retiredAt, now),
      publishedUntil: earlier(key.publishedUntil, await endOfTokens(tx, now))
    }
    const kept = await tx.signingKeys.update(ended)
    await tx.audit.append(
      auditEvent(actor, now, 'signing_key.revoked', {
        organizationId: null, subject: kid, detail: { reason, successor: successor?.kid ?? null }
      })
    )
    return kept
  })
}
