/** Invitations: people who become members, or sign in as one, by a verified e-mail. */
import { Type } from '../../http/typebox-lite.ts'
import type { Clock } from '../../base/clock.ts'
import { normalEmail } from '../../domain/members/email.ts'
import { roles } from '../../domain/members/roles.ts'
import {
  createInvitation, getInvitation, invitationStatuses, revokeInvitation, statusOf, type Invitation
} from '../../domain/providers/invitation.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter, readInstant } from '../conventions/operation.ts'
import { listQuery, sought, wireList } from '../conventions/pages.ts'
import { revision } from '../conventions/etags.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  as, exactly, Id, IdParams, Instant, listQuerystring, Moment, nullable, OrganizationId, Owner, ownPage, pageOf,
  Reason, Texts
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['invitations:read'] }
const writeAccess = { scopes: ['invitations:write'] }

const Email = as(Type.String({ minLength: 3, maxLength: 254 }), 'ada@acme.example')
const Role = Type.Enum([...roles])
const NewInvitation = exactly({
  organization: Owner,
  email: Type.Optional(Email),
  role: Type.Optional(Role),
  groups: Type.Optional(Type.Array(Id, { maxItems: 100 })),
  member: Type.Optional(Type.With(Id, {
    description: 'In place of e-mail, role and groups: a member who signs in with no provider yet.'
  })),
  expiresAt: Type.Optional(Type.With(Instant, { description: 'Default: in seven days.' })),
})
const Status = Type.Enum([...invitationStatuses])

export const invitationRoutes = routes<CreationDependencies>(
  createInvitationRoute, listInvitationsRoute, getInvitationRoute, revokeInvitationRoute, deleteInvitationRoute
)

function createInvitationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/invitations', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', 'conflict', 'invalid_expiry'] },
    schema: {
      summary: 'Invite a person',
      description:
        'The first sign-in with this verified e-mail at a provider that the organization trusts accepts it. No ' +
        'e-mail is sent: tell the person. Cannot give more than the caller has. Not for OAuth clients.',
      body: NewInvitation,
      response: { 201: WireInvitation },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { organization, member, expiresAt, ...input } = request.body
    return wireInvitation(await createInvitation(operation, {
      ...input,
      organizationId: organization,
      ...definedMembers({ memberId: member, expiresAt: readInstant(expiresAt) ?? undefined })
    }), dependencies.clock)
  }))
}

function listInvitationsRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/invitations', {
    config: readAccess,
    schema: {
      summary: 'List invitations',
      description: ownPage,
      querystring: exactly({
        ...listQuerystring({ records: 'invitations', found: 'the e-mail', sorts: ['newest', 'expiresAt'] }),
        organization: Type.Optional(Id),
        email: Type.Optional(Email),
        status: Type.Optional(Status)
      }),
      response: { 200: pageOf(WireInvitation) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = listQuery(request.query)
    const { organization, email, status } = request.query
    const { clock } = dependencies
    const page = await operation.store.invitations.page(query, {
      ...organizationFilter(operation, organization),
      ...sought(request.query),
      ...definedMembers({
        normalEmail: email === undefined ? undefined : normalEmail(email),
        status: status === undefined ? undefined : { is: status, at: clock() }
      })
    })
    return wireList(query, page, each => wireInvitation(each, clock))
  })
}

function getInvitationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/invitations/:id', {
    config: readAccess,
    schema: {
      summary: 'Read an invitation',
      description: 'Once accepted, it names the member.',
      params: IdParams,
      response: { 200: WireInvitation },
    },
  }, async request =>
    wireInvitation(await getInvitation(operationOf(dependencies, request), request.params.id), dependencies.clock))
}

function revokeInvitationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/invitations/:id/revoke', {
    config: { ...writeAccess, failures: ['conflict'] },
    schema: {
      summary: 'Revoke an invitation',
      description: 'It lets nobody in any more. One that was accepted cannot be revoked.',
      params: IdParams,
      body: Reason,
      response: { 200: WireInvitation },
    },
  }, async request =>
    wireInvitation(await revokeInvitation(operationOf(dependencies, request), request.params.id), dependencies.clock))
}

function deleteInvitationRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/invitations/:id', {
    config: { ...writeAccess, failures: ['conflict'] },
    schema: {
      summary: 'Revoke an invitation',
      description: 'Same as `revoke`; the answer is empty.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, revokeInvitation(operationOf(dependencies, request), request.params.id)))
}

const WireInvitation = Type.Object({
  id: as(Type.String(), 'inv_d4wEfG5yKtQ0rXc2sVb8nL'),
  organization: OrganizationId,
  email: Email,
  role: Role,
  groups: Texts,
  member: nullable(Type.String()),
  status: Status,
  createdBy: as(Type.String(), 'admin'),
  createdAt: Moment,
  expiresAt: Moment,
  acceptedAt: nullable(Moment),
  revokedAt: nullable(Moment),
}, { title: 'Invitation' })

function wireInvitation (invitation: Invitation, clock: Clock) {
  const { id, organizationId, email, role, groups, memberId, createdBy, createdAt, expiresAt } = invitation
  const { acceptedAt, revokedAt, revision: shown } = invitation
  return {
    [revision]: shown,
    id,
    organization: organizationId,
    email,
    role,
    groups,
    member: memberId,
    status: statusOf(invitation, clock()),
    createdBy,
    createdAt,
    expiresAt,
    acceptedAt,
    revokedAt
  }
}
