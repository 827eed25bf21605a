/** Reservations on the wire: of a call to an AI provider. */
import { reservationStatuses, type Reservation } from '../../domain/spending/reservation.ts'
import { Type } from '../../http/typebox-lite.ts'
import { as, Moment, nullable, OrganizationId } from '../conventions/schemas.ts'

export const reservationMembers = {
  id: as(Type.String(), 'rsv_8nLd4wEfG5yKtQ0rXc2sVb'),
  status: Type.Enum([...reservationStatuses], {
    description: '`unsettled`: nothing settled it in time, and its estimate was charged.'
  }),
  client: as(Type.String(), 'cli_5tYbN2mKq8RsTuVwXyZ0aB'),
  reference: as(Type.String(), 'chatcmpl-8e03978e'),
  organization: OrganizationId,
  credential: as(Type.String(), 'key_2bNfD7hXk9mQpRsTuVwYzA'),
  account: nullable(Type.String()),
  model: as(Type.String(), 'gpt-5'),
  estimate: as(Type.Integer(), 2_000),
  amount: Type.Union([Type.Integer(), Type.Null()], {
    description: 'Micro-dollars that were charged; null: it is open, or was released.'
  }),
  usage: Type.Object({ inputTokens: Type.Integer(), outputTokens: Type.Integer() }),
  day: as(Type.String({ description: 'The day, UTC, that it counts in, with its month.' }), '2026-12-01'),
  createdAt: Moment,
  expiresAt: Moment,
  endedAt: nullable(Moment),
}
export const WireReservation = Type.Object(reservationMembers, { title: 'Reservation' })

export function wireReservation (kept: Reservation) {
  const { id, status, clientId, reference, organizationId, credentialId, account, model, estimate, amount } = kept
  const { inputTokens, outputTokens, day, createdAt, expiresAt, endedAt } = kept
  return {
    id,
    status,
    client: clientId,
    reference,
    organization: organizationId,
    credential: credentialId,
    account,
    model,
    estimate,
    amount,
    usage: { inputTokens, outputTokens },
    day,
    createdAt,
    expiresAt,
    endedAt
  }
}
