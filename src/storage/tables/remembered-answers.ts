/** Remembered answers, by idempotency key. */
import type { RememberedAnswerRepository } from '../../domain/core/idempotency.ts'
import type { Queries } from '../engine/prisma.ts'

export function rememberedAnswerRepository ({ rememberedAnswer: table }: Queries): RememberedAnswerRepository {
  return {
    async insert (answer) {
      await table.create({ data: answer })
    },
    async insertAll (answers) {
      await table.createMany({ data: [...answers] })
    },
    async get (id) {
      return await table.findUnique({ where: { id } })
    },
    async list (ids) {
      return await table.findMany({ where: { id: { in: [...ids] } } })
    },
    async prune (before, limit) {
      return (await table.deleteMany({ where: { expiresAt: { lte: before } }, limit })).count
    },
    async remove (id) {
      await table.deleteMany({ where: { id } })
    },
    async removeAll (ids) {
      await table.deleteMany({ where: { id: { in: [...ids] } } })
    },
  }
}
