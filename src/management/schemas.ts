/** The shapes that several routes share. A body with a member that is not named here is refused, not trimmed. */
import { Type, type Static, type TSchema } from 'typebox'

/** An object that has these members and no others. */
export function exactly<T extends Record<string, TSchema>> (members: T) {
  return Type.Object(members, { additionalProperties: false })
}

/**
 * A name for people: 1 to 200 characters, one of them visible; neither control characters, nor half a surrogate pair, nor
 * marks that change the reading direction.
 */
export const Name = Type.String({ minLength: 1, maxLength: 200, pattern: '^(?=.*\\S)[^\\p{Cc}\\p{Cs}\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]+$' })
/** What people may see of a secret: as a name, but short. */
export const Hint = Type.String({ ...Name, maxLength: 40, description: 'What people may see of the key.' })
export const Id = Type.String({ minLength: 1, maxLength: 512 })
export const ScopeNames = Type.Array(Type.String({ maxLength: 128 }), { maxItems: 200 })
export const Allowlist = Type.Array(Type.String({ maxLength: 64 }), { maxItems: 200, description: 'IP addresses and CIDR ranges; empty: from everywhere.' })
export const Instant = Type.String({ maxLength: 35, format: 'date-time', description: 'An instant by RFC 3339: 2027-01-31T00:00:00Z.' })
/** May be left out as a whole: Fastify hands a missing body to the schema as null. */
export const Reason = Type.Union([exactly({ reason: Type.Optional(Name) }), Type.Null()])
/** What a plan includes, a route asks for: `embedding`. */
export const Features = Type.Array(Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }), { maxItems: 50, uniqueItems: true })
/** From 1 to what a column holds; null: no limit. */
export const Allowance = Type.Union([Type.Integer({ minimum: 1, maximum: 2_147_483_647 }), Type.Null()])
export const limits = {
  callsPerMonth: Type.Optional(Allowance),
  creditsPerMonth: Type.Optional(Allowance),
  callsPerMinute: Type.Optional(Allowance),
}
export const ObjectType = Type.String({ pattern: '^[a-z][a-z0-9_-]{0,63}$' })
export const ObjectId = Type.String({ minLength: 1, maxLength: 128, pattern: '^[^\\p{Cc}\\p{Cs}]*$' })
export const Objects = Type.Record(
  ObjectType, Type.Array(ObjectId, { maxItems: 1_000, uniqueItems: true }),
  { additionalProperties: false, maxProperties: 50, description: 'Type of object: the ids it is restricted to. A type that is not named is not restricted.' }
)
/** At most 30 days: an overlap is for switching over, not for keeping two secrets. */
export const Rotation = exactly({ overlapSeconds: Type.Integer({ minimum: 0, maximum: 2_592_000 }) })
export const IdParams = exactly({ id: Id })

export const PageQuerystring = {
  limit: Type.Optional(Type.String({ maxLength: 12, description: 'Rows per page, 1 to 200; 100 unless given.' })),
  cursor: Type.Optional(Type.String({ maxLength: 512, description: '`nextCursor` of the page before.' })),
}
export const OrganizationQuerystring = exactly({ ...PageQuerystring, organization: Type.Optional(Id) })

export type PageParameters = { limit?: Static<TSchema>, cursor?: string }
