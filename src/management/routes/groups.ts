/** Groups (OC-07): their members have the scopes of the group besides their own. */
import { namedListOrders } from '../../domain/core/list.ts'
import { Type } from '../../http/typebox-lite.ts'
import {
  addToGroup, createGroup, deleteGroup, getGroup, removeFromGroup, updateGroup, type Group
} from '../../domain/access/group.ts'
import { namesOf } from '../../domain/resources/scope.ts'
import { created, ended, type CreationDependencies } from '../conventions/idempotent-creation.ts'
import { operationOf, organizationFilter } from '../conventions/operation.ts'
import { listQuery, sought, wireList } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { revision } from '../conventions/etags.ts'
import {
  Description, exactly, Id, IdParams, listQuerystring, Moment, Name, Owner, ownPage, pageOf, ScopeNames
} from '../conventions/schemas.ts'

const readAccess = { scopes: ['groups:read'] }
const writeAccess = { scopes: ['groups:write'] }
const tags = ['groups']

const Patterns = Type.Array(Type.String({ maxLength: 128 }), {
  ...ScopeNames, description: 'Scopes and patterns of scopes: invoices:read, invoices:*, *:read.'
})
const WireGroup = exactly({
  id: Id,
  organization: Id,
  name: Type.String(),
  description: Type.Union([Type.String(), Type.Null()]),
  scopes: Type.Array(Type.String()),
  createdAt: Moment
})
const WireGroupMember = exactly({ id: Id, name: Type.String(), role: Type.String(), createdAt: Moment })
const NewGroup = exactly({ organization: Owner, name: Name, description: Type.Optional(Description), scopes: Patterns })
const GroupChange = exactly({
  name: Type.Optional(Name), description: Type.Optional(Description), scopes: Type.Optional(Patterns)
})
const GroupQuerystring = exactly({
  ...listQuerystring({ records: 'groups', found: 'the name', sorts: namedListOrders }),
  organization: Type.Optional(Id),
  member: Type.Optional(Id)
})
const MembershipParams = exactly({ id: Id, memberId: Id })

export const groupRoutes = routes<CreationDependencies>(
  createGroupRoute, listGroupsRoute, getGroupRoute, updateGroupRoute, deleteGroupRoute, listGroupMembersRoute,
  replaceGroupMemberRoute, deleteGroupMemberRoute
)

function createGroupRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.post('/groups', {
    config: { ...writeAccess, failures: ['not_found', 'organization_not_active'] },
    schema: {
      summary: 'Create a group',
      description: 'Members of the group have its scopes besides their own.',
      tags,
      body: NewGroup,
      response: { 201: WireGroup },
    },
  }, async (request, reply) => await created(dependencies, request, reply, async operation => {
    const { organization, ...input } = request.body
    return wireGroup(await createGroup(operation, { ...input, organizationId: organization }))
  }))
}

function listGroupsRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/groups', {
    config: readAccess,
    schema: {
      summary: 'List groups; with `member`, the groups of that member',
      description: ownPage,
      tags,
      querystring: GroupQuerystring,
      response: { 200: pageOf(WireGroup) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = listQuery(request.query)
    const { organization, member } = request.query
    const filter = {
      ...organizationFilter(operation, organization),
      ...sought(request.query),
      ...(member === undefined ? {} : { memberId: member })
    }
    return wireList(query, await operation.store.groups.page(query, filter), wireGroup)
  })
}

function getGroupRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/groups/:id', {
    config: readAccess,
    schema: {
      summary: 'Show a group',
      description: 'Its members are a separate collection.',
      tags,
      params: IdParams,
      response: { 200: WireGroup },
    },
  }, async request => wireGroup(await getGroup(operationOf(dependencies, request), request.params.id)))
}

function updateGroupRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.patch('/groups/:id', {
    config: { ...writeAccess, failures: ['would_lock_out'] },
    schema: {
      summary: 'Change a group; the keys of its members follow on the next request',
      description: 'Given scopes replace all previous ones.',
      tags,
      params: IdParams,
      body: GroupChange,
      response: { 200: WireGroup },
    },
  }, async request => wireGroup(await updateGroup(operationOf(dependencies, request), request.params.id, request.body)))
}

function deleteGroupRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete('/groups/:id', {
    config: { ...writeAccess, failures: ['conflict', 'would_lock_out'] },
    schema: {
      summary: 'Delete a group that no policy refers to',
      description: 'Its members keep their own scopes.',
      tags,
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) => await ended(reply, deleteGroup(operationOf(dependencies, request), request.params.id)))
}

function listGroupMembersRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.get('/groups/:id/members', {
    config: readAccess,
    schema: {
      summary: 'List the members of a group',
      description: 'A page, newest first.',
      tags,
      params: IdParams,
      querystring: exactly(listQuerystring({
        records: 'members', found: 'the name, or of the e-mail', sorts: namedListOrders
      })),
      response: { 200: pageOf(WireGroupMember) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const query = listQuery(request.query)
    const { id, organizationId } = await getGroup(operation, request.params.id)
    const filter = { ...sought(request.query), organizationId, groupId: id }
    const listed = await operation.store.members.page(query, filter)
    return wireList(query, listed, ({ id, name, role, createdAt }) => ({ id, name, role, createdAt }))
  })
}

function replaceGroupMemberRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.put(
    '/groups/:id/members/:memberId',
    {
      config: { ...writeAccess, failures: ['credential_revoked', 'would_lock_out'] },
      schema: {
        summary: 'Add a member to a group',
        description: 'The keys of the member follow on the next request. Idempotent.',
        tags,
        params: MembershipParams,
        response: { 200: WireGroup }
      }
    },
    async request =>
      wireGroup(await addToGroup(operationOf(dependencies, request), request.params.id, request.params.memberId))
  )
}

function deleteGroupMemberRoute (app: RouteContext, dependencies: CreationDependencies): void {
  app.delete(
    '/groups/:id/members/:memberId',
    {
      config: { ...writeAccess, failures: ['would_lock_out'] },
      schema: {
        summary: 'Remove a member from a group',
        description: 'The keys of the member follow on the next request. Idempotent.',
        tags,
        params: MembershipParams,
        response: { 204: Type.Null() }
      }
    },
    async (request, reply) =>
      await ended(
        reply, removeFromGroup(operationOf(dependencies, request), request.params.id, request.params.memberId)
      )
  )
}

function wireGroup ({ id, organizationId, name, description, scopes, createdAt, revision: shown }: Group) {
  return { [revision]: shown, id, organization: organizationId, name, description, scopes: namesOf(scopes), createdAt }
}
