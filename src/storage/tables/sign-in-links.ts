/** Sign-in links of members. */
import type { SignInLinkRepository } from '../../domain/people/sign-in-link.ts'
import type { Queries } from '../engine/prisma.ts'

export function signInLinkRepository ({ signInLink: table }: Queries): SignInLinkRepository {
  return {
    async insert (link) {
      await table.create({ data: link })
    },
    async byDigest (digest) {
      return await table.findUnique({ where: { digest } })
    },
    async use (digest, now) {
      // The condition of the update decides: of several at once, one changes the row.
      const { count } = await table.updateMany({
        where: { digest, usedAt: null, expiresAt: { gt: now } }, data: { usedAt: now }
      })
      return count === 1
    },
    async countSince (memberId, since) {
      return await table.count({ where: { memberId, createdAt: { gte: since } } })
    },
    async countVouchedSince (vouchedBy, since) {
      return await table.count({ where: { vouchedBy, createdAt: { gte: since } } })
    },
    async endVouchedBy (keyIds, at) {
      const where = { vouchedBy: { in: [...keyIds] }, usedAt: null, expiresAt: { gt: at } }
      return (await table.updateMany({ where, data: { expiresAt: at } })).count
    },
    async prune (before, limit) {
      return (await table.deleteMany({ where: { expiresAt: { lt: before } }, limit })).count
    },
  }
}
