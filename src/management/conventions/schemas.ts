/** Schemas that several routes share. A body with an unknown member is refused, not trimmed. */
import type { Static, TSchema } from 'typebox'
import { Type } from '../../http/typebox-lite.ts'
import type { ObjectRestriction } from '../../domain/credentials/api-key.ts'
import { mostAnnotations } from '../../domain/core/annotations.ts'
import type { ListOrder } from '../../domain/core/list.ts'
import { defaultLimit, greatestLimit } from './pages.ts'

/** An object with these members only. `title`: its name in the document, if several routes take it. */
export function exactly<T extends Record<string, TSchema>> (members: T, title?: string) {
  return Type.Object(members, { additionalProperties: false, ...(title === undefined ? {} : { title }) })
}

/** A schema with its example for the document. */
export function as<T extends TSchema> (schema: T, example: Static<T>): T {
  return Type.With(schema, { examples: [example] }) as unknown as T
}

/** A value or null. */
export function nullable<T extends TSchema> (schema: T) {
  return Type.Union([schema, Type.Null()])
}

/** A list in an answer: read-only. */
export function list<T extends TSchema> (schema: T) {
  return Type.Unsafe<readonly Static<T>[]>(Type.Array(schema))
}

export const Pagination = Type.Object({
  limit: Type.Integer(),
  hasMore: Type.Boolean(),
  nextCursor: Type.Optional(Type.String({ description: 'Absent on the last page.' })),
  total: Type.Optional(Type.Integer({ description: 'Rows on all pages; present where `total=true` asks for it.' })),
  totalIsAtLeast: Type.Optional(Type.Literal(true, {
    description: 'Present where there may be more than `total`: no more are counted.'
  })),
})

/** Whether the answer says how many rows there are on all pages. */
export const Total = Type.Optional(Type.Boolean({ default: false, description: 'Whether to count the rows.' }))

/** The description of a list whose rows belong to organizations. */
export const ownPage = 'A page, newest first: rows of the caller\'s organization, or all rows for a deployment-wide ' +
  'credential.'

/** A page of a collection, as pages.ts builds it (OC-16). */
export function pageOf<T extends TSchema> (schema: T) {
  return Type.Object({ data: Type.Array(schema), pagination: Pagination })
}

/**
 * A display name: 1 to 200 characters, at least one visible, no control characters and no direction marks. The pattern
 * uses what every dialect of regular expressions has: no lookahead, no `\p{…}`.
 */
export const Name = as(
  Type.String({
    minLength: 1,
    maxLength: 200,
    description:
      'A display name: no control characters, no direction marks, at least one visible character.',
    pattern:
      '^[ \\u00a0\\u1680\\u2000-\\u200a\\u202f\\u205f\\u3000\\ufeff]*' +
        '[^\\u0000-\\u0020\\u007f-\\u00a0\\u061c\\u1680\\u2000-\\u200a' +
        '\\u200e\\u200f\\u2028-\\u202f\\u205f\\u2066-\\u2069\\u3000\\ufeff]' +
        '[^\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$'
  }),
  'billing'
)

/** The visible part of a secret: like a name, but short. */
export const Hint = as(Type.String({ ...Name, maxLength: 40, description: 'The visible part of the key.' }), '…4f2a')

/** Without control characters, line separators and direction marks. */
const plainText = {
  pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]*$'
}

/** A description of up to 1000 characters; null: none. */
export const Description = Type.Union([Type.String({
  maxLength: 1_000, ...plainText,
}), Type.Null()])
export const Id = Type.String({ minLength: 1, maxLength: 512 })
export const OrganizationId = as(Id, 'org_47oJu8Rmoptz2RZvzs30qU')

/** The organization of a new record; owning-organization.ts fills it in if the caller may omit it. */
export const Owner = Type.With(OrganizationId, {
  description: 'The organization that it belongs to. A credential of an organization may omit it: the default is its ' +
    'own.'
})
/** As `Owner`, for a record that may be the deployment's. */
export const OwnerOrDeployment = Type.Union([OrganizationId, Type.Null()], {
  description: 'The organization that it belongs to. A credential of an organization may omit it: the default is its ' +
    'own. Null: the deployment, which requires a deployment-wide credential.'
})
export const ResourceName = as(
  Type.String({ minLength: 1, maxLength: 512, description: 'The identifier of a resource, or its id.' }),
  'https://api.acme.test'
)
export const ScopeNames = as(Type.Array(Type.String({ maxLength: 128 }), { maxItems: 200 }), ['invoices:read'])
export const Allowlist = as(
  Type.Array(Type.String({ maxLength: 64 }), {
    maxItems: 200, description: 'IP addresses and CIDR ranges; empty: any address.'
  }),
  ['203.0.113.0/24']
)
export const Instant = as(
  Type.String({ maxLength: 35, format: 'date-time', description: 'An instant by RFC 3339: 2027-01-31T00:00:00Z.' }),
  '2027-01-31T00:00:00Z'
)

/** Optional as a whole: Fastify passes a missing body to the schema as null. */
export const Reason = Type.Union([
  exactly({ reason: Type.Optional(as(Name, 'left a laptop on the train')) }, 'Reason'), Type.Null()
])

/** Features of a plan that routes may require, such as `embedding`. */
export const Features = as(
  Type.Array(Type.String({ pattern: '^[a-z][a-z0-9-]{0,63}$' }), { maxItems: 50, uniqueItems: true }), ['embedding']
)

/** From 1 to the maximum of a column; null: no limit. */
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
    description: 'For each object type, the ids that the key is restricted to. Other types are not restricted.'
  }
)

/** At most 30 days: an overlap is for switching over, not for keeping two secrets. */
export const Rotation = exactly({
  overlapSeconds: as(
    Type.Integer({
      minimum: 0, maximum: 2_592_000, description: 'Seconds that the old secret stays valid; 0: it ends at once.'
    }),
    86_400
  )
}, 'Rotation')
export const IdParams = exactly({ id: Id })

/** A boolean in a query. */
export const Flag = Type.Optional(Type.Boolean())

/** A cursor as cursors.ts issues it: position, point, mark. */
export function cursor (maxLength: number, description: string) {
  return Type.Optional(Type.String({ maxLength, pattern: '^[A-Za-z0-9_-]+\\.[A-Za-z0-9_-]{22}$', description }))
}

export const PageQuerystring = {
  limit: Type.Optional(
    Type.Integer({ minimum: 1, maximum: greatestLimit, default: defaultLimit, description: 'Rows per page.' })
  ),
  cursor: cursor(512, '`nextCursor` of the previous page.')
}

/** Ids in one member of a query, at most. */
export const greatestIds = 100

/** Ids in one member of a query. `of`: what they are of. */
export function idsOf (of: string, example: string) {
  return as(
    Type.String({
      // An id has at most 26 characters.
      maxLength: greatestIds * 27,
      // At most `greatestIds` of them.
      pattern: '^[A-Za-z0-9_]+(,[A-Za-z0-9_]+){0,99}$',
      description: `Ids of ${of}, with commas between them.`
    }),
    example
  )
}

/** The query of a list for people. `records`: what it lists; `found`: what is searched; `sorts`: orders. */
export function listQuerystring<Sort extends ListOrder> (
  { records, found, sorts }: { records: string, found: string, sorts: readonly Sort[] }
) {
  return {
    ...PageQuerystring,
    search: Type.Optional(as(
      Type.String({ minLength: 1, maxLength: 100, description: `A part of ${found}, in any case.` }), 'nightly'
    )),
    ids: Type.Optional(idsOf(records, 'x_2bNfD7hXk9mQpRsTuVwYzA,x_47oJu8Rmoptz2RZvzs30qU')),
    sort: Type.Optional(Type.Enum([...sorts], { default: 'newest' })),
    total: Total,
  }
}

/** An instant in an answer. */
export const Moment = Type.Unsafe<Date>(Type.String({ format: 'date-time', examples: ['2026-11-22T19:48:29.000Z'] }))
export const Texts = list(Type.String())
export const GivenScopes = as(Texts, ['invoices:read'])
export const GivenObjects = Type.Unsafe<ObjectRestriction>(Type.Record(Type.String(), Type.Array(Type.String())))

/** A secret in the only answer that contains it. */
export function shownOnce (example: string) {
  return Type.String({ description: 'Only this answer contains it.', examples: [example] })
}

/** What operators note on a credential; never authority. Null: removed. */
export const Metadata = as(Type.Record(
  Type.String({
    pattern: '^[^\\u0000-\\u001f\\u007f-\\u009f\\u061c' +
      '\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069]{1,64}$'
  }),
  Type.String({ maxLength: 256, ...plainText }),
  { additionalProperties: false, maxProperties: mostAnnotations }
), { team: 'payments' })
export const ExternalId = as(Type.String({ minLength: 1, maxLength: 128, ...plainText }), 'customer-4711')
const noted = 'For the own use of operators: never authority, and never in a refusal.'
export const annotations = {
  metadata: Type.Optional(Type.Union([Metadata, Type.Null()], {
    description: `Up to ${mostAnnotations} texts by name, 4096 characters together. Null removes them. ${noted}`
  })),
  externalId: Type.Optional(Type.Union([ExternalId, Type.Null()], {
    description: `Its id in a system of yours; several may have the same. Null removes it. ${noted}`
  })),
}
export const givenAnnotations = {
  metadata: Type.Unsafe<Readonly<Record<string, string>>>(Type.Record(Type.String(), Type.String())),
  externalId: nullable(as(Type.String(), 'customer-4711')),
}

/** For lists of records that can be revoked. */
export const RevocationStatus = Type.Enum(['active', 'revoked'])
export function isRevoked (status: Static<typeof RevocationStatus> | undefined): boolean | undefined {
  return status === undefined ? undefined : status === 'revoked'
}

/** The name of an audit chain. */
export const Chain = as(
  Type.String({ minLength: 1, maxLength: 512, description: 'The id of an organization, or `deployment`.' }),
  'deployment'
)
/** A hash in an audit chain. */
export const Digest = as(
  Type.String({
    maxLength: 64, pattern: '^[A-Za-z0-9_-]*$', description: 'SHA-256, base64url; empty where there is no row.'
  }),
  'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg'
)
