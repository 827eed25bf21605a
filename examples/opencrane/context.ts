/** What every collection of the control plane works with, and the schemas that they share. */
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox'
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest, RawServerDefault } from 'fastify'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Type, type TSchema } from 'typebox'
import { latchkeyFor, Refusal, type Latchkey, type Page, type PageQuery } from './control-plane.ts'
import type { Declarations } from './declarations.ts'

/** The context in which the routes are registered. */
export type Context = FastifyInstance<
  RawServerDefault, IncomingMessage, ServerResponse, FastifyBaseLogger, TypeBoxTypeProvider
>

export interface Plane {
  declared: Declarations
  /** The resource of the AI gateway, for which the virtual keys of tenants are. */
  gateway: string
  /** Latchkey as the caller of a request may use it. */
  latchkey (request: FastifyRequest): Latchkey
}

export function planeOf (app: FastifyInstance, known: Omit<Plane, 'latchkey'>): Plane {
  return { ...known, latchkey: request => latchkeyFor(app, request) }
}

/** The collections of the control plane: each adds its routes. */
export type Collection = (app: Context, plane: Plane) => void

export const Text = Type.String({ minLength: 1, maxLength: 200 })
export const Texts = Type.Array(Text, { maxItems: 200 })
export const NameParams = Type.Object({ name: Text })
export const IdParams = Type.Object({ id: Text })
export const Done = Type.Object({ name: Type.String(), status: Type.String() })
export const Ended = Type.Object({ id: Type.String(), status: Type.String() })
export const pageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100 })),
  cursor: Type.Optional(Type.String({ maxLength: 1000 })),
}
export const PageQuerystring = Type.Object(pageQuery, { additionalProperties: false })
export const DryRun = Type.Object(
  { dryRun: Type.Optional(Type.Boolean({ default: true })) }, { additionalProperties: false }
)

/** An object with these members and no other. */
export function exactly<const Members extends Record<string, TSchema>> (members: Members) {
  return Type.Object(members, { additionalProperties: false })
}

export function pageOf<const Item extends TSchema> (item: Item) {
  return Type.Object({
    data: Type.Array(item),
    pagination: Type.Object({
      limit: Type.Integer(), hasMore: Type.Boolean(), nextCursor: Type.Optional(Type.String())
    })
  })
}

/** A page with each item as this API shows it. */
export function shown<Item, Wire> ({ data, pagination }: Page<Item>, wire: (item: Item) => Wire): Page<Wire> {
  return { data: data.map(wire), pagination }
}

/** A page of declared things, in the order of their names. */
export function pageByName<Item extends { name: string }> (
  items: Iterable<Item>, { limit = 100, cursor }: PageQuery
): Page<Item> {
  const after = cursor === undefined ? '' : Buffer.from(cursor, 'base64url').toString()
  const rest = [...items].filter(({ name }) => name > after).toSorted((a, b) => a.name < b.name ? -1 : 1)
  const data = rest.slice(0, limit)
  if (rest.length <= limit) return { data, pagination: { limit, hasMore: false } }
  const nextCursor = Buffer.from(data.at(-1)!.name).toString('base64url')
  return { data, pagination: { limit, hasMore: true, nextCursor } }
}

/**
 * Refuses every caller but those of the whole deployment, in Latchkey's words. `scope`: of the management API, for what
 * is only declared here, so that no call to Latchkey asks for it.
 */
export async function requireOperator (latchkey: Latchkey, scope?: string): Promise<void> {
  await latchkey.get('/effective-access/drift')
  if (scope === undefined) return
  const { kind, scopes } = await latchkey.get<{ kind: string, scopes: string[] }>('/principal')
  if (kind === 'admin_token' || scopes.includes(scope)) return
  throw new Refusal(403, 'INSUFFICIENT_PERMISSIONS', `This takes a credential with the scope ${scope}.`)
}
