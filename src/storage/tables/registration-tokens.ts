/** Tokens for the registration of clients. */
import type {
  RegistrationToken, RegistrationTokenRepository, RegistrationTokenStatus
} from '../../domain/credentials/registration-token.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'

export function registrationTokenRepository (
  { registrationToken: table }: Queries, note: ChangeReport
): RegistrationTokenRepository {
  return {
    async insert (token) {
      await table.create({ data: { ...token, scopes: json(token.scopes), allowlist: json(token.allowlist) } })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async byDigest (digest) {
      const row = await table.findUnique({ where: { digest } })
      return row && read(row)
    },
    async update (after) {
      const { id, digest: _, createdAt: __, ...token } = after
      const { revision } = await table.update({
        where: { id },
        data: { ...token, scopes: json(token.scopes), allowlist: json(token.allowlist), ...nextRevision },
        select: revisionAlone
      })
      note({ of: 'registrationToken', id })
      return { ...after, revision }
    },
    async spend (id) {
      const { count } = await table.updateMany({
        where: { id, usesLeft: { gt: 0 } }, data: { usesLeft: { decrement: 1 }, ...nextRevision }
      })
      return count === 1 || await table.count({ where: { id, usesLeft: null } }) === 1
    },
    async page (query, { status, ...exactly }) {
      const { where, ...page } = pageOf(query)
      const narrowed = status === undefined ? {} : withStatus(status.is, status.at)
      return toPage(await table.findMany({ ...page, where: { AND: [where, exactly, narrowed] } }), query, read)
    },
  }
}

function withStatus (status: RegistrationTokenStatus, at: Date): Prisma.RegistrationTokenWhereInput {
  const lasting = { OR: [{ expiresAt: null }, { expiresAt: { gt: at } }] }
  switch (status) {
    case 'revoked': return { revokedAt: { not: null } }
    case 'expired': return { revokedAt: null, expiresAt: { lte: at } }
    case 'spent': return { revokedAt: null, AND: [lasting], usesLeft: 0 }
    case 'active': return { revokedAt: null, AND: [lasting, { OR: [{ usesLeft: null }, { usesLeft: { gt: 0 } }] }] }
  }
}

function read (row: Prisma.RegistrationTokenGetPayload<object>): RegistrationToken {
  return { ...row, scopes: row.scopes as string[], allowlist: row.allowlist as string[] }
}
