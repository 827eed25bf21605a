/**
 * The management API as the person of a page may use it: the only way of the dashboard to anything. What the API
 * refuses is an `ApiRefusal`, which the page says.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import { callWithin, type InnerCall } from '../http/inner-call.ts'
import { paths } from '../protocol/shared/paths.ts'

/** Members of a query; undefined ones are left out. */
export type Query = Readonly<Record<string, string | number | undefined>>

export interface ReadingApi {
  /** The body of the answer. @throws ApiRefusal. */
  get<T> (path: string, query?: Query): Promise<T>
  /** The address of an operation, for a link. */
  address (path: string): string
  /** A record with its ETag. @throws ApiRefusal. */
  read<T> (path: string): Promise<{ record: T, etag: string }>
}

export interface Api extends ReadingApi {
  /** The body of the answer; undefined where it is empty. @throws ApiRefusal. */
  change<T> (method: Exclude<InnerCall['method'], 'GET'>, path: string, change?: Change): Promise<T>
  /** Asks the token endpoint, as a client that proves itself by a secret does. */
  askToken (client: { id: string, secret: string }, form: Readonly<Record<string, string>>): Promise<TokenAnswer>
}

/** An answer of the token endpoint (RFC 6749 §5). */
export type TokenAnswer =
  | { access_token: string, expires_in: number, scope?: string }
  | { error: string, error_description?: string }

export interface Change {
  /** Sent as JSON. */
  body?: object
  /** Sent as they are, instead of `body`. */
  bytes?: Buffer
  /** The state that is changed; absent: whatever it is now. */
  ifMatch?: string
  /** The same creation is made once, however often the form is sent. */
  idempotencyKey?: string
}

/** An answer as JSON carries it: instants are texts. */
export type Wire<T> = T extends Date
  ? string
  : T extends readonly (infer Item)[] ? readonly Wire<Item>[] : T extends object ? { [K in keyof T]: Wire<T[K]> } : T

/** The signed-in person, as the API tells them. */
export interface Me {
  member: { id: string, name: string, role: string, organization: string }
  organizations: readonly { id: string, name: string }[]
  /** Scopes of the management API. */
  permissions: readonly string[]
  /** Of the permissions, those that concern the member's own records alone. */
  ownOnly: readonly string[]
  /** Whether they act for the whole deployment. */
  deployment: boolean
}

/** Whether the API lets a member use a scope, on a record with this creator; absent: on any of their own. */
export function may (
  { permissions, ownOnly, member }: Me, scope: string, record?: { creator: string | null }
): boolean {
  if (!permissions.includes(scope)) return false
  return record === undefined || !ownOnly.includes(scope) || record.creator === member.id
}

/** An answer of the API other than 2xx: its status, code, sentence and details. */
export class ApiRefusal extends Error {
  readonly status: number
  readonly code: string
  readonly details: Readonly<Record<string, unknown>>
  /** Seconds, as the API says them; null: it does not. */
  readonly retryAfter: string | null

  constructor (
    status: number, { error, code, details }: Partial<Record<'error' | 'code' | 'details', unknown>>,
    retryAfter: string | null = null
  ) {
    super(typeof error === 'string' ? withoutPattern(error) : 'The API did not answer in its own words.')
    this.status = status
    this.retryAfter = retryAfter
    this.code = typeof code === 'string' ? code : 'SERVER_ERROR'
    this.details = typeof details === 'object' && details !== null ? { ...details } : {}
  }
}

/** A sentence of the API for people: what a pattern means is said behind it, and the pattern itself is for programs. */
function withoutPattern (sentence: string): string {
  const pattern = sentence.indexOf(' must match pattern "')
  const meaning = sentence.lastIndexOf('". ')
  return pattern === -1 || meaning < pattern ? sentence : sentence.slice(meaning + 3)
}

/** Seconds for which a page that shows a secret may be loaded again. */
const shownFor = 600

/** The API with the session of a request. `apiPrefix`: the path below which it is served. */
export function apiFor (app: FastifyInstance & { apiPrefix: string }, request: FastifyRequest): Api {
  const read = async <T>(inner: InnerCall): Promise<{ record: T, etag: string }> => {
    const answer = await callWithin(app, request, { ...inner, path: app.apiPrefix + inner.path })
    const body: unknown = answer.payload === '' ? undefined : answer.json()
    const { etag, 'retry-after': retryAfter } = answer.headers
    if (answer.statusCode >= 300) {
      const wait = retryAfter === undefined ? null : String(retryAfter)
      throw new ApiRefusal(answer.statusCode, (body ?? {}) as object, wait)
    }
    return { record: body as T, etag: typeof etag === 'string' ? etag : '*' }
  }
  const call = async <T>(inner: InnerCall): Promise<T> => (await read<T>(inner)).record
  return {
    address: path => app.apiPrefix + path,
    get: async (path, query = {}) => await call({ method: 'GET', path: withQuery(path, query) }),
    read: async path => await read({ method: 'GET', path }),
    change: async (method, path, { body, bytes, ifMatch, idempotencyKey } = {}) => await call({
      method,
      path,
      headers: {
        ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
        ...(idempotencyKey === undefined
          ? {}
          : { 'idempotency-key': idempotencyKey, 'idempotency-answer-lifetime': String(shownFor) }),
      },
      ...(body === undefined ? {} : { body }),
      ...(bytes === undefined ? {} : { bytes }),
    }),
    askToken: async ({ id, secret }, form) => {
      // RFC 6749 §2.3.1: both are form-encoded before they are joined.
      const proof = Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')
      const headers = { authorization: `Basic ${proof}` }
      const answer = await callWithin(app, request, { method: 'POST', path: paths.token, headers, form })
      return answer.json()
    },
  }
}

/** A path with the members of a query that are not undefined. */
export function withQuery (path: string, query: Query): string {
  const members = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) if (value !== undefined) members.set(name, String(value))
  return members.size === 0 ? path : `${path}?${String(members)}`
}
