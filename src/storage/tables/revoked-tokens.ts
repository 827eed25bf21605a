/** Revoked access tokens, by `jti`. */
import type { RevokedTokenRepository } from '../../domain/tokens/access-token.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Columns } from '../rows/columns.ts'
import type { Queries } from '../engine/prisma.ts'
import type { Row } from '../rows/rows.ts'

export function revokedTokenRepository ({ revokedToken: table }: Queries, note: ChangeReport): RevokedTokenRepository {
  return {
    async insert (token) {
      await table.upsert({ where: { jti: token.jti }, create: token, update: {} })
      note({ of: 'revokedToken', jti: token.jti, expiresAt: token.expiresAt })
    },
    async has (jti) {
      return await table.findUnique({ where: { jti }, select: { jti: true } }) !== null
    },
    async prune (before, limit) {
      const { count } = await table.deleteMany({ where: { expiresAt: { lt: before } }, limit })
      // Once, after the last batch: until then servers may keep pruned tokens in memory, which does no harm.
      if (count < limit) note({ of: 'revokedTokensPruned', before })
      return count
    },
  }
}

/** The columns that checks need. */
export function readRevokedToken (row: Row, { text, instant }: Columns): { jti: string, expiresAt: Date } {
  return { jti: text(row.jti), expiresAt: instant(row.expiresAt) }
}
