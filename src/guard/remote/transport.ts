/** Requests of a guard to its server: JSON over HTTP with the client's secret, each with a limit of time. */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { basicCredentials } from '../../secrets/basic.ts'

export interface ServerOptions {
  /** The server's URL, such as `https://auth.acme.test`. */
  server: string
  /** The client that introspects the resource. */
  clientId: string
  clientSecret: string
  /** Certificates of authorities that are trusted besides the system's (PEM). */
  ca?: string
}

/** An answer with a body of JSON; `body` is empty where it is none. */
export interface Reply { status: number, body: Record<string, any> }

/** The server did not answer: no connection, no answer in time, or one that was cut off. */
export class Unreachable extends Error {
  constructor (path: string, cause: unknown) {
    super(`The authorization server did not answer ${path}: ${(cause as Error).message}`, { cause })
    this.name = 'Unreachable'
  }
}

/** An answer of the server is no longer than this, in bytes. */
const longestAnswer = 16_000_000

export class Transport {
  readonly #base: URL
  readonly #authorization: string
  readonly #agent: HttpAgent | HttpsAgent
  readonly #send: typeof httpRequest

  /** @throws Error for a URL that is none. Without https, the network sees the client's secret. */
  constructor ({ server, clientId, clientSecret, ca }: ServerOptions) {
    this.#base = new URL(server)
    const isTls = this.#base.protocol === 'https:'
    if (!isTls && this.#base.protocol !== 'http:') throw new Error(`The server ${server} needs https:// in front.`)
    this.#authorization = basicCredentials(clientId, clientSecret)
    this.#agent = isTls
      ? new HttpsAgent({ keepAlive: true, ...(ca === undefined ? {} : { ca }) })
      : new HttpAgent({ keepAlive: true })
    this.#send = isTls ? httpsRequest as typeof httpRequest : httpRequest
  }

  /** @throws Unreachable */
  async send (method: 'POST' | 'DELETE', path: string, body: object | null, timeoutMs: number): Promise<Reply> {
    const text = body === null ? '' : JSON.stringify(body)
    const signal = AbortSignal.timeout(timeoutMs)
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const sent = this.#send(new URL(path, this.#base), {
      method,
      agent: this.#agent,
      signal,
      headers: {
        authorization: this.#authorization,
        ...(body === null ? {} : { 'content-type': 'application/json' }),
        'content-length': Buffer.byteLength(text)
      }
    }, resolve)
    sent.on('error', reject)
    sent.end(text)
    try {
      const reply = await promise
      return { status: reply.statusCode!, body: readJson(await textOf(reply)) }
    } catch (error) {
      throw new Unreachable(path, error)
    }
  }

  /** Closes the connections. */
  close (): void {
    this.#agent.destroy()
  }
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
