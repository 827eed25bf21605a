/** Reservations of AI spending. */
import type { Reservation, ReservationRepository } from '../../domain/spending/reservation.ts'
import type { Prisma, Queries } from '../engine/prisma.ts'
import { pageOf, toPage } from '../rows/rows.ts'

export function reservationRepository ({ spendReservation: table }: Queries): ReservationRepository {
  return {
    async insert (reservation) {
      await table.create({ data: reservation })
    },
    async get (id) {
      const row = await table.findUnique({ where: { id } })
      return row && read(row)
    },
    async byReference (clientId, reference) {
      const row = await table.findUnique({ where: { clientId_reference: { clientId, reference } } })
      return row && read(row)
    },
    async end (id, from, ending) {
      return (await table.updateMany({ where: { id, status: from }, data: ending })).count === 1
    },
    async expired (before, limit) {
      const rows = await table.findMany({
        where: { status: 'open', expiresAt: { lte: before } }, orderBy: [{ expiresAt: 'asc' }], take: limit
      })
      return rows.map(read)
    },
    async page (query, filter) {
      const { where, ...page } = pageOf(query)
      return toPage(await table.findMany({ ...page, where: { AND: [where, filter] } }), query, read)
    },
    async prune (before, limit) {
      return (await table.deleteMany({ where: { endedAt: { lt: before } }, limit })).count
    },
  }
}

function read (row: Prisma.SpendReservationGetPayload<object>): Reservation {
  return {
    ...row,
    estimate: Number(row.estimate),
    amount: row.amount === null ? null : Number(row.amount),
    inputTokens: Number(row.inputTokens),
    outputTokens: Number(row.outputTokens),
    status: row.status as Reservation['status']
  }
}
