import type { JWK } from 'jose'
import type { SigningKey, SigningKeyRepository } from '../domain/signing-key.ts'
import type { Prisma, Queries } from './prisma.ts'
import { json } from './rows.ts'

export function signingKeyRepository ({ signingKey: table }: Queries): SigningKeyRepository {
  return {
    async insert (key) {
      await table.create({ data: { ...key, publicJwk: json(key.publicJwk) } })
    },
    async all () {
      return (await table.findMany({ orderBy: [{ createdAt: 'asc' }, { kid: 'asc' }] })).map(read)
    },
  }
}

function read (row: Prisma.SigningKeyGetPayload<object>): SigningKey {
  return {
    ...row,
    algorithm: row.algorithm as SigningKey['algorithm'],
    state: row.state as SigningKey['state'],
    publicJwk: row.publicJwk as JWK,
  }
}
