/** The guard of Latchkey for an API in a process of its own. */
import './supported-node.ts'
import type { RemoteGuardOptions } from '../../../src/guard/remote/options.ts'
import { RemoteGuard } from '../../../src/guard/remote/remote-guard.ts'

export type { Decision, GuardedRequest, Needs } from '../../../src/guard/remote/guarded-request.ts'
export { RemoteGuard, type RemoteGuardOptions }
export type { Principal } from '../../../src/domain/access/principal.ts'
export { mayTouch } from '../../../src/domain/credentials/api-key.ts'
export type { RouteNeeds } from './route-needs.ts'

/**
 * Opens a guard. Resolves once it may answer from memory, or once its server could not be reached: then each request is
 * answered with 503 until it can. `guard.stop()` ends it.
 */
export async function openGuard (options: RemoteGuardOptions): Promise<RemoteGuard> {
  const guard = new RemoteGuard(options)
  await guard.start()
  return guard
}
