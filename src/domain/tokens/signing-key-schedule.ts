/** Automatic rotation: a new key is made when the present one is old enough, and signs in its turn. */
import { repeatedly, type RepeatedJob, type Report } from '../../telemetry/background.ts'
import type { SigningKeys, SigningPorts } from './signing-key.ts'
import type { Operation } from '../core/operation.ts'

/** Often enough that a key made by another server is known here long before it signs. */
const every = 60_000

/** Checks the signing keys once a minute. */
export function keyRotation (
  signingKeys: SigningKeys, operation: Operation<SigningPorts>, days: number, report: Report
): RepeatedJob {
  return repeatedly(every, () => checkKeyRotation(signingKeys, operation, days), report)
}

/**
 * One check: makes the next key if the present one is `days` old (0: never), and loads the changes of other servers.
 */
export async function checkKeyRotation (
  signingKeys: SigningKeys, operation: Operation<SigningPorts>, days: number
): Promise<void> {
  await signingKeys.rotateWhenDue(operation, days)
  // Another server may have made it a moment ago.
  await signingKeys.catchUp()
}
