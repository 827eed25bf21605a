/**
 * A real Latchkey on a real socket, with a small protected API behind its guard, and helpers to call both over HTTP.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { openLatchkey, type Latchkey, type RoutesOptions } from '../../src/app.ts'
import { loadConfig } from '../../src/config/config.ts'
import type { Network } from '../../src/fetch/network.ts'
import { hostResourceId } from '../../src/domain/resources/resource.ts'
import { updateResource } from '../../src/domain/declaration/resource-change.ts'
import type { Scope } from '../../src/domain/resources/scope.ts'
import { newSecret } from '../../src/secrets/random.ts'
import { buildServer } from '../../src/server/http-server.ts'
import type { Limits } from '../../src/storage/engine/timeouts.ts'
import { copyTemplate, databases } from './databases.ts'
import { freePort } from './running-server.ts'
import { patientLimits } from './waiting.ts'

export type Json = Record<string, any>

/** A clock that tests move. It follows the system clock until it is stopped. */
export class MovableClock {
  #offset = 0
  #stopped: number | null = null

  readonly now = (): Date => new Date((this.#stopped ?? Date.now()) + this.#offset)

  advance (seconds: number): void {
    this.#offset += seconds * 1000
  }

  /**
   * Stops the clock: from now on only `advance` moves it. Begins at the next whole second, so that no earlier record
   * lies in its future.
   */
  stop (): void {
    this.#stopped = Math.ceil(this.now().getTime() / 1000) * 1000
    this.#offset = 0
  }

  /** Stops the clock in the middle of next month, whenever the test runs: no day ends soon, and no month. */
  stopInMidMonth (): void {
    this.stop()
    const now = this.now()
    this.advance((Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 15, 10) - now.getTime()) / 1000)
  }
}

export interface ServerOptions {
  /** The URL of an empty database; a new SQLite file unless given. */
  database?: string
  registration?: 'closed' | 'token' | 'open'
  trustProxy?: string
  clock?: MovableClock
  /** A free one unless given. */
  port?: number
  /** The issuer, also made of the port; its own address unless given. */
  issuer?: string | ((port: number) => string)
  /** Further variables of the environment. */
  environment?: Record<string, string>
  /** Timeouts of the storage; the patience of a test unless given. */
  limits?: Partial<Limits>
  /** The way to the hosts of metadata documents; the internet unless given. */
  network?: Network
  /** Leaves out the small protected API; `mount` replaces it. */
  bare?: boolean
  /** Where the server's own routes are. */
  routes?: RoutesOptions
  /** Registers more routes before the server listens. */
  mount?: (app: FastifyInstance, latchkey: Latchkey) => Promise<void>
}

export interface Outgoing {
  method?: string
  /** Sent unchanged; no URL parser has touched the path. */
  path: string
  /** A list of names and values, to send one name several times. */
  headers?: Record<string, string> | string[]
  body?: string | Buffer | URLSearchParams | Json
  /** The caller's address: any of 127.0.0.0/8. */
  from?: string
}

export interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
  /** The body as JSON; empty when it is none. */
  json: Json
}

export interface OrganizationAnswer { id: string, name: string }
export interface ClientAnswer extends Json { clientId: string, clientSecret: string }
export interface KeyAnswer extends Json { id: string, key: string }

export const apiScopes: readonly Scope[] = [
  { name: 'company:read', keyOnly: false, description: 'Read the company' },
  { name: 'invoices:read', keyOnly: false, description: null },
  { name: 'invoices:write', keyOnly: false, description: null },
  { name: 'portal-provision', keyOnly: true, description: null },
  { name: 'portal-sso-mint', keyOnly: true, description: null },
]

/** A protected API in the manner of LedgerBee. */
async function ledgerbeeRoutes (app: FastifyInstance): Promise<void> {
  const seen = ({ principal: { kind, id, organizationId, environment } }: { principal: any }) => ({
    kind, id, organizationId, environment
  })
  app.get(
    '/company', { config: { scopes: ['company:read'] } }, async request => ({ company: 'Acme', seen: seen(request) })
  )
  app.get(
    '/invoices', { config: { scopes: ['invoices:read'] } }, async request => ({ invoices: [], seen: seen(request) })
  )
  app.post(
    '/invoices', { config: { scopes: ['invoices:write'] } },
    async (request, reply) => await reply.code(201).send({ created: true, seen: seen(request) })
  )
  app.post(
    '/partners/customers', { config: { scopes: ['portal-provision'] } },
    async (request, reply) => await reply.code(201).send({ provisioned: true, seen: seen(request) })
  )
  app.get(
    '/echo',
    { config: { scopes: [] } },
    async request => ({
      headers: request.headers, ip: request.ip, protocol: request.protocol, host: request.host, seen: seen(request)
    })
  )
}

export type TestServer = Awaited<ReturnType<typeof startServer>>

/** Starts one. `close` ends everything it started. */
export async function startServer (options: ServerOptions = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-server-'))
  const port = options.port ?? await freePort()
  const clock = options.clock ?? new MovableClock()
  const adminToken = options.environment?.LATCHKEY_ADMIN_TOKEN ?? `lkadm_${newSecret()}`
  const secret = options.environment?.LATCHKEY_SECRET ?? newSecret()
  const { issuer: given = `http://127.0.0.1:${port}` } = options
  const issuer = typeof given === 'string' ? given : given(port)
  const environment = {
    PORT: String(port),
    LATCHKEY_DATA: folder,
    LATCHKEY_ISSUER: issuer,
    LATCHKEY_ADMIN_TOKEN: adminToken,
    LATCHKEY_SECRET: secret,
    LATCHKEY_LOG_LEVEL: 'trace',
    LATCHKEY_REGISTRATION: options.registration ?? 'token',
    LATCHKEY_TRUST_PROXY: options.trustProxy ?? '',
    ...(options.database === undefined ? {} : { DATABASE_URL: options.database }),
    ...options.environment,
  }
  const config = loadConfig(environment, folder)
  if (config.databaseUrl.startsWith(`file:${folder}`)) await copyTemplate(config.databaseUrl.slice('file:'.length))
  const latchkey = await openLatchkey(config, clock.now, options.limits ?? patientLimits, options.network)
  const lines: string[] = []
  const app = await buildServer(latchkey, { log: { write: line => { lines.push(line) } }, ...options.routes })
  if (options.bare !== true) {
    await updateResource(latchkey.operation, hostResourceId, { scopes: apiScopes })
    await app.register(async api => {
      await api.register(latchkey.guard, { resource: issuer })
      await ledgerbeeRoutes(api)
    }, { prefix: '/api/v1' })
  }
  await options.mount?.(app, latchkey)
  await app.listen({ port, host: '127.0.0.1' })

  const url = `http://127.0.0.1:${port}`
  const agent = new Agent({ keepAlive: true })

  const send = ({ method = 'GET', path, headers = {}, body, from }: Outgoing): Promise<Answer> => {
    const flat = Array.isArray(headers) ? [...headers] : Object.entries(headers).flat()
    const has = (name: string) => flat.some((each, i) => i % 2 === 0 && each.toLowerCase() === name)
    let payload: Buffer | undefined
    if (body instanceof URLSearchParams) {
      if (!has('content-type')) flat.push('content-type', 'application/x-www-form-urlencoded')
      payload = Buffer.from(body.toString())
    } else if (typeof body === 'string' || Buffer.isBuffer(body)) {
      payload = Buffer.from(body)
    } else if (body !== undefined) {
      if (!has('content-type')) flat.push('content-type', 'application/json')
      payload = Buffer.from(JSON.stringify(body))
    }
    // Without this Node would send the body in chunks.
    if (payload === undefined && method !== 'GET' && method !== 'HEAD' && !has('transfer-encoding')) {
      flat.push('content-length', '0')
    }
    if (!has('host')) flat.push('host', `127.0.0.1:${port}`)
    if (payload !== undefined && !has('content-length') && !has('transfer-encoding')) {
      flat.push('content-length', String(payload.length))
    }
    return new Promise((resolve, reject) => {
      const outgoing = httpRequest({
        host: '127.0.0.1', port, method, path, headers: flat as never, agent, ...(from ? { localAddress: from } : {})
      }, incoming => {
        const chunks: Buffer[] = []
        incoming.on('data', chunk => chunks.push(chunk))
        incoming.on('error', reject)
        incoming.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          resolve({ status: incoming.statusCode!, headers: incoming.headers, text, json: asJson(text) })
        })
      })
      outgoing.on('error', reject)
      outgoing.end(payload)
    })
  }

  /** Sends bytes unchanged on a connection of their own; resolves to everything that came back. */
  const raw = (bytes: string | Buffer): Promise<string> => new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    const chunks: Buffer[] = []
    socket.on('data', chunk => chunks.push(chunk))
    socket.on('error', reject)
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()))
    socket.end(bytes)
  })

  const admin = (method: string, path: string, body?: Json): Promise<Answer> =>
    send({
      method,
      path: `/api/v1${path}`,
      headers: { authorization: `Bearer ${adminToken}` },
      ...(body === undefined ? {} : { body })
    })

  const made = async (path: string, body: Json): Promise<Json> => {
    const answer = await admin('POST', path, body)
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${answer.text}`)
    return answer.json
  }

  const createOrganization = async (name = 'Acme') => await made('/organizations', { name }) as OrganizationAnswer

  /** A client of the host resource with `invoices:read`, unless `input` says otherwise. */
  const createClient = async (input: Json = {}) => await made('/clients', {
    organization: input.organization ?? (await createOrganization()).id,
    name: 'billing',
    grants: [{ resource: issuer, scopes: input.scopes ?? ['invoices:read'] }],
    ...without(input, 'scopes'),
  }) as ClientAnswer

  /** A live key of the host resource with `invoices:read`, unless `input` says otherwise. */
  const createKey = async (input: Json = {}) =>
    await made('/api-keys', {
      organization: input.organization ?? (await createOrganization()).id,
      resource: issuer,
      environment: 'live',
      name: 'ci',
      scopes: ['invoices:read'],
      ...input
    }) as KeyAnswer

  const createRegistrationToken = async (input: Json = {}) =>
    await made('/registration-tokens', {
      organization: input.organization ?? (await createOrganization()).id,
      name: 'agents',
      resource: issuer,
      scopes: ['invoices:read'],
      ...input
    }) as Json & { id: string, token: string }

  const tokenRequest = (
    client: { clientId: string, clientSecret: string }, parameters: Record<string, string> = {},
    more: Partial<Outgoing> = {}
  ) =>
    send({
      method: 'POST',
      path: '/api/v1/auth/token',
      body: new URLSearchParams({
        grant_type: 'client_credentials', client_id: client.clientId, client_secret: client.clientSecret, ...parameters
      }),
      ...more
    })

  const tokenFor = async (
    client: { clientId: string, clientSecret: string }, parameters: Record<string, string> = {},
    more: Partial<Outgoing> = {}
  ): Promise<string> => {
    const answer = await tokenRequest(client, parameters, more)
    if (answer.status !== 200) throw new Error(`no token: ${answer.status} ${answer.text}`)
    return answer.json.access_token
  }

  const bearer = (token: string, path = '/api/v1/invoices', more: Partial<Outgoing> = {}) =>
    send({ path, headers: { authorization: `Bearer ${token}` }, ...more })
  const withKey = (key: string, path = '/api/v1/invoices', more: Partial<Outgoing> = {}) =>
    send({ path, headers: { 'x-api-key': key }, ...more })

  let closing: Promise<void> | undefined
  const end = async () => {
    agent.destroy()
    await app.close()
    await rm(folder, { recursive: true, force: true })
  }
  const close = (): Promise<void> => {
    closing ??= end()
    return closing
  }

  const state = { url, issuer, port, folder, environment, config, clock, adminToken, secret, latchkey, app, lines }
  const exchanges = { send, raw, admin, tokenRequest, tokenFor, bearer, withKey }
  return { ...state, ...exchanges, createOrganization, createClient, createKey, createRegistrationToken, close }
}

/** One server on each database, all started before the first test begins; `close` ends servers and databases. */
export async function startOnEachDatabase (options: Omit<ServerOptions, 'database'> = {}, each = databases) {
  const started = await Promise.all(each.map(async ({ name, fresh }) => {
    const database = await fresh()
    return { name, database, server: await startServer({ ...options, database: database.url }) }
  }))
  const close = async () => {
    for (const { server, database } of started) {
      await server.close()
      await database.drop()
    }
  }
  return { servers: started.map(({ name, server }) => ({ name, server })), close }
}

/** RFC 6749 §2.3.1 without form encoding, as real SDKs send it. */
export function basic (id: string, secret: string): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}

export function decodeJwt (token: string): { header: Json, payload: Json } {
  const [header, payload] = token.split('.').map(part => asJson(Buffer.from(part, 'base64url').toString()))
  return { header: header!, payload: payload! }
}

function asJson (text: string): Json {
  try {
    return JSON.parse(text) as Json
  } catch {
    return {}
  }
}

function without (input: Json, ...names: string[]): Json {
  return Object.fromEntries(Object.entries(input).filter(([name]) => !names.includes(name)))
}
