/** Credit accounts and their entries. */
import { greatestCredits, type CreditEntry, type CreditRepository } from '../../domain/metering/credit.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { pageOf, toPage } from '../rows/rows.ts'

export function creditRepository (queries: Queries): CreditRepository {
  const { creditAccount: accounts, creditEntry: entries } = queries
  return {
    async balance ({ organizationId, environment }) {
      const row = await accounts.findUnique({ where: { organizationId_environment: { organizationId, environment } } })
      return Number(row?.balance ?? 0)
    },
    async add ({ organizationId, environment }, amount) {
      // One statement: of two that race, the second adds to the balance that the first has written.
      const rows = await queries.$queryRaw<{ balance: bigint }[]>`
        INSERT INTO "CreditAccount" ("organizationId", "environment", "balance")
        VALUES (${organizationId}, ${environment}, ${BigInt(amount)})
        ON CONFLICT ("organizationId", "environment") DO UPDATE
        SET "balance" = "CreditAccount"."balance" + excluded."balance"
        WHERE "CreditAccount"."balance" <= ${BigInt(greatestCredits - amount)}
        RETURNING "balance"`
      return rows[0] === undefined ? null : Number(rows[0].balance)
    },
    async take ({ organizationId, environment }, amount) {
      const rows = await accounts.updateManyAndReturn({
        where: { organizationId, environment, balance: { gte: amount } },
        data: { balance: { decrement: amount } },
        select: { balance: true }
      })
      return rows[0] === undefined ? null : Number(rows[0].balance)
    },
    async append (added) {
      if (added.length > 0) await entries.createMany({ data: [...added] })
    },
    async entry (id) {
      const row = await entries.findUnique({ where: { id } })
      return row && read(row)
    },
    async page (query, { organizationId, environment }) {
      const { where, ...page } = pageOf(query)
      return toPage(
        await entries.findMany({ ...page, where: { AND: [where, { organizationId, environment }] } }), query, read
      )
    }
  }
}

function read (row: Prisma.CreditEntryGetPayload<object>): CreditEntry {
  return {
    ...row,
    environment: row.environment as CreditEntry['environment'],
    amount: Number(row.amount),
    balance: Number(row.balance)
  }
}
