/** Access tokens of the management API. */
import type {
  ManagementToken, ManagementTokenRepository, ManagementTokenStatus
} from '../../domain/credentials/management-token.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, pageOf, revisionAlone, toPage, touch } from '../rows/rows.ts'

export function managementTokenRepository (queries: Queries, note: ChangeReport): ManagementTokenRepository {
  const { managementToken: table } = queries
  return {
    async insert (token) {
      await table.create({ data: columns(token) })
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
      const { id, digest, createdAt: _, ...token } = after
      const { revision } = await table.update({
        where: { id }, data: { ...columns(token), ...nextRevision }, select: revisionAlone
      })
      note({ of: 'managementToken', digest })
      return { ...after, revision }
    },
    touch: usage => touch(queries, 'ManagementToken', usage),
    async page (query, { status, ...exactly }) {
      const { where, ...page } = pageOf(query)
      const narrowed = status === undefined ? {} : withStatus(status.is, status.at)
      return toPage(await table.findMany({ ...page, where: { AND: [where, exactly, narrowed] } }), query, read)
    },
  }
}

/** `statusOfManagementToken` as a condition. */
function withStatus (status: ManagementTokenStatus, at: Date): Prisma.ManagementTokenWhereInput {
  switch (status) {
    case 'revoked': return { revokedAt: { not: null } }
    case 'expired': return { revokedAt: null, expiresAt: { lte: at } }
    case 'active': return { revokedAt: null, OR: [{ expiresAt: null }, { expiresAt: { gt: at } }] }
  }
}

function columns<T extends Pick<ManagementToken, 'scopes' | 'allowlist'>> (token: T) {
  return { ...token, scopes: json(token.scopes), allowlist: json(token.allowlist) }
}

function read (row: Prisma.ManagementTokenGetPayload<object>): ManagementToken {
  return { ...row, scopes: row.scopes as string[], allowlist: row.allowlist as string[] }
}
