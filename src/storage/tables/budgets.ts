/** Budgets of AI spending. */
import type { Budget, BudgetRepository } from '../../domain/spending/budget.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { nextRevision, pageOf, revisionAlone, toPage } from '../rows/rows.ts'

export function budgetRepository ({ spendBudget: table }: Queries): BudgetRepository {
  return {
    async insert (budget) {
      await table.create({ data: budget })
    },
    async of ({ kind, id: holder }) {
      const row = await table.findUnique({ where: { kind_holder: { kind, holder } } })
      return row && read(row)
    },
    async update (after) {
      const { id, day, month } = after
      const { revision } = await table.update({
        where: { id }, data: { day, month, ...nextRevision }, select: revisionAlone
      })
      return { ...after, revision }
    },
    async remove (id) {
      await table.delete({ where: { id } })
    },
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, filter] } }), query, read)
    },
  }
}

function read (row: Prisma.SpendBudgetGetPayload<object>): Budget {
  return { ...row, kind: row.kind as Budget['kind'], day: amountOrNull(row.day), month: amountOrNull(row.month) }
}

function amountOrNull (amount: bigint | null): number | null {
  return amount === null ? null : Number(amount)
}
