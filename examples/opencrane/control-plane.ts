/**
 * The way of the control plane to Latchkey: its management API, in process, with the credential of the caller. What
 * the caller may not do there, the control plane does not do for it.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { callWithin, type InnerCall } from '../../src/index.ts'

/** Where the management API is mounted; /api/v1 is OpenCrane's. */
export const managementPrefix = '/latchkey/v1'

/** The greatest page of the management API. */
const greatestPage = 200

/** A refusal of the API, in the words that its caller gets. */
export class Refusal extends Error {
  readonly status: number
  readonly code: string
  /** Seconds, as the API says them. */
  readonly retryAfter: string | undefined

  constructor (status: number, code: string, message: string, retryAfter?: string) {
    super(message)
    this.status = status
    this.code = code
    this.retryAfter = retryAfter
  }
}

/** Members of a query; undefined ones are left out. */
type Query = Readonly<Record<string, string | number | boolean | undefined>>

/** A page of a collection (OC-16). */
export interface Page<Item> {
  data: Item[]
  pagination: { limit: number, hasMore: boolean, nextCursor?: string }
}

export interface Latchkey {
  get<T = any> (path: string, query?: Query): Promise<T>
  /** Null: there is none, or none that the caller may see. */
  find<T = any> (path: string, query?: Query): Promise<T | null>
  /** `headers`: beside the credential, such as the type of a body that is no JSON. */
  send<T = any> (
    method: InnerCall['method'], path: string, body?: object, headers?: Readonly<Record<string, string>>
  ): Promise<T>
  /** The first items, over as many pages as that takes; `kept` leaves some out. */
  page<T = any> (path: string, asked: PageQuery, query?: Query, kept?: (item: T) => boolean): Promise<Page<T>>
  /** All items. */
  all<T = any> (path: string, query?: Query): Promise<T[]>
}

export interface PageQuery { limit?: number, cursor?: string }

/** Latchkey as the caller of `request` may use it. */
export function latchkeyFor (app: FastifyInstance, request: FastifyRequest): Latchkey {
  const { authorization } = request.headers
  const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
  const call = async (inner: InnerCall): Promise<any> => {
    const { statusCode, payload, headers: { 'retry-after': wait } } = await callWithin(app, request, {
      ...inner, path: managementPrefix + inner.path, headers: { ...headers, ...inner.headers }
    })
    const body = payload === '' ? undefined : JSON.parse(payload)
    if (statusCode < 300) return body
    throw new Refusal(statusCode, body?.code ?? 'INTERNAL_ERROR', body?.error ?? 'No answer.', wait?.toString())
  }
  const get: Latchkey['get'] = async (path, query = {}) => await call({ method: 'GET', path: withQuery(path, query) })
  const page: Latchkey['page'] = async (path, { limit = 100, cursor }, query = {}, kept = () => true) => {
    const data = []
    for (let next = cursor; ;) {
      const most = Math.min(limit - data.length, greatestPage)
      const { data: items, pagination } = await get(path, { ...query, limit: most, cursor: next })
      data.push(...items.filter(kept))
      next = pagination.nextCursor
      if (next === undefined) return { data, pagination: { limit, hasMore: false } }
      if (data.length >= limit) return { data, pagination: { limit, hasMore: true, nextCursor: next } }
    }
  }
  return {
    get,
    page,
    find: async (path, query) => await get(path, query).catch(nullIfMissing),
    send: async (method, path, body, headers = {}) => await call({
      method, path, headers, ...(body === undefined ? {} : { body })
    }),
    all: async (path, query) => (await page(path, { limit: Infinity }, query)).data,
  }
}

function nullIfMissing (error: unknown): null {
  if (error instanceof Refusal && error.status === 404) return null
  throw error
}

function withQuery (path: string, query: Query): string {
  const members = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) members.set(name, String(value))
  return members.size === 0 ? path : `${path}?${String(members)}`
}
