/** Accounts of members at identity providers: people see and unlink their own, administrators those of members. */
import { Type } from '../../http/typebox-lite.ts'
import { getMember } from '../../domain/members/member.ts'
import { listAccounts, unlinkAccount, unlinkMemberAccount, type Account } from '../../domain/providers/account.ts'
import { ended, type IdentityProviderDependencies } from '../conventions/idempotent-creation.ts'
import { operationOf } from '../conventions/operation.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { as, exactly, Id, IdParams, list, Moment, nullable } from '../conventions/schemas.ts'

const WireIdentity = Type.Object({
  id: as(Type.String(), 'idn_5yKtQ0rXc2sVb8nLd4wEfG'),
  provider: nullable(as(Type.String({
    description: 'Its id in the configuration; null: no provider there has this issuer any more.'
  }), 'google')),
  issuer: as(Type.String(), 'https://accounts.google.com'),
  subject: as(Type.String({ description: 'Its `sub` there.' }), '110169484474386276334'),
  linkedAt: Moment,
}, { title: 'Identity' })
const own = { scopes: [], person: true }
const tags = ['sign-in']

export const identityRoutes = routes<IdentityProviderDependencies>(
  listOwnIdentitiesRoute, unlinkOwnIdentityRoute, listIdentitiesRoute, unlinkIdentityRoute
)

function listOwnIdentitiesRoute (app: RouteContext, dependencies: IdentityProviderDependencies): void {
  app.get('/auth/identities', {
    config: own,
    schema: {
      summary: 'List the accounts of this member',
      description: 'Those at identity providers that sign the member in, oldest first.',
      operationId: 'listOwnIdentities',
      tags,
      response: { 200: Type.Object({ data: list(WireIdentity) }) },
    },
  }, async request => {
    const { memberId } = request.personSession!
    const accounts = await listAccounts(operationOf(dependencies, request), memberId)
    return { data: accounts.map(each => wireIdentity(dependencies, each)) }
  })
}

function unlinkOwnIdentityRoute (app: RouteContext, dependencies: IdentityProviderDependencies): void {
  app.delete('/auth/identities/:id', {
    // An account has no revision.
    config: { ...own, appends: true, failures: ['last_way_in', 'reauthentication_required'] },
    schema: {
      summary: 'Unlink an account of this member',
      description:
        'It does not sign the member in any more, and the other sessions that it began end. Takes a sign-in of the ' +
        'last ten minutes. The last way in stays.',
      operationId: 'unlinkOwnIdentity',
      tags,
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) => {
    const operation = operationOf(dependencies, request)
    const session = request.personSession!
    const person = { session, member: await getMember(operation, session.memberId) }
    return await ended(reply, unlinkAccount(operation, person, request.params.id, dependencies.identityProviders))
  })
}

function listIdentitiesRoute (app: RouteContext, dependencies: IdentityProviderDependencies): void {
  app.get('/members/:id/identities', {
    config: { scopes: ['members:read'] },
    schema: {
      summary: 'List the accounts of a member',
      description: 'Those at identity providers that sign the member in, oldest first.',
      operationId: 'listMemberIdentities',
      params: IdParams,
      response: { 200: Type.Object({ data: list(WireIdentity) }) },
    },
  }, async request => {
    const accounts = await listAccounts(operationOf(dependencies, request), request.params.id)
    return { data: accounts.map(each => wireIdentity(dependencies, each)) }
  })
}

function unlinkIdentityRoute (app: RouteContext, dependencies: IdentityProviderDependencies): void {
  app.delete('/members/:id/identities/:identity', {
    config: { scopes: ['members:write'], failures: ['would_lock_out'] },
    schema: {
      summary: 'Unlink an account of a member',
      description: 'Ends their sessions. A sign-in link, or an invitation of the member, lets them in again.',
      operationId: 'unlinkMemberIdentity',
      params: exactly({ id: Id, identity: Id }),
      response: { 204: Type.Null() },
    },
  }, async (request, reply) => {
    const { id, identity } = request.params
    return await ended(reply, unlinkMemberAccount(
      operationOf(dependencies, request), id, identity, dependencies.identityProviders
    ))
  })
}

function wireIdentity ({ identityProviders }: IdentityProviderDependencies, { identity, linkedAt }: Account) {
  const { id, provider: issuer, subject } = identity
  const provider = identityProviders.find(each => each.issuer === issuer)?.id ?? null
  return { id, provider, issuer, subject, linkedAt }
}
