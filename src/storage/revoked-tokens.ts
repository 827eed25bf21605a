import type { RevokedTokenRepository } from '../domain/token.ts'
import type { Note } from './changes.ts'
import type { Queries } from './prisma.ts'

export function revokedTokenRepository ({ revokedToken: table }: Queries, note: Note): RevokedTokenRepository {
  return {
    async insert (token) {
      await table.upsert({ where: { jti: token.jti }, create: token, update: {} })
      note({ of: 'revokedToken', jti: token.jti, expiresAt: token.expiresAt })
    },
    async has (jti) {
      return await table.findUnique({ where: { jti }, select: { jti: true } }) !== null
    },
    async live (now) {
      return await table.findMany({ where: { expiresAt: { gt: now } }, select: { jti: true, expiresAt: true } })
    },
    async prune (before) {
      const { count } = await table.deleteMany({ where: { expiresAt: { lt: before } } })
      note({ of: 'revokedTokensPruned', before })
      return count
    },
  }
}
