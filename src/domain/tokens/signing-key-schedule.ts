/**
 * Signing keys change by themselves: when the one that signs is old enough, the next one is made, and follows it at its
 * time.
 */
import { repeatedly, type RepeatedJob, type Report } from '../../telemetry/background.ts'
import type { SigningKeys, SigningPorts } from './signing-key.ts'
import type { Operation } from '../core/operation.ts'

/** Often enough that a key that another server made is known here long before it signs. */
const every = 60_000

/** Checks the signing keys once a minute. */
export function keyRotation (
  signingKeys: SigningKeys, operation: Operation<SigningPorts>, days: number, report: Report
): RepeatedJob {
  return repeatedly(every, () => checkKeyRotation(signingKeys, operation, days), report)
}

/**
 * One round of it: makes the next key if the one that signs is `days` old (0: never), and hears what other servers did.
 */
export async function checkKeyRotation (
  signingKeys: SigningKeys, operation: Operation<SigningPorts>, days: number
): Promise<void> {
  await signingKeys.rotateWhenDue(operation, days)
  // Another server may have made it a moment ago.
  await signingKeys.catchUp()
}
