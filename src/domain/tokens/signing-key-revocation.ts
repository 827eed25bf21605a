/** Revocation of a signing key in an emergency: a successor signs first, then its tokens are dead. */
import type { SigningPorts } from './signing-key.ts'
import { Failure } from '../../base/errors.ts'
import { auditEvent } from '../audit/event.ts'
import { type Operation, requireExpected } from '../core/operation.ts'
import { keyNamed, signAtOnce, publishNextKey, earlier, endOfTokens } from './signing-key-rotation.ts'
import { signingAt, stateOfSigningKey, type SigningKey } from './signing-key.ts'

/**
 * Revokes a key: from the next request on no token that it signed is good, and it is not published. If it is the one
 * that signs, the pending one, or else a new one, signs in its place before it ends, so that no server signs with it
 * when it does; if it is pending, the one that signs goes on.
 * @throws Failure `not_found`, `precondition_failed`. Revoked already, it stays as it is.
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
          `The signing key ${kid} signs again and again, as its successors are revoked; stop that, and repeat this.`
      })
    }
    successor = await signAtOnce(operation, (await publishNextKey(operation, secrets, before.algorithm)).kid)
  }
}

/** How often another key is made to sign, should somebody revoke that one at the same time. */
export const successions = 5

/** Null: it is the one that signs, and another has to first. */
export async function revokeUnlessItSigns (
  operation: Operation<SigningPorts>, { kid, revision }: SigningKey, successor: SigningKey | null, reason: string | null
): Promise<SigningKey | null> {
  const { store, clock, actor } = operation
  return await store.transaction(async (tx) => {
    const now = clock()
    const keys = await tx.signingKeys.all()
    const key = keyNamed(keys, kid)
    // What its succession changed of it is no change that somebody else made.
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
