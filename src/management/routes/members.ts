/** Members of organizations, whose permissions bound keys and tokens. */
import { namedListOrders } from '../../domain/core/list.ts'
import { Type } from '../../http/typebox-lite.ts'
import { createMember, getMember, removeMember, updateMember } from '../../domain/members/member.ts'
import type { Member } from '../../domain/members/permissions.ts'
import { roles } from '../../domain/members/roles.ts'
import { namesOf } from '../../domain/resources/scope.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { definedMembers, operationOf, organizationFilter } from '../conventions/operation.ts'
import { listQuery, sought, wireList } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import {
  as, exactly, Flag, Id, IdParams, listQuerystring, Moment, Name, nullable, OrganizationId, Owner, ownPage, pageOf,
  Reason, ScopeNames, Texts
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['members:read'] }
const writeAccess = { scopes: ['members:write'] }

const Role = Type.Enum([...roles])
const Scopes = Type.Union([ScopeNames, Type.Null()], {
  description: 'Scope patterns that replace those of the role; null: those of the role.'
})
// Given at most 254 characters; longer ones get an answer that names the rule.
const Email = as(Type.String({ minLength: 3, maxLength: 512 }), 'ada@example.com')
const GivenEmail = Type.Union([Email, Type.Null()], {
  description: 'Unique in the organization without regard to case; it identifies nobody by itself. Null: none.'
})
const Operator = Type.Boolean({
  description: 'Whether they may act for the whole deployment: a member of `org_operators`. Only the admin token, ' +
    'another deployment-wide credential, or an operator sets it.'
})
const changeable = {
  email: Type.Optional(GivenEmail), scopes: Type.Optional(Scopes), operator: Type.Optional(Operator)
}
const NewMember = exactly({ organization: Owner, name: Name, role: Role, ...changeable })
const MemberQuerystring = exactly({
  ...listQuerystring({ records: 'members', found: 'the name, or of the e-mail', sorts: namedListOrders }),
  organization: Type.Optional(Id),
  name: Type.Optional(Name),
  email: Type.Optional(Email),
  role: Type.Optional(Role),
  operator: Flag,
  status: Type.Optional(Type.Enum(['active', 'removed'])),
})
const MemberChange = exactly({ name: Type.Optional(Name), role: Type.Optional(Role), ...changeable })

export const memberRoutes = routes<CreationDependencies>(
  createMemberRoute, listMembersRoute, getMemberRoute, updateMemberRoute, removeMemberRoute, deleteMemberRoute
)

function createMemberRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/members', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active', 'conflict'] },
    schema: {
      summary: 'Add a member',
      description: 'Cannot grant more than the caller has.',
      body: NewMember,
      response: { 201: WireMember },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { organization, ...input } = request.body
    return wireMember(await createMember(operation, { ...input, organizationId: organization }))
  }))
}

function listMembersRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/members', {
    config: readAccess,
    schema: {
      summary: 'List members',
      description: ownPage,
      querystring: MemberQuerystring,
      response: { 200: pageOf(WireMember) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = listQuery(request.query)
    const { organization, name, email, role, operator, status } = request.query
    const filter = {
      ...organizationFilter(operation, organization),
      ...sought(request.query),
      ...definedMembers({
        name, email, role, operator, removed: status === undefined ? undefined : status === 'removed'
      })
    }
    return wireList(query, await operation.store.members.page(query, filter), wireMember)
  })
}

function getMemberRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/members/:id', {
    config: readAccess,
    schema: {
      summary: 'Read a member',
      description: 'Includes the role, and the scopes that replace it.',
      params: IdParams,
      response: { 200: WireMember },
    },
  }, async request =>
    wireMember(await getMember(operationOf(dependencies, request), request.params.id)))
}

function updateMemberRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.patch('/members/:id', {
    config: { ...writeAccess, failures: ['credential_revoked', 'would_lock_out', 'conflict'] },
    schema: {
      summary: 'Change a member',
      description: 'The keys of the member follow on the next request.',
      params: IdParams,
      body: MemberChange,
      response: { 200: WireMember },
    },
  }, async request =>
    wireMember(await updateMember(operationOf(dependencies, request), request.params.id, request.body)))
}

function removeMemberRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/members/:id/remove', {
    config: { ...writeAccess, failures: ['would_lock_out'] },
    schema: {
      summary: 'Remove a member',
      description: 'The credentials of the member lose all access.',
      params: IdParams,
      body: Reason,
      response: { 200: WireMember },
    },
  }, async request =>
    wireMember(await removeMember(operationOf(dependencies, request), request.params.id)))
}

function deleteMemberRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/members/:id', {
    config: { ...writeAccess, failures: ['would_lock_out'] },
    schema: {
      summary: 'Remove a member',
      description: 'Same as `remove`; the answer is empty.',
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, removeMember(operationOf(dependencies, request), request.params.id)))
}

const WireMember = Type.Object({
  id: as(Type.String(), 'mem_5yKtQ0rXc2sVb8nLd4wEfG'),
  organization: OrganizationId,
  name: as(Type.String(), 'Ada'),
  email: nullable(Email),
  role: Role,
  scopes: nullable(Texts),
  operator: Operator,
  createdAt: Moment,
  removedAt: nullable(Moment),
}, { title: 'Member' })

function wireMember ({
  id, organizationId, name, email, role, scopes, operator, createdAt, removedAt, revision: shown
}: Member) {
  return {
    [revision]: shown,
    id,
    organization: organizationId,
    name,
    email,
    role,
    scopes: scopes && namesOf(scopes),
    operator,
    createdAt,
    removedAt,
  }
}
