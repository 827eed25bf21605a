import type { JWK } from 'jose'
import type { SigningKey, SigningKeyRepository } from '../domain/signing-key.ts'
import type { Prisma, Queries } from './prisma.ts'
import { json } from './rows.ts'

export function signingKeyRepository ({ signingKey: table }: Queries): SigningKeyRepository {
  return {
    async insert (key) {
      await table.create({ data: { ...key, publicJwk: json(key.publicJwk) } })
    },
    async update ({ kid, activatedAt, retiredAt, publishedUntil }) {
      await table.update({ where: { kid }, data: { activatedAt, retiredAt, publishedUntil } })
    },
    async remove (kid) {
      await table.deleteMany({ where: { kid } })
    },
    async all () {
      return (await table.findMany({ orderBy: [{ createdAt: 'asc' }, { kid: 'asc' }] })).map(read)
    },
  }
}

function read (row: Prisma.SigningKeyGetPayload<object>): SigningKey {
  return { ...row, algorithm: row.algorithm as SigningKey['algorithm'], publicJwk: row.publicJwk as JWK }
}
