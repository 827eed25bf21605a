/** Requests of a guard to its server: JSON over HTTP with the client's secret, each with a limit of time. */
import { Agent as HttpAgent, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import { basicCredentials } from '../../secrets/basic.ts'
import { newId } from '../../secrets/random.ts'
import { readServerUrl } from './server-url.ts'

export interface ServerOptions {
  /** The server's origin, such as `https://auth.acme.test`. */
  server: string
  /** Allows a server on another machine without TLS: credentials cross the network in clear. False unless given. */
  allowPlainHttp?: boolean
  /** The client that introspects the resource. */
  clientId: string
  clientSecret: string
  /** Certificates of authorities that are trusted besides the system's (PEM). */
  ca?: string
}

/** An answer with a body of JSON; `body` is empty where it is none. `date`: its Date (RFC 9110 §6.6.1); null: none. */
export interface Reply { status: number, body: Record<string, any>, date: string | null }

/** The server did not answer: no connection, no answer in time, or one that was cut off. */
export class Unreachable extends Error {
  /** The connection was kept from an earlier request and closed before an answer began: the server had closed it. */
  readonly wasStale: boolean

  constructor (path: string, cause: unknown, wasStale = false) {
    super(`The authorization server did not answer ${path}: ${reasonOf(cause as NodeJS.ErrnoException)}`, { cause })
    this.name = 'Unreachable'
    this.wasStale = wasStale
  }
}

/**
 * Whether a request may be sent again when its connection was stale. `always`: sent twice, it does what it does once.
 * `once`: the server counts it, so it is sent again with an Idempotency-Key only, which it has where its connection was
 * idle; the server may have closed that. `never`: the caller of `send` decides.
 */
export type Repeatable = 'always' | 'once' | 'never'

/** Milliseconds after which a connection was idle. An Idempotency-Key costs the server two writes. */
const idleAfter = 1_000

/** An answer of the server is no longer than this, in bytes. */
const longestAnswer = 16_000_000

export class Transport {
  readonly #base: URL
  readonly #authorization: string
  readonly #agent: HttpAgent | HttpsAgent
  readonly #send: typeof httpRequest
  readonly #tls: { ca?: string }
  /** When a connection brought its last answer, by `performance.now()`. */
  readonly #lastUse = new WeakMap<Socket, number>()

  /** @throws Error for a URL that cannot be meant. */
  constructor ({ server, clientId, clientSecret, ca, allowPlainHttp = false }: ServerOptions) {
    this.#base = readServerUrl(server, allowPlainHttp)
    const isTls = this.#base.protocol === 'https:'
    this.#authorization = basicCredentials(clientId, clientSecret)
    this.#tls = isTls && ca !== undefined ? { ca } : {}
    this.#agent = isTls ? new HttpsAgent({ keepAlive: true, ...this.#tls }) : new HttpAgent({ keepAlive: true })
    this.#send = isTls ? httpsRequest as typeof httpRequest : httpRequest
  }

  /**
   * Sends a request, and once more if it is repeatable and its connection was stale. `timeoutMs`: for both together.
   * @throws Unreachable
   */
  async send (
    method: 'POST' | 'DELETE', path: string, body: object | null, timeoutMs: number, repeatable: Repeatable = 'never'
  ): Promise<Reply> {
    const signal = AbortSignal.timeout(timeoutMs)
    const message: Message = { method, path, text: body === null ? null : JSON.stringify(body), key: null }
    try {
      return await this.#exchange(message, signal, repeatable)
    } catch (error) {
      const isAgain = repeatable === 'always' || message.key !== null
      if (!(error instanceof Unreachable) || !error.wasStale || !isAgain) throw error
      // Others that were kept for as long may be closed, too.
      return await this.#exchange(message, signal, repeatable, false)
    }
  }

  async #exchange (
    message: Message, signal: AbortSignal, repeatable: Repeatable, agent: HttpAgent | false = this.#agent
  ): Promise<Reply> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const { method, path, text } = message
    const sent = this.#send(new URL(path, this.#base), {
      ...this.#tls,
      method,
      agent,
      signal,
      headers: {
        authorization: this.#authorization,
        ...(text === null ? {} : { 'content-type': 'application/json' }),
        'content-length': Buffer.byteLength(text ?? '')
      }
    }, resolve)
    sent.on('error', reject)
    let connection: Socket | null = null
    sent.once('socket', socket => {
      connection = socket
      if (repeatable === 'once') this.#identify(message, sent, socket)
      sent.end(text ?? '')
    })
    let hasBegun = false
    try {
      const reply = await promise
      hasBegun = true
      const date = reply.headers.date ?? null
      const answer = { status: reply.statusCode!, body: readJson(await textOf(reply)), date }
      this.#lastUse.set(connection!, performance.now())
      return answer
    } catch (error) {
      throw new Unreachable(path, error, sent.reusedSocket && !hasBegun && isClosed(error))
    }
  }

  /** Gives a message a key, by which the server counts it once, unless its connection was in use just now. */
  #identify (message: Message, sent: ClientRequest, socket: Socket): void {
    const idle = performance.now() - (this.#lastUse.get(socket) ?? 0)
    if (sent.reusedSocket && idle >= idleAfter) message.key ??= newId('req')
    if (message.key !== null) sent.setHeader('idempotency-key', message.key)
  }

  /** Closes the connections. */
  close (): void {
    this.#agent.destroy()
  }
}

/** An error of several addresses, such as those of `localhost`, has a code and no message. */
function reasonOf ({ message, code }: NodeJS.ErrnoException): string {
  return message === '' ? String(code) : message
}

/** `key`: the Idempotency-Key; null: it has none. */
interface Message { method: string, path: string, text: string | null, key: string | null }

function isClosed (error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ECONNRESET' || code === 'EPIPE'
}

async function textOf (reply: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of reply as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > longestAnswer) throw new Error('the answer is too long')
    chunks.push(chunk)
  }
  if (!reply.complete) throw new Error('the answer was cut off')
  return Buffer.concat(chunks).toString()
}

/** A proxy may answer with something else than JSON. */
function readJson (text: string): Record<string, any> {
  if (text === '') return {}
  const value: unknown = JSON.parse(text)
  return typeof value === 'object' && value !== null ? value : {}
}
