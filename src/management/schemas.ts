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
export const Id = Type.String({ minLength: 1, maxLength: 512 })
export const ScopeNames = Type.Array(Type.String({ maxLength: 128 }), { maxItems: 200 })
export const Allowlist = Type.Array(Type.String({ maxLength: 64 }), { maxItems: 200, description: 'IP addresses and CIDR ranges; empty: from everywhere.' })
export const Instant = Type.String({ maxLength: 35, format: 'date-time', description: 'An instant by RFC 3339: 2027-01-31T00:00:00Z.' })
/** May be left out as a whole: Fastify hands a missing body to the schema as null. */
export const Reason = Type.Union([exactly({ reason: Type.Optional(Name) }), Type.Null()])
export const IdParams = exactly({ id: Id })

export const PageQuerystring = {
  limit: Type.Optional(Type.String({ maxLength: 12, description: 'Rows per page, 1 to 200; 100 unless given.' })),
  cursor: Type.Optional(Type.String({ maxLength: 512, description: '`nextCursor` of the page before.' })),
}
export const OrganizationQuerystring = exactly({ ...PageQuerystring, organization: Type.Optional(Id) })

export type PageParameters = { limit?: Static<TSchema>, cursor?: string }
