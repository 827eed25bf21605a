/** The client of the management API that commands use. */
import { Readable } from 'node:stream'
import { commandHeader, isAnswering } from '../config/server-file.ts'
import { commandProofOf } from '../secrets/authentication-code.ts'
import { whyUnreachable } from '../base/reachability.ts'
import { resemblesApiKey } from '../secrets/credential-text.ts'
import { readWarnings } from '../http/process-warning.ts'
import { CommandError, RefusedError, UsageError } from './failure.ts'
import { printable } from './print.ts'
import type { Connection } from './connection.ts'

/** An answer: the body for `--json`, its value for text output, and the texts of its `Warning` header. */
export interface Answer<T> { body: Buffer, value: T, warnings: readonly string[] }

type Method = 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
type Query = Record<string, string | undefined>

export interface Api {
  get<T> (path: string, query?: Query): Promise<Answer<T>>
  /** `timeoutMs`: for requests that take longer than most. */
  post<T> (path: string, body?: object, timeoutMs?: number): Promise<Answer<T>>
  patch<T> (path: string, body: object): Promise<Answer<T>>
  put<T> (path: string, body?: object): Promise<Answer<T>>
  /** The value is null if the answer is empty, and the impact of a dry run otherwise. */
  delete<T> (path: string, query?: Query): Promise<Answer<T>>
  /** Exchanges the API key in use for an access token (RFC 8693). */
  exchange<T> (form: Readonly<Record<string, string>>): Promise<Answer<T>>
  /** Sends a file as the body. */
  upload<T> (path: string, query: Query, file: Buffer): Promise<Answer<T>>
  /** A stream of an answer too long for memory, of one of these media types. It fails if the answer is truncated. */
  download (path: string, query?: Query, types?: readonly string[]): Promise<Readable>
}

const defaultTimeoutMs = 30_000

/** The API at `connection`. Every method throws CommandError if the answer is not a success. */
export function managementApi (connection: Connection): Api {
  return {
    get: (path, query) => call(connection, 'GET', path + queryString(query)),
    post: (path, body, timeoutMs) => call(connection, 'POST', path, body ?? {}, timeoutMs),
    patch: (path, body) => call(connection, 'PATCH', path, body),
    put: (path, body) => call(connection, 'PUT', path, body),
    delete: (path, query) => call(connection, 'DELETE', path + queryString(query)),
    exchange: form => exchange(connection, form),
    upload: (path, query, file) => call(connection, 'POST', path + queryString(query), file),
    download: (path, query, types) => download(connection, path + queryString(query), types),
  }
}

/** A path segment from the command line. */
export function segment (text: string): string {
  // A URL would resolve `.` and `..`, and so reach another route.
  if (text === '' || text === '.' || text === '..') throw new UsageError(`${JSON.stringify(text)} is not an id.`)
  return encodeURIComponent(text)
}

function queryString (query: Query = {}): string {
  const present = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return present.length === 0 ? '' : `?${new URLSearchParams(present)}`
}

/**
 * Before a token is sent to the address in a data folder, the server there proves that it wrote the file: after it
 * ended, another program may listen on its port.
 */
async function requireOwnServer ({ url, local }: Connection): Promise<void> {
  if (local === null) return
  const isOwn = await isAnswering(local).catch(error => { throw new CommandError(unreachable(url, error as Error)) })
  if (!isOwn) {
    throw new CommandError(
      `The server at ${url} is not the one that wrote server.json to the data folder. That server has ended, and ` +
      'its token is not sent to another. Start it again, or name another with --url and --token.'
    )
  }
}

async function call<T> (
  connection: Connection, method: Method, path: string, body?: object | Buffer, timeoutMs = defaultTimeoutMs
): Promise<Answer<T>> {
  await requireOwnServer(connection)
  const { url } = connection
  const isFile = Buffer.isBuffer(body)
  const response = await fetchFrom(url, apiOf(connection) + path, {
    method,
    headers: {
      ...credentialHeaders(connection),
      accept: 'application/json',
      ...(body === undefined ? {} : { 'content-type': isFile ? 'application/octet-stream' : 'application/json' }),
    },
    ...(body === undefined ? {} : { body: isFile ? new Uint8Array(body) : JSON.stringify(body) }),
    // Redirects are not followed: the token is for this server only.
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMs),
  })
  return await readAnswer(url, response)
}

/** Where the management API is: an address with a path names the API itself, one without the server. */
function apiOf ({ url }: Connection): string {
  return new URL(url).pathname === '/' ? `${url}/api/v1` : url
}

/** The key is the proof: it travels as the subject, and no credential beside it. */
async function exchange<T> (connection: Connection, form: Readonly<Record<string, string>>): Promise<Answer<T>> {
  await requireOwnServer(connection)
  const { url, token, local } = connection
  const response = await fetchFrom(url, `${new URL(url).origin}/api/v1/auth/token`, {
    method: 'POST',
    headers: {
      accept: 'application/json', ...(local === null ? {} : { [commandHeader]: commandProofOf(local.key) })
    },
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: token,
      subject_token_type: 'urn:latchkey:params:oauth:token-type:api-key',
      ...form
    }),
    redirect: 'manual',
    signal: AbortSignal.timeout(defaultTimeoutMs),
  })
  return await readAnswer(url, response)
}

/** API keys travel in `x-api-key`, never as bearer tokens. The server on this machine takes commands without TLS. */
function credentialHeaders ({ token, local }: Connection): Record<string, string> {
  return {
    ...(resemblesApiKey(token) ? { 'x-api-key': token } : { authorization: `Bearer ${token}` }),
    ...(local === null ? {} : { [commandHeader]: commandProofOf(local.key) })
  }
}

async function download (
  connection: Connection, path: string, types: readonly string[] = ['application/x-ndjson']
): Promise<Readable> {
  await requireOwnServer(connection)
  const { url } = connection
  const start = new AbortController()
  const timer = setTimeout(() => {
    start.abort(new DOMException('', 'TimeoutError'))
  }, defaultTimeoutMs)
  const response = await fetchFrom(url, apiOf(connection) + path, {
    headers: credentialHeaders(connection), redirect: 'manual', signal: start.signal
  })
  clearTimeout(timer)
  if (!response.ok || response.body === null) await readAnswer(url, response)
  const type = response.headers.get('content-type') ?? ''
  if (!types.some(each => type.startsWith(each))) throw notOurs(url, response, types.join(' or '))
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
    `${url} answered ${status} without ${missing}. Is it a Latchkey server? Name another with --url.`
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
    return `No server listens at ${server}. Start it with \`npx latchkey serve\`, or name another with --url or ` +
      'LATCHKEY_URL.'
  }
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return `The host of ${server} cannot be resolved. Check --url or LATCHKEY_URL.`
  }
  if (code === 'TimeoutError') return `${server} did not answer in time. Check its log, or name another with --url.`
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

/** The server's own sentence and code, with the remedy where only the command line knows it. */
function refusalText (status: number, value: unknown, url: string): string {
  const { error, code } = refusalIn(value)
  // On one line: text of a server must not look like output of this program.
  const sentence = typeof error === 'string' ? printable(error) : `${url} answered ${status}.`
  const marked = typeof code === 'string' ? `${sentence} (${printable(code)})` : sentence
  if (status === 401) return `${marked}\n${url} refuses the token in use. Set LATCHKEY_TOKEN, or pass --token.`
  return code === 'TLS_REQUIRED' ? `${marked}\n${tlsRemedy}` : marked
}

/** Of the management API, or of the token endpoint (RFC 6749 §5.2), whose `error` is a code. */
function refusalIn (value: unknown): { error?: unknown, code?: unknown } {
  const { error, code, error_description: description } = (value ?? {}) as Record<string, unknown>
  return description === undefined ? { error, code } : { error: description, code: error }
}

const tlsRemedy = 'Name the server by its https URL, the issuer, with --url or LATCHKEY_URL; or, on its own machine, ' +
  'name neither URL nor token: a command that finds the server by its data folder needs no TLS.'

/** The path of a resource, by id or identifier. */
export function resourcePath (id: string): string {
  return `/resources/${segment(id)}`
}
