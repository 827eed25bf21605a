/**
 * The servers on this database, and what it has lost in a failover. They are the whole deployment's: no credential of
 * an organization sees them.
 */
import { Type } from '../../http/typebox-lite.ts'
import {
  acceptLostChange, acceptLostChanges, lostKinds, lostStates, type LostChange
} from '../../domain/maintenance/lost-change.ts'
import type { ReplicaDirectory, ReplicaState } from '../../domain/maintenance/replica.ts'
import { definedMembers, operationOf, requireDeployment, type ManagementDependencies } from '../conventions/operation.ts'
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
  seenAt: Type.With(Moment, { description: 'Its last sign of life.' }),
  leftAt: Type.With(nullable(Moment), {
    description: 'When it said good-bye, or was counted out because it gave no sign of life; null: changes wait for it.'
  }),
  live: Type.Boolean({ description: 'Whether it gave a sign of life within its lease, and so may go by its memory.' }),
  behind: Type.Integer({ description: 'Changes that it has not applied.' }),
  lease: Type.With(nullable(Type.Integer()), {
    description: 'Milliseconds that a change waits for it at most; null where there can only be one server.'
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
      description: 'The id of what is refused, of an access token its `jti`; `*`: everything of the kind.'
    }),
    'key_47oJu8Rmoptz2RZvzs30qU'
  ),
  organization: Type.With(nullable(OrganizationId), { description: 'Null: the deployment, or it is not known.' }),
  entry: Type.With(Id, { description: 'The entry of the change feed that the database has lost.' }),
  changedAt: Type.With(Moment, { description: 'When the change was made that was lost.' }),
  noticedAt: Moment,
  state: Type.Enum([...lostStates], {
    description: '`undecided`: it is refused. `accepted`: what the database says of it is true. `revoked`: it was ' +
      'revoked again. `gone`: it is not there any more, so there is nothing to refuse.',
  }),
  decidedAt: nullable(Moment),
  decidedBy: nullable(Id),
}, { title: 'LostChange' })

/** May be left out as a whole: Fastify hands a missing body to the schema as null. */
const NoMembers = Type.Union([exactly({}), Type.Null()])

const LostQuerystring = exactly({ ...PageQuerystring, state: Type.Optional(Type.Enum([...lostStates])) })

/**
 * What a failover of the database has lost (domain/maintenance/lost-change.ts): whatever organization it was of, the
 * deployment's operators decide.
 */
export const lostChangeRoutes = routes<ManagementDependencies>(
  listLostChangesRoute, acceptLostChangeRoute, acceptLostChangesRoute
)

function listLostChangesRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.get('/lost-changes', {
    config: { scopes: ['replicas:read'] },
    schema: {
      summary: 'List what is refused because the database has lost a change',
      description: 'After a failover to a standby that had not received everything. Newest first; also what was ' +
        'decided already.',
      tags,
      querystring: LostQuerystring,
      response: { 200: pageOf(WireLostChange) },
    },
  }, async request => {
    requireDeployment(operationOf(dependencies, request), 'Seeing what was lost')
    const query = pageQuery(request.query)
    return wirePage(query, await dependencies.store.lostChanges.page(query, definedMembers({ state: request.query.state })), wireLostChange)
  })
}

function acceptLostChangeRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.post('/lost-changes/:id/accept', {
    config: { scopes: ['replicas:write'] },
    schema: {
      summary: 'Accept what the database says, and refuse it no longer',
      description: 'To refuse it for good, revoke it by its own operation instead.',
      tags,
      params: IdParams,
      body: NoMembers,
      response: { 200: WireLostChange },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    requireDeployment(operation, 'Deciding about what was lost')
    return wireLostChange(await acceptLostChange(operation, request.params.id))
  })
}

function acceptLostChangesRoute (app: RouteContext, dependencies: ManagementDependencies): void {
  app.post('/lost-changes/accept', {
    config: { scopes: ['replicas:write'] },
    schema: {
      summary: 'Accept all that is undecided',
      description:
        'What the database says counts again for everything that it lost a change of. One audit event tells of it.',
      operationId: 'acceptLostChanges',
      tags,
      body: NoMembers,
      response: { 200: exactly({ accepted: Type.Integer({ description: 'How many there were.' }) }) },
    },
  }, async request => {
    const operation = operationOf(dependencies, request)
    requireDeployment(operation, 'Deciding about what was lost')
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
        'A page, those that started last first; with those that have left. Takes a credential for the whole ' +
          'deployment.',
      tags,
      querystring: exactly(PageQuerystring),
      response: { 200: pageOf(WireReplica) },
    },
  }, async request => {
    requireDeployment(operationOf(dependencies, request), 'Seeing the servers')
    const query = pageQuery(request.query)
    return wirePage(query, await dependencies.directory.page(query), wireReplica)
  })
}

function wireReplica ({ id, host, pid, version, createdAt, seenAt, leftAt, live, behind, lease }: ReplicaState) {
  return { id, host, pid, version, startedAt: createdAt, seenAt, leftAt, live, behind, lease }
}
