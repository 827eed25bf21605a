import type { JWK } from 'jose'
import type { SigningKey, SigningKeyRepository } from '../domain/signing-key.ts'
import type { Note } from './changes.ts'
import type { Prisma, Queries } from './prisma.ts'
import { json, nextRevision, revisionAlone } from './rows.ts'

export function signingKeyRepository ({ signingKey: table }: Queries, note: Note): SigningKeyRepository {
  const changed = { of: 'signingKeys' } as const
  return {
    async insert (key) {
      await table.create({ data: { ...key, publicJwk: json(key.publicJwk) } })
      note(changed)
    },
    async update (after) {
      const { kid, activatedAt, retiredAt, publishedUntil, revokedAt, revokedReason } = after
      const { revision } = await table.update({ where: { kid }, data: { activatedAt, retiredAt, publishedUntil, revokedAt, revokedReason, ...nextRevision }, select: revisionAlone })
      note(changed)
      return { ...after, revision }
    },
    async reseal ({ kid, sealedPrivateKey }) {
      await table.update({ where: { kid }, data: { sealedPrivateKey } })
      note(changed)
    },
    async remove (kid) {
      await table.deleteMany({ where: { kid } })
      note(changed)
    },
    async all () {
      return (await table.findMany({ orderBy: [{ createdAt: 'asc' }, { kid: 'asc' }] })).map(read)
    },
  }
}

function read (row: Prisma.SigningKeyGetPayload<object>): SigningKey {
  return { ...row, algorithm: row.algorithm as SigningKey['algorithm'], publicJwk: row.publicJwk as JWK }
}
