/**
 * The servers on this database, and the changes that it lost in a failover. Both require a deployment-wide credential.
 */
import { Type } from '../../http/typebox-lite.ts'
import {
  acceptLostChange, acceptLostChanges, lostKinds, lostStates, type LostChange
} from '../../domain/maintenance/lost-change.ts'
import type { ReplicaDirectory, ReplicaState } from '../../domain/maintenance/replica.ts'
import {
  definedMembers, operationOf, requireDeployment, type ManagementDependencies
} from '../conventions/operation.ts'
import { pageQuery, wirePage } from '../conventions/pages.ts'
import { routes, type RouteContext } from '../conventions/routes.ts'
import {
  as, exactly, Id, IdParams, Moment, nullable, OrganizationId, pageOf, PageQuerystring
} from '../conventions/schemas.ts'

const tags = ['server']

const WireReplica = Type.Object({
  id: Id,
  host: Type.String(),
  pid: Type.Integer(),
  version: Type.String(),
  startedAt: Moment,
  seenAt: Type.With(Moment, { description: 'Its last heartbeat.' }),
  leftAt: Type.With(nullable(Moment), {
    description: 'When it deregistered, or was evicted for missing heartbeats; null: changes wait for it.'
  }),
  live: Type.Boolean({ description: 'Whether its lease is valid, so that its cache may answer.' }),
  behind: Type.Integer({ description: 'Number of changes that it has not applied.' }),
  lease: Type.With(nullable(Type.Integer()), {
    description: 'Milliseconds that a change waits for it at most; null: the deployment can only have one server.'
  })
}, { title: 'Replica' })

const WireLostChange = Type.Object({
  id: as(Id, 'lch_5vSXHvDRKzVzyhBqxXqF1K'),
  kind: Type.Enum([...lostKinds], {
    description: '`access_token`: a single token. `member`: every key that is bound to the member. ' +
      '`organization`, `deployment`: every credential there.',
  }),
  subject: as(
    Type.String({
      description: 'The id of the refused record, or the `jti` of an access token; `*`: every record of the kind.'
    }),
    'key_47oJu8Rmoptz2RZvzs30qU'
  ),
  organization: Type.With(nullable(OrganizationId), { description: 'Null: the deployment, or unknown.' }),
  entry: Type.With(Id, { description: 'The entry of the change feed that the database lost.' }),
  changedAt: Type.With(Moment, { description: 'When the lost change was made.' }),
  noticedAt: Moment,
  state: Type.Enum([...lostStates], {
    description: '`undecided`: it is refused. `accepted`: the state in the database holds. `revoked`: it was revoked ' +
      'again. `gone`: it does not exist any more, so nothing is refused.',
  }),
  decidedAt: nullable(Moment),
  decidedBy: nullable(Id),
}, { title: 'LostChange' })

/** Optional as a whole: Fastify passes a missing body to the schema as null. */
const NoMembers = Type.Union([exactly({}), Type.Null()])

const LostQuerystring = exactly({ ...PageQuerystring, state: Type.Optional(Type.Enum([...lostStates])) })

/**
 * Changes that a failover of the database lost (domain/maintenance/lost-change.ts). Operators of the deployment decide
 * on them, also where they concern an organization.
 */
export const lostChangeRoutes = routes<ManagementDependencies>(
  listLostChangesRoute, acceptLostChangeRoute, acceptLostChangesRoute
)

function listLostChangesRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.get('/lost-changes', {
    config: { scopes: ['replicas:read'] },
    schema: {
      summary: 'List what is refused because the database lost a change',
      description: 'After a failover to a standby that had not received every change. Newest first, including ' +
        'decided ones.',
      tags,
      querystring: LostQuerystring,
      response: { 200: pageOf(WireLostChange) },
    },
  }, async request => {
    requireDeployment(operationOf(dependencies, request), 'Reading lost changes')
    const query = pageQuery(request.query)
    return wirePage(
      query, await dependencies.store.lostChanges.page(query, definedMembers({ state: request.query.state })),
      wireLostChange
    )
  })
}

function acceptLostChangeRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.post('/lost-changes/:id/accept', {
    config: { scopes: ['replicas:write'] },
    schema: {
      summary: 'Accept the state in the database, and stop refusing it',
      description: 'To refuse it for good, revoke it with its own operation.',
      tags,
      params: IdParams,
      body: NoMembers,
      response: { 200: WireLostChange },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    requireDeployment(operation, 'Deciding on lost changes')
    return wireLostChange(await acceptLostChange(operation, request.params.id))
  })
}

function acceptLostChangesRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.post('/lost-changes/accept', {
    config: { scopes: ['replicas:write'] },
    schema: {
      summary: 'Accept every undecided change',
      description:
        'The state in the database holds again for every record with a lost change. One audit event records it.',
      operationId: 'acceptLostChanges',
      tags,
      body: NoMembers,
      response: { 200: exactly({ accepted: Type.Integer({ description: 'Number of accepted changes.' }) }) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    requireDeployment(operation, 'Deciding on lost changes')
    return { accepted: await acceptLostChanges(operation) }
  })
}

function wireLostChange ({ organizationId, entryId, createdAt, ...change }: LostChange) {
  return { ...change, organization: organizationId, entry: entryId, noticedAt: createdAt }
}

interface ReplicaDependencies extends ManagementDependencies { directory: ReplicaDirectory }

export const replicaRoutes = routes<ReplicaDependencies>(listReplicasRoute)

function listReplicasRoute (app: RouteContext, dependencies: ReplicaDependencies): void {
  app.get('/replicas', {
    config: { scopes: ['replicas:read'] },
    schema: {
      summary: 'List the servers on this database',
      description:
        'A page, the last started first, including servers that left. Requires a deployment-wide credential.',
      tags,
      querystring: exactly(PageQuerystring),
      response: { 200: pageOf(WireReplica) },
    },
  }, async request => {
    requireDeployment(operationOf(dependencies, request), 'Reading the servers')
    const query = pageQuery(request.query)
    return wirePage(query, await dependencies.directory.page(query), wireReplica)
  })
}

function wireReplica ({ id, host, pid, version, createdAt, seenAt, leftAt, live, behind, lease }: ReplicaState) {
  return { id, host, pid, version, startedAt: createdAt, seenAt, leftAt, live, behind, lease }
}
