/** The shapes that several routes share. A body with a member that is not named here is refused, not trimmed. */
import type { Static, TSchema } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import type { ObjectRestriction } from '../../domain/credentials/api-key.ts'
import { defaultLimit, greatestLimit } from './pages.ts'

/**
 * An object that has these members and no others. `title`: what the document calls it, where several routes take it.
 */
export function exactly<T extends Record<string, TSchema>> (members: T, title?: string) {
  return Type.Object(members, { additionalProperties: false, ...(title === undefined ? {} : { title }) })
}

/** A schema with what stands in its place in the examples of the document. */
export function as<T extends TSchema> (schema: T, example: Static<T>): T {
  return Type.With(schema, { examples: [example] }) as unknown as T
}

/** What may be null. */
export function nullable<T extends TSchema> (schema: T) {
  return Type.Union([schema, Type.Null()])
}

/** A list in an answer: nobody changes it. */
export function list<T extends TSchema> (schema: T) {
  return Type.Unsafe<readonly Static<T>[]>(Type.Array(schema))
}

export const Pagination = Type.Object({
  limit: Type.Integer(),
  hasMore: Type.Boolean(),
  nextCursor: Type.Optional(Type.String({ description: 'Absent on the last page.' })),
})

/** Of a collection of what belongs to organizations. */
export const ownPage = 'A page, newest first. Of the caller\'s organization; of all, to a credential for the whole ' +
  'deployment.'

/** A page of a collection, as pages.ts makes them (OC-16). */
export function pageOf<T extends TSchema> (schema: T) {
  return Type.Object({ data: Type.Array(schema), pagination: Pagination })
}

/**
 * A name for people: 1 to 200 characters, one of them visible; neither control characters nor marks that change the
 * reading direction. In words that every dialect of regular expressions has: neither lookahead nor `\p{…}`.
 */
export const Name = as(
  Type.String({
    minLength: 1,
    maxLength: 200,
    description:
      'For people: neither control characters nor marks that change the reading direction, and something to see.',
    pattern:
      '^[ \\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000\\ufeff]*[^\\u0000-\\u0020\\u007f-\\u00a0\\u061c\\u1680\\u2000-\\u200a\\u200e\\u200f\\u2028-\\u202f\\u205f\\u2066-\\u2069\\u3000\\ufeff][^\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$'
  }),
  'billing'
)

/** What people may see of a secret: as a name, but short. */
export const Hint = as(Type.String({ ...Name, maxLength: 40, description: 'What people may see of the key.' }), '…4f2a')

/** What something is for, in up to 1000 characters; null: nobody said. */
export const Description = Type.Union([Type.String({
  maxLength: 1_000, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$',
}), Type.Null()])
export const Id = Type.String({ minLength: 1, maxLength: 512 })
export const OrganizationId = as(Id, 'org_47oJu8Rmoptz2RZvzs30qU')

/** The organization that something is made in; owning-organization.ts puts in what a caller may leave out. */
export const Owner = Type.With(OrganizationId, {
  description: 'Whose it is to be. A credential that is confined to an organization may leave it out: its own is meant.'
})
export const ResourceName = as(
  Type.String({ minLength: 1, maxLength: 512, description: 'The identifier of a resource, or its id.' }),
  'https://api.acme.test'
)
export const ScopeNames = as(Type.Array(Type.String({ maxLength: 128 }), { maxItems: 200 }), ['invoices:read'])
export const Allowlist = as(
  Type.Array(Type.String({ maxLength: 64 }), {
    maxItems: 200, description: 'IP addresses and CIDR ranges; empty: from everywhere.'
  }),
  ['203.0.113.0/24']
)
export const Instant = as(
  Type.String({ maxLength: 35, format: 'date-time', description: 'An instant by RFC 3339: 2027-01-31T00:00:00Z.' }),
  '2027-01-31T00:00:00Z'
)

/** May be left out as a whole: Fastify hands a missing body to the schema as null. */
export const Reason = Type.Union([
  exactly({ reason: Type.Optional(as(Name, 'left a laptop on the train')) }, 'Reason'), Type.Null()
])

/** What a plan includes, a route asks for: `embedding`. */
export const Features = as(
  Type.Array(Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }), { maxItems: 50, uniqueItems: true }), ['embedding']
)

/** From 1 to what a column holds; null: no limit. */
export const Allowance = Type.Union([Type.Integer({ minimum: 1, maximum: 2_147_483_647 }), Type.Null()])
export const limits = {
  callsPerMonth: Type.Optional(Allowance),
  creditsPerMonth: Type.Optional(Allowance),
  callsPerMinute: Type.Optional(Allowance),
}

export const ObjectType = as(Type.String({ pattern: '^[a-z][a-z0-9_-]{0,63}$' }), 'projects')
export const ObjectId = as(
  Type.String({ minLength: 1, maxLength: 128, pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f]*$' }), 'prj_1'
)
export const Objects = Type.Record(
  ObjectType,
  Type.Array(ObjectId, { maxItems: 1_000, uniqueItems: true }),
  {
    additionalProperties: false,
    maxProperties: 50,
    description: 'Type of object: the ids it is restricted to. A type that is not named is not restricted.'
  }
)

/** At most 30 days: an overlap is for switching over, not for keeping two secrets. */
export const Rotation = exactly({
  overlapSeconds: as(
    Type.Integer({
      minimum: 0, maximum: 2_592_000, description: 'How long the old one works beside the new one; 0: not at all.'
    }),
    86_400
  )
}, 'Rotation')
export const IdParams = exactly({ id: Id })

/** A yes or a no in a query. */
export const Flag = Type.Optional(Type.Boolean())

/** As cursors.ts gives them out: behind the point stands a mark. */
export function cursor (maxLength: number, description: string) {
  return Type.Optional(Type.String({ maxLength, pattern: '^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]{22}$', description }))
}

export const PageQuerystring = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: greatestLimit, default: defaultLimit, description: 'Rows per page.' })
  ),
  cursor: cursor(512, '`nextCursor` of the page before.')
}

/** In answers. */
export const Moment = Type.Unsafe<Date>(Type.String({ format: 'date-time', examples: ['2026-11-22T19:48:29.000Z'] }))
export const Texts = list(Type.String())
export const GivenScopes = as(Texts, ['invoices:read'])
export const GivenObjects = Type.Unsafe<ObjectRestriction>(Type.Record(Type.String(), Type.Array(Type.String())))

/** What a secret looks like where it is shown, this once. */
export function shownOnce (example: string) {
  return Type.String({ description: 'Shown this once.', examples: [example] })
}

/** For lists of what is revoked or is not. */
export const RevocationStatus = Type.Enum(['active', 'revoked'])
export function isRevoked (status: Static<typeof RevocationStatus> | undefined): boolean | undefined {
  return status === undefined ? undefined : status === 'revoked'
}

export const Chain = as(
  Type.String({ minLength: 1, maxLength: 512, description: 'The id of an organization, or `deployment`.' }),
  'deployment'
)
export const Digest = as(
  Type.String({
    maxLength: 64, pattern: '^[A-Za-z0-9_-]*$', description: 'SHA-256, base64url; empty where there is no row.'
  }),
  'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg'
)
