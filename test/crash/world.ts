/** The server under test from the outside: HTTP, and direct access to its database. */
import { Agent, request } from 'node:http'
import Sqlite from 'better-sqlite3'
import pg from 'pg'
import { patience } from '../support/waiting.ts'

export interface Answered {
  status: number
  text: string
  /** The body; empty when it is no JSON. */
  json: Record<string, any>
}

export interface Asked {
  method?: string
  path: string
  headers?: Record<string, string>
  /** Bytes are sent as they are; `headers` says of which type. */
  body?: object | URLSearchParams | Buffer
}

export interface World {
  /** @throws when the connection fails. */
  send (asked: Asked): Promise<Answered>
  /** With the admin token. */
  admin (method: string, path: string, body?: object, headers?: Record<string, string>): Promise<Answered>
  /** The rows of a SELECT, read from the database itself. */
  rows: Rows
  /** `read` sees one snapshot: the server writes usage and refusals in the background. */
  atOnce<T> (read: (rows: Rows) => Promise<T>): Promise<T>
  close (): Promise<void>
}

export type Rows = (sql: string) => Promise<Record<string, any>[]>

export function worldOf (port: number, adminToken: string, databaseUrl: string): World {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const send: World['send'] = asked => exchange(port, agent, asked)
  const database = databaseUrl.startsWith('file:')
    ? fileReader(databaseUrl.slice('file:'.length))
    : serverReader(databaseUrl)
  return {
    send,
    admin: (method, path, body, headers = {}) =>
      send({
        method,
        path: `/api/v1${path}`,
        headers: { authorization: `Bearer ${adminToken}`, ...headers },
        ...(body === undefined ? {} : { body })
      }),
    rows: async sql => await database.atOnce(rows => rows(sql)),
    ...database,
  }
}

/** Each request comes from another address, so that the limit to failures per address does not disturb the checks. */
let callers = 0

function exchange (port: number, agent: Agent, { method = 'GET', path, headers = {}, body }: Asked): Promise<Answered> {
  const payload = body === undefined ? null : payloadOf(body)
  const type = body instanceof URLSearchParams ? 'application/x-www-form-urlencoded' : 'application/json'
  const about = payload === null
    ? (method === 'GET' ? {} : { 'content-length': '0' })
    : { 'content-type': type, 'content-length': String(Buffer.byteLength(payload)) }
  const localAddress = `127.0.1.${callers++ % 64 + 1}`
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: '127.0.0.1', port, method, path, agent, localAddress, timeout: patience, headers: { ...about, ...headers }
    }, incoming => {
      const chunks: Buffer[] = []
      incoming.on('data', chunk => chunks.push(chunk))
      incoming.on('error', reject)
      incoming.on('aborted', () => { reject(new Error('the answer was cut off')) })
      incoming.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: incoming.statusCode!, text, json: asJson(text) })
      })
    })
    outgoing.on('timeout', () => {
      outgoing.destroy(new Error(`no answer to ${method} ${path} within ${patience / 1_000} seconds`))
    })
    outgoing.on('error', reject)
    outgoing.end(payload ?? undefined)
  })
}

function payloadOf (body: object | URLSearchParams | Buffer): string | Buffer {
  if (Buffer.isBuffer(body)) return body
  return body instanceof URLSearchParams ? body.toString() : JSON.stringify(body)
}

function asJson (text: string): Record<string, any> {
  try {
    return JSON.parse(text) as Record<string, any>
  } catch {
    return {}
  }
}

function fileReader (path: string): Pick<World, 'atOnce' | 'close'> {
  return {
    async atOnce (read) {
      const database = new Sqlite(path, { readonly: true, timeout: patience })
      try {
        database.exec('BEGIN')
        return await read(async sql => database.prepare(sql).all() as Record<string, any>[])
      } finally {
        database.close()
      }
    },
    close: async () => {},
  }
}

function serverReader (url: string): Pick<World, 'atOnce' | 'close'> {
  const pool = new pg.Pool({ connectionString: url, max: 2 })
  // The database is killed on purpose; the pool reconnects.
  pool.on('error', () => {})
  return {
    async atOnce (read) {
      const client = await pool.connect()
      try {
        await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
        return await read(async sql => (await client.query<Record<string, any>>(sql)).rows)
      } finally {
        await client.query('ROLLBACK')
        client.release()
      }
    },
    close: () => pool.end(),
  }
}
