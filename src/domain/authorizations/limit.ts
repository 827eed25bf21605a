/** The limits of an authorization: of the calls of all tokens of its chain together. */
import { Failure } from '../../base/errors.ts'
import { change } from '../audit/change.ts'
import type { AuditPort } from '../audit/log.ts'
import type { Operation } from '../core/operation.ts'
import { limitsOf, type Limits } from '../tenancy/limits.ts'
import type { Authorization, AuthorizationPort } from './authorization.ts'
import { authorizations } from './end.ts'

/**
 * Sets limits of its chain; those that are absent stay. They hold from the next request on.
 * @throws Failure `not_found`, also for one of another organization; `credential_revoked` for one that has ended;
 * `precondition_failed`.
 */
export async function limitAuthorization (
  operation: Operation<AuditPort & AuthorizationPort>, id: string, given: Partial<Limits>
): Promise<Authorization> {
  return await change(operation, authorizations, id, 'authorization.updated', before => {
    if (before.endedAt !== null) {
      throw new Failure('credential_revoked', {
        message: `The authorization ${id} has ended; the client has to ask its member for another one.`
      })
    }
    return { ...before, ...limitsOf(given, before) }
  })
}
