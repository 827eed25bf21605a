/** A signed-in person reads about themselves, and ends their sessions. Takes sessions of people, and nothing else. */
import type { FastifyRequest } from 'fastify'
import { Type } from '../../http/typebox-lite.ts'
import { ownScopesOf } from '../../domain/core/own-records.ts'
import { getMember } from '../../domain/members/member.ts'
import type { Member } from '../../domain/members/permissions.ts'
import { roles } from '../../domain/members/roles.ts'
import type { PersonSession } from '../../domain/people/person-session.ts'
import { endSession, listSessions, ownMembers } from '../../domain/people/session-end.ts'
import type { SessionLifetimes } from '../../domain/people/session-lifetime.ts'
import { ended } from '../conventions/idempotent-creation.ts'
import { operationOf, type ManagementDependencies } from '../conventions/operation.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import { as, GivenScopes, IdParams, list, Moment, nullable, OrganizationId, Texts } from '../conventions/schemas.ts'

export interface PersonDependencies extends ManagementDependencies { lifetimes: SessionLifetimes }

const config = { scopes: [], person: true }
const tags = ['sign-in']

const WireSession = Type.Object({
  id: as(Type.String(), 'pse_7hQ2sVb8nLd4wEfG5yKtQ0'),
  current: Type.Boolean({ description: 'Whether it makes this request.' }),
  amr: Texts,
  provider: nullable(Type.String()),
  authenticatedAt: Moment,
  createdAt: Moment,
  lastUsedAt: Moment,
  expiresAt: Moment,
}, { title: 'PersonSession' })
const Role = Type.Enum([...roles])
const MemberId = as(Type.String(), 'mem_5yKtQ0rXc2sVb8nLd4wEfG')
const Me = Type.Object({
  member: Type.Object({ id: MemberId, name: Type.String(), role: Role, organization: OrganizationId }),
  organizations: list(Type.Object({ id: OrganizationId, name: Type.String(), member: MemberId, role: Role })),
  permissions: GivenScopes,
  deployment: Type.Boolean({ description: 'Whether the member acts for the whole deployment.' }),
  ownOnly: Type.With(GivenScopes, {
    description: 'Of the permissions, those that concern records of the member\'s own alone.'
  }),
  session: WireSession,
}, { title: 'Me' })

export const personRoutes = routes<PersonDependencies>(getMeRoute, listSessionsRoute, endSessionRoute)

function getMeRoute (app: RouteContext, dependencies: PersonDependencies): void {
  app.get('/auth/me', {
    config,
    schema: {
      summary: 'Read the signed-in person',
      description: 'The member, the organizations to change to, the scopes of this API that the member has now, and ' +
        'the session.',
      operationId: 'getMe',
      tags,
      response: { 200: Me },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    const session = sessionOf(request)
    const [member, members] = await Promise.all([
      getMember(operation, session.memberId), ownMembers(operation, session)
    ])
    const organizations = await Promise.all(members.map(each => inOrganization(dependencies, each)))
    return {
      member: { id: member.id, name: member.name, role: member.role, organization: member.organizationId },
      organizations: organizations.filter(each => each !== null),
      permissions: request.principal.scopes,
      deployment: operation.actor.organizationId === null,
      ownOnly: ownScopesOf(operation.actor),
      session: wireSession(session, session.id),
    }
  })
}

/** Null: the organization is suspended or has ended, so nobody can change to it. */
async function inOrganization ({ store }: PersonDependencies, { id: member, organizationId, role }: Member) {
  const organization = await store.organizations.get(organizationId)
  return organization?.status === 'active' ? { id: organization.id, name: organization.name, member, role } : null
}

function listSessionsRoute (app: RouteContext, dependencies: PersonDependencies): void {
  app.get('/auth/sessions', {
    config,
    schema: {
      summary: 'List the sessions of this member',
      description: 'Those that have not ended, newest first.',
      operationId: 'listOwnSessions',
      tags,
      response: { 200: Type.Object({ data: list(WireSession) }) },
    },
  }, async request => {
    const { id, memberId } = sessionOf(request)
    const sessions = await listSessions(operationOf(dependencies, request), memberId, dependencies.lifetimes)
    return { data: sessions.map(each => wireSession(each, id)) }
  })
}

function endSessionRoute (app: RouteContext, dependencies: PersonDependencies): void {
  app.delete('/auth/sessions/:id', {
    // A session has no revision.
    config: { ...config, appends: true },
    schema: {
      summary: 'End a session of this member',
      description: 'It is refused from the next request on, by every server.',
      operationId: 'endOwnSession',
      tags,
      params: IdParams,
      response: { 204: Type.Null() },
    },
  }, async (request, reply) =>
    await ended(reply, endSession(operationOf(dependencies, request), sessionOf(request), request.params.id)))
}

/** The guard lets nothing else through to these routes. */
function sessionOf ({ personSession }: FastifyRequest<any>): PersonSession {
  return personSession!
}

function wireSession (session: PersonSession, current: string) {
  const { id, amr, provider, authenticatedAt, createdAt, lastUsedAt, expiresAt } = session
  return { id, current: id === current, amr, provider, authenticatedAt, createdAt, lastUsedAt, expiresAt }
}
