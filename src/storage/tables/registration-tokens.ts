/** Tokens for the registration of clients. */
import { sqltag as sql, type Sql } from '@prisma/client/runtime/client'
import type {
  RegistrationToken, RegistrationTokenRepository, RegistrationTokenStatus
} from '../../domain/credentials/registration-token.ts'
import type { ChangeReport } from '../cache/changes.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { json, nextRevision, revisionAlone } from '../rows/rows.ts'
import { equal, listedRecords, narrowedBy } from '../rows/sorted-page.ts'

export function registrationTokenRepository (queries: Queries, note: ChangeReport): RegistrationTokenRepository {
  const { registrationToken: table } = queries
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
    async page (query, { status, name, resourceId, ...sought }) {
      const among = [
        ...equal({ name, resourceId }),
        ...(status === undefined ? [] : [withStatus(status.is, status.at)])]
      const narrowing = narrowedBy(sought, ['name', 'hint'], { among })
      return await listedRecords(queries, 'RegistrationToken', narrowing, query, async ids =>
        (await table.findMany({ where: { id: { in: ids } } })).map(read))
    },
  }
}

function withStatus (status: RegistrationTokenStatus, at: Date): Sql {
  const lasts = sql`"revokedAt" IS NULL AND ("expiresAt" IS NULL OR "expiresAt" > ${at})`
  switch (status) {
    case 'revoked': return sql`"revokedAt" IS NOT NULL`
    case 'expired': return sql`"revokedAt" IS NULL AND "expiresAt" <= ${at}`
    case 'spent': return sql`${lasts} AND "usesLeft" = 0`
    case 'active': return sql`${lasts} AND ("usesLeft" IS NULL OR "usesLeft" > 0)`
  }
}

function read (row: Prisma.RegistrationTokenGetPayload<object>): RegistrationToken {
  return { ...row, scopes: row.scopes as string[], allowlist: row.allowlist as string[] }
}
