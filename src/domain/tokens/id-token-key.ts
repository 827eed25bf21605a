/** Keys of ID tokens: the first of an algorithm is made when a client needs it. */
import type { Operation } from '../core/operation.ts'
import type { SigningAlgorithm, SigningKeys, SigningPorts } from './signing-key.ts'

/** Whether a key signs by the algorithm; makes the first one, which every server knows when this resolves. */
export async function provideIdTokenKey (
  keys: SigningKeys, operation: Operation<SigningPorts>, algorithm: SigningAlgorithm
): Promise<boolean> {
  await keys.catchUp()
  if (keys.ring().signers.has(algorithm)) return true
  await keys.provide(operation, algorithm, true)
  await keys.catchUp()
  return keys.ring().signers.has(algorithm)
}
