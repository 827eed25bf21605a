/** The management API as commands use it. */
import { Readable } from 'node:stream'
import { isAnswering } from '../config/server-file.ts'
import { whyUnreachable } from '../base/reachability.ts'
import { resemblesApiKey } from '../secrets/secrets.ts'
import { readWarnings } from '../base/process-warning.ts'
import { CommandError, RefusedError, UsageError } from './failure.ts'
import { printable } from './print.ts'
import type { Connection } from './connection.ts'

/** What the server answered: the bytes for `--json`, the value for people, and what it said beside them. */
export interface Answer<T> { body: Buffer, value: T, warnings: readonly string[] }

type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
type Query = Record<string, string | undefined>

export interface Api {
  get<T> (path: string, query?: Query): Promise<Answer<T>>
  /** `patience`, in milliseconds: for what takes longer than most. */
  post<T> (path: string, body?: object, patience?: number): Promise<Answer<T>>
  patch<T> (path: string, body: object): Promise<Answer<T>>
  put<T> (path: string): Promise<Answer<T>>
  /** Ends a thing. There is no answer about it, only about what was not done: the value is null then. */
  delete<T> (path: string, query?: Query): Promise<Answer<T>>
  /** What may be too long for memory, as it comes. It fails when it ends too early. */
  download (path: string, query?: Query): Promise<Readable>
}

const timeoutMs = 30_000

/** Calls the management API behind `connection`. Every method throws CommandError when the answer is not a success. */
export function managementApi (connection: Connection): Api {
  return {
    get: (path, query) => call(connection, 'GET', path + queryString(query)),
    post: (path, body, patience) => call(connection, 'POST', path, body ?? {}, patience),
    patch: (path, body) => call(connection, 'PATCH', path, body),
    put: path => call(connection, 'PUT', path),
    delete: (path, query) => call(connection, 'DELETE', path + queryString(query)),
    download: (path, query) => download(connection, path + queryString(query)),
  }
}

/** A piece of a path that came from the command line. */
export function segment (text: string): string {
  // What a URL would read as "here" or "one up" names nothing and must not lead to another route.
  if (text === '' || text === '.' || text === '..') throw new UsageError(`${JSON.stringify(text)} is not an id.`)
  return encodeURIComponent(text)
}

function queryString (query: Query = {}): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return given.length === 0 ? '' : `?${new URLSearchParams(given)}`
}

/**
 * Nothing is sent to an address that a server left in its data folder before what answers there has shown that it is
 * that server: once it has ended, another program may listen in its place.
 */
async function requireOwnServer ({ url, local }: Connection): Promise<void> {
  if (local === null) return
  const isOwn = await isAnswering(local).catch(error => { throw new CommandError(unreachable(url, error as Error)) })
  if (!isOwn) {
    throw new CommandError(
      `What answers at ${url} is not the server that wrote server.json into the data folder: that one has ended, and ` +
      'its ' +
      'token is sent to no other. Start it again, or name another with --url and --token.'
    )
  }
}

async function call<T> (
  connection: Connection, method: Method, path: string, body?: object, wait = timeoutMs
): Promise<Answer<T>> {
  await requireOwnServer(connection)
  const { url, token } = connection
  const response = await fetchFrom(url, `${url}/api/v1${path}`, {
    method,
    headers: {
      ...credentialHeaders(token), accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' })
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    // A redirect is not followed: the token was meant for this server.
    redirect: 'manual',
    signal: AbortSignal.timeout(wait),
  })
  return await readAnswer(url, response)
}

/** An API key of the management API is a credential like the others, but never a bearer one. */
function credentialHeaders (token: string): Record<string, string> {
  return resemblesApiKey(token) ? { 'x-api-key': token } : { authorization: `Bearer ${token}` }
}

async function download (connection: Connection, path: string): Promise<Readable> {
  await requireOwnServer(connection)
  const { url, token } = connection
  const began = new AbortController()
  const timer = setTimeout(() => {
    began.abort(new DOMException('', 'TimeoutError'))
  }, timeoutMs)
  const response = await fetchFrom(url, `${url}/api/v1${path}`, {
    headers: credentialHeaders(token), redirect: 'manual', signal: began.signal
  })
  clearTimeout(timer)
  if (!response.ok || response.body === null) await readAnswer(url, response)
  if (response.headers.get('content-type')?.startsWith('application/x-ndjson') !== true) {
    throw notOurs(url, response, 'NDJSON')
  }
  return Readable.fromWeb(response.body as never)
}

async function readAnswer<T> (url: string, response: Response): Promise<Answer<T>> {
  const bytes = Buffer.from(await response.arrayBuffer())
  const warnings = readWarnings(response.headers.get('warning') ?? '')
  if (response.status === 204) return { body: bytes, value: null as T, warnings }
  const value = parse(bytes)
  if (value === undefined) throw notOurs(url, response, 'JSON')
  if (!response.ok) throw new RefusedError(refusalText(response.status, value, url), bytes)
  return { body: bytes, value: value as T, warnings }
}

function notOurs (url: string, { status }: Response, missing: string): CommandError {
  return new CommandError(
    `${url} answered ${status} without ${missing}. Is it a Latchkey server? Name the right one with --url.`
  )
}

async function fetchFrom (server: string, url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init)
  } catch (error) {
    throw new CommandError(unreachable(server, error as Error))
  }
}

function unreachable (server: string, error: Error): string {
  const { code, found, remedy } = whyUnreachable(server, error)
  if (code === 'ECONNREFUSED') {
    return `No server listens at ${server}. Start it with \`npm start\`, or name another with --url or LATCHKEY_URL.`
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return `The host of ${server} is not known here. Check --url or LATCHKEY_URL.`
  }
  if (code === 'TimeoutError') return `${server} did not answer in time. Look at its log, or name another with --url.`
  if (remedy !== null) return `${found}. ${remedy}`
  return `${server} cannot be reached (${code}). Check --url or LATCHKEY_URL.`
}

function parse (bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}

/** The server's own sentence and code; the way out where only this side knows it. */
function refusalText (status: number, value: unknown, url: string): string {
  const { error, code } = (value ?? {}) as { error?: unknown, code?: unknown }
  // On one line: what a server says must not look like something that this program says.
  const sentence = typeof error === 'string' ? printable(error) : `${url} answered ${status}.`
  const marked = typeof code === 'string' ? `${sentence} (${printable(code)})` : sentence
  return status === 401
    ? `${marked}\n${url} refuses the token that was used. Set LATCHKEY_TOKEN, or pass --token.`
    : marked
}

/** Where a resource is found, by id or identifier. */
export function resourcePath (id: string): string {
  return `/resources/${segment(id)}`
}
