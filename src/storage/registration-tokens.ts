import type { RegistrationToken, RegistrationTokenRepository } from '../domain/registration-token.ts'
import type { Prisma, Queries } from './prisma.ts'
import { json, pageOf, toPage } from './rows.ts'

export function registrationTokenRepository ({ registrationToken: table }: Queries): RegistrationTokenRepository {
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
    async update ({ id, digest: _, createdAt: __, ...token }) {
      await table.update({ where: { id }, data: { ...token, scopes: json(token.scopes), allowlist: json(token.allowlist) } })
    },
    async spend (id) {
      const { count } = await table.updateMany({ where: { id, usesLeft: { gt: 0 } }, data: { usesLeft: { decrement: 1 } } })
      return count === 1 || await table.count({ where: { id, usesLeft: null } }) === 1
    },
    async page (query, { organizationId }) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, { organizationId }] } }), query, read)
    },
  }
}

function read (row: Prisma.RegistrationTokenGetPayload<object>): RegistrationToken {
  return { ...row, scopes: row.scopes as string[], allowlist: row.allowlist as string[] }
}
