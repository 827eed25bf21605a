/** The servers on this database. They are the whole deployment's: no credential of an organization sees them. */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '../schema.ts'
import type { ReplicaDirectory, ReplicaState } from '../domain/replica.ts'
import { operationOf, requireDeployment, type ManagementDependencies } from './operation.ts'
import { pageQuery, wirePage } from './pages.ts'
import { exactly, Id, Moment, nullable, pageOf, PageQuerystring } from './schemas.ts'

const WireReplica = Type.Object({
  id: Id,
  host: Type.String(),
  pid: Type.Integer(),
  version: Type.String(),
  startedAt: Moment,
  seenAt: Type.With(Moment, { description: 'Its last sign of life.' }),
  leftAt: Type.With(nullable(Moment), { description: 'When it said good-bye, or was counted out because it gave no sign of life; null: changes wait for it.' }),
  live: Type.Boolean({ description: 'Whether it gave a sign of life within its lease, and so may go by its memory.' }),
  behind: Type.Integer({ description: 'Changes that it has not applied.' }),
  lease: Type.With(nullable(Type.Integer()), { description: 'Milliseconds that a change waits for it at most; null where there can only be one server.' }),
}, { title: 'Replica' })

export function replicaRoutes (dependencies: ManagementDependencies & { directory: ReplicaDirectory }): FastifyPluginAsyncTypebox {
  return async app => {
    app.get('/replicas', {
      config: { scopes: ['replicas:read'] },
      schema: {
        summary: 'List the servers on this database',
        description: 'A page, those that started last first; with those that have left. Takes a credential for the whole deployment.',
        tags: ['server'],
        querystring: exactly(PageQuerystring),
        response: { 200: pageOf(WireReplica) },
      },
    }, async request => {
      requireDeployment(operationOf(dependencies, request), 'Seeing the servers')
      const query = pageQuery(request.query)
      return wirePage(query, await dependencies.directory.page(query), wireReplica)
    })
  }
}

function wireReplica ({ id, host, pid, version, createdAt, seenAt, leftAt, live, behind, lease }: ReplicaState) {
  return { id, host, pid, version, startedAt: createdAt, seenAt, leftAt, live, behind, lease }
}
