/** Steps of authorizations, by the digests of the texts that stand for them. */
import type {
  AuthorizationStep, AuthorizationStepRepository, StepKind
} from '../../domain/authorizations/authorization-step.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { conditionsOf } from '../rows/authorization-set.ts'

export function authorizationStepRepository (queries: Queries): AuthorizationStepRepository {
  const { authorizationStep: table } = queries
  return {
    async insert ({ digest, kind, authorizationId, content, createdAt, expiresAt }) {
      // One statement: of two that race, the database inserts one. Without an error for the other, which on PostgreSQL
      // would end its transaction.
      const inserted = await queries.$executeRaw`
        INSERT INTO "AuthorizationStep" ("digest", "kind", "authorizationId", "content", "createdAt", "expiresAt")
        VALUES (${digest}, ${kind}, ${authorizationId}, ${JSON.stringify(content)}, ${createdAt}, ${expiresAt})
        ON CONFLICT DO NOTHING`
      return inserted === 1
    },
    async update ({ digest, content, expiresAt }) {
      const data = { content: JSON.stringify(content), expiresAt }
      return (await table.updateMany({ where: { digest }, data })).count === 1
    },
    async get (kind, digest) {
      const row = await table.findFirst({ where: { digest, kind } })
      return row && read(row)
    },
    async consume (digest, consumedAt) {
      return (await table.updateMany({ where: { digest, consumedAt: null }, data: { consumedAt } })).count === 1
    },
    async remove (digest) {
      return (await table.deleteMany({ where: { digest } })).count === 1
    },
    async removeOf (authorizationId) {
      await table.deleteMany({ where: { authorizationId } })
    },
    async removeOfEnded (set) {
      await table.deleteMany({ where: { authorization: { AND: [conditionsOf(set), { endedAt: { not: null } }] } } })
    },
    async prune ({ asking, given }, limit) {
      const over = [{ kind: { in: ['interaction', 'pushed_request'] } }, { expiresAt: { lt: given } }]
      return (await table.deleteMany({ where: { expiresAt: { lt: asking }, OR: over }, limit })).count
    },
  }
}

function read (row: Prisma.AuthorizationStepGetPayload<object>): AuthorizationStep {
  return { ...row, kind: row.kind as StepKind, content: JSON.parse(row.content) as Record<string, unknown> }
}
