/** What a person has allowed a client before, allowed again without a page: for `prompt=none`. */
import type { FastifyRequest } from 'fastify'
import type { Clock } from '../../base/clock.ts'
import type { PersonAuthenticator } from '../../domain/access/checks/check-person-session.ts'
import { allow } from '../../domain/authorizations/allow.ts'
import { isOnDevice } from '../../domain/client-metadata/description.ts'
import type { Store } from '../../domain/store.ts'
import type { AskedAccess } from '../../protocol/authorization/code-flow-options.ts'
import { currentPerson } from '../current-person.ts'
import { operationOf } from '../request.ts'
import { questionOf } from './question.ts'

/**
 * Begins an authorization, and returns its id. Null: the person has to be asked. A client on the device always asks,
 * and a session that a key vouches for begins nothing, as on the page.
 */
export async function allowRemembered (
  options: { people: PersonAuthenticator, store: Store, clock: Clock }, request: FastifyRequest, asked: AskedAccess
): Promise<string | null> {
  const person = await currentPerson(options, request)
  if (person === null || isOnDevice(asked.client.metadata) || person.session.vouchedBy !== null) return null
  const { denied, admission, isRemembered, scopes, identityScopes } = await questionOf(
    options.store, asked, person.member
  )
  if (denied !== null || admission !== 'admitted' || !isRemembered) return null
  const { member } = person
  const { client, resource } = asked
  const { id } = await allow(operationOf(options, request, person), {
    member, client, resourceId: resource.id, scopes, identityScopes, isRemembered: true
  })
  return id
}
