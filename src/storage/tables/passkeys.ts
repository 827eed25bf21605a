/** Passkeys of identities. */
import type { Passkey, PasskeyRepository } from '../../domain/people/passkey.ts'
import type { Queries } from '../engine/prisma.ts'
import { json } from '../rows/rows.ts'

type PasskeyRow = Omit<Passkey, 'counter' | 'transports'> & { counter: bigint, transports: unknown }

export function passkeyRepository ({ passkey: table }: Queries): PasskeyRepository {
  return {
    async insert (passkey) {
      await table.create({
        data: { ...passkey, counter: BigInt(passkey.counter), transports: json(passkey.transports) }
      })
    },
    async byCredential (credentialId) {
      const row = await table.findUnique({ where: { credentialId } })
      return row && readPasskey(row)
    },
    async ofMember (memberId) {
      const rows = await table.findMany({
        where: { identity: { members: { some: { memberId } } } }, orderBy: [{ createdAt: 'asc' }, { id: 'asc' }]
      })
      return rows.map(readPasskey)
    },
    async use (id, from, { counter, backedUp }, lastUsedAt) {
      // The condition of the update decides: of two at once with one counter, one changes the row.
      const { count } = await table.updateMany({
        where: { id, counter: BigInt(from) }, data: { counter: BigInt(counter), backedUp, lastUsedAt }
      })
      return count === 1
    },
    async rename (id, name) {
      await table.updateMany({ where: { id }, data: { name } })
    },
    async remove (id) {
      return (await table.deleteMany({ where: { id } })).count === 1
    },
  }
}

function readPasskey (row: PasskeyRow): Passkey {
  return { ...row, counter: Number(row.counter), transports: row.transports as string[] }
}
