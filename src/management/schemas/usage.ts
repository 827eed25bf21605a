/** Usage on the wire: of a key, or of what a member has allowed a client, by day. */
import { Type } from '../../http/typebox-lite.ts'
import { environments } from '../../domain/metering/credit.ts'
import { as, exactly, idsOf, Moment, nullable, OrganizationId } from '../conventions/schemas.ts'

const Day = Type.Optional(Type.String({ maxLength: 10, format: 'date', description: 'A day, UTC: 2027-01-31.' }))
export const Range = exactly({ from: Day, to: Day })

/** The sentence about `Range`. */
export const aboutRange = 'Days are UTC. Default range: the current month; at most 366 days.'

export const ADay = as(Type.String({ format: 'date', description: 'A day, UTC.' }), '2027-01-31')
export const counts = {
  calls: as(Type.Integer(), 42), credits: as(Type.Integer({ description: 'Spent minus refunded.' }), 12)
}
export const Days = Type.Array(
  Type.Object({ day: ADay, ...counts }), { description: 'Days without calls are omitted.' }
)
const Usage = {
  organization: OrganizationId,
  environment: Type.Enum([...environments]),
  from: ADay,
  to: ADay,
  lastUsedAt: nullable(Moment),
  ...counts,
  callsToday: as(Type.Integer(), 42),
  days: Days
}
export const KeyUsage = Type.Object({
  apiKey: as(Type.String(), 'key_2bNfD7hXk9mQpRsTuVwYzA'), ...Usage
}, { title: 'KeyUsage' })
export const UsageOfKeys = Type.Object({ data: Type.Array(KeyUsage) }, { title: 'UsageOfKeys' })
export const ClientUsage = Type.Object({
  client: as(Type.String(), 'cli_SMFY997Oo6f1bZteLcSAnl'),
  organization: nullable(OrganizationId),
  from: ADay,
  to: ADay,
  tokens: as(Type.Integer({ description: 'Access tokens issued.' }), 42),
  days: Type.Array(Type.Object({ day: ADay, tokens: as(Type.Integer(), 42) }), {
    description: 'Days without tokens are omitted.'
  }),
}, { title: 'ClientUsage' })
export const KeysRange = exactly({
  from: Day,
  to: Day,
  keys: Type.Optional(idsOf('keys', 'key_2bNfD7hXk9mQpRsTuVwYzA,key_47oJu8Rmoptz2RZvzs30qU'))
})
export const AuthorizationUsage = Type.Object({
  authorization: as(Type.String(), 'aut_Vb8nLd4wEfG5yKtQ0rXc2s'), ...Usage
}, { title: 'AuthorizationUsage' })
