/** Passkeys of members: administrators see them, and remove one that was lost. */
import { Type } from '../../http/typebox-lite.ts'
import { listMemberPasskeys, removeMemberPasskey } from '../../domain/people/passkey-change.ts'
import { ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { operationOf } from '../conventions/operation.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { as, exactly, Id, IdParams, list, Moment, nullable } from '../conventions/schemas.ts'

const WirePasskey = Type.Object({
  id: as(Type.String(), 'pky_5yKtQ0rXc2sVb8nLd4wEfG'),
  name: as(Type.String(), 'This device'),
  backedUp: Type.Boolean({ description: 'Whether copies of it are kept outside of one device.' }),
  createdAt: Moment,
  lastUsedAt: nullable(Moment),
}, { title: 'Passkey' })
const PasskeyParams = exactly({ id: Id, passkey: Id })

export const passkeyRoutes = routes<CreationDependencies>(listPasskeysRoute, removePasskeyRoute)

function listPasskeysRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/members/:id/passkeys', {
    config: { scopes: ['members:read'] },
    schema: {
      summary: 'List the passkeys of a member',
      description: 'Oldest first. There are 20 at most.',
      operationId: 'listMemberPasskeys',
      params: IdParams,
      response: { 200: Type.Object({ data: list(WirePasskey) }) },
    },
  }, async request => {
    const passkeys = await listMemberPasskeys(operationOf(dependencies, request), request.params.id)
    return {
      data: passkeys.map(({ id, name, backedUp, createdAt, lastUsedAt }) => ({
        id, name, backedUp, createdAt, lastUsedAt
      }))
    }
  })
}

function removePasskeyRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/members/:id/passkeys/:passkey', {
    config: { scopes: ['members:write'] },
    schema: {
      summary: 'Remove a passkey of a member',
      description: 'Ends their sessions. A sign-in link lets them in again, and to add another one.',
      operationId: 'removeMemberPasskey',
      params: PasskeyParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) => {
    const { id, passkey } = request.params
    return await ended(reply, removeMemberPasskey(operationOf(dependencies, request), id, passkey))
  })
}
