/** Signing keys, with their private keys sealed. */
import type { JWK } from 'jose'
import type { SigningKey, SigningKeyRepository } from '../../domain/tokens/signing-key.ts'
import type { ChangeReport } from '../cache/changes.ts'
import { orNull, prismaColumns, type Columns } from '../rows/columns.ts'
import type { Queries } from '../engine/prisma.ts'
import { json, nextRevision, revisionAlone, type Row } from '../rows/rows.ts'

export function signingKeyRepository ({ signingKey: table }: Queries, note: ChangeReport): SigningKeyRepository {
  const changed = { of: 'signingKeys' } as const
  return {
    async insert (key) {
      await table.create({ data: { ...key, publicJwk: json(key.publicJwk) } })
      note(changed)
    },
    async update (after) {
      const { kid, activatedAt, retiredAt, publishedUntil, revokedAt, revokedReason } = after
      const { revision } = await table.update({
        where: { kid },
        data: { activatedAt, retiredAt, publishedUntil, revokedAt, revokedReason, ...nextRevision },
        select: revisionAlone
      })
      note(changed)
      return { ...after, revision }
    },
    async reseal ({ id: kid, from, to }) {
      const { count } = await table.updateMany({
        where: { kid, sealedPrivateKey: from }, data: { sealedPrivateKey: to }
      })
      if (count === 1) note(changed)
      return count === 1
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

/** Reads each column once. */
export function readSigningKey (row: Row, { text, json, instant }: Columns): SigningKey {
  return {
    kid: text(row.kid),
    algorithm: text(row.algorithm) as SigningKey['algorithm'],
    publicJwk: { ...json(row.publicJwk) as JWK },
    sealedPrivateKey: text(row.sealedPrivateKey),
    createdAt: instant(row.createdAt),
    activatedAt: instant(row.activatedAt),
    retiredAt: orNull(instant, row.retiredAt),
    publishedUntil: orNull(instant, row.publishedUntil),
    revokedAt: orNull(instant, row.revokedAt),
    revokedReason: orNull(text, row.revokedReason),
    revision: row.revision as number,
  }
}

function read (row: Row): SigningKey {
  return readSigningKey(row, prismaColumns)
}
