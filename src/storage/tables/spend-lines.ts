/** What credentials have spent on AI models, by day. */
import type { Grouping, SpendFilter, SpendLine, SpendLineRepository } from '../../domain/spending/reservation.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { pageOf, toPage } from '../rows/rows.ts'

/** The columns that lines are added up by. */
const columns = {
  day: 'day', model: 'model', credential: 'credentialId', organization: 'organizationId'
} as const satisfies Record<Grouping, string>

export function spendLineRepository (queries: Queries): SpendLineRepository {
  const { spendLine: table } = queries
  return {
    async add (line) {
      const { id, organizationId, day, credentialId, model, createdAt } = line
      const [amount, calls] = [BigInt(line.amount), BigInt(line.calls)]
      const [input, output] = [BigInt(line.inputTokens), BigInt(line.outputTokens)]
      await table.upsert({
        where: { organizationId_day_credentialId_model: { organizationId, day, credentialId, model } },
        create: {
          id,
          organizationId,
          day,
          credentialId,
          model,
          createdAt,
          amount,
          calls,
          inputTokens: input,
          outputTokens: output
        },
        update: {
          amount: { increment: amount },
          calls: { increment: calls },
          inputTokens: { increment: input },
          outputTokens: { increment: output }
        }
      })
    },
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, conditions(filter)] } }), query, read)
    },
    async sums (by, filter, limit) {
      const column = columns[by]
      const rows = await table.groupBy({
        by: [column],
        where: conditions(filter),
        _sum: { amount: true, calls: true, inputTokens: true, outputTokens: true },
        orderBy: by === 'day' ? { day: 'desc' } : { _sum: { amount: 'desc' } },
        take: limit
      })
      return rows.map(row => ({ name: row[column], ...numbers(row._sum) }))
    },
    async prune (before, limit) {
      return (await table.deleteMany({ where: { day: { lt: before } }, limit })).count
    },
  }
}

function conditions ({ organizationId, credentialId, model, from, to }: SpendFilter) {
  return { organizationId, credentialId, model, day: { gte: from, lte: to } }
}

interface Sums { amount: bigint | null, calls: bigint | null, inputTokens: bigint | null, outputTokens: bigint | null }

function numbers ({ amount, calls, inputTokens, outputTokens }: Sums) {
  return {
    amount: Number(amount), calls: Number(calls), inputTokens: Number(inputTokens), outputTokens: Number(outputTokens)
  }
}

function read (row: Prisma.SpendLineGetPayload<object>): SpendLine {
  return { ...row, ...numbers(row) }
}
