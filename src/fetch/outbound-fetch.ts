/**
 * The one fetcher of documents from other hosts: bounded in time and size, without redirects, without compression, and
 * with a filter of the addresses that it connects to.
 */
import { request as overHttp, type IncomingMessage } from 'node:http'
import { request as overTls, type RequestOptions } from 'node:https'
import { isIP, type LookupFunction } from 'node:net'
import { rootCertificates } from 'node:tls'
import { hostOf, isLoopback } from '../config/loopback.ts'
import { systemNetwork, type Network } from './network.ts'

/** What a fetcher may do. */
export interface OutboundOptions {
  /** Whether a URL may be http, on a loopback host. Else all are https. */
  insecureLoopback?: boolean
  /**
   * Whether it may connect to an address. A host name with any address that it may not connect to is refused, and the
   * connection goes to the addresses that were checked, so that no later answer of DNS counts. Default: all, which is
   * for URLs that the deployment's operator configured; for URLs that others wrote: `isPublicAddress`.
   */
  permits?: (address: string) => boolean
  /** Milliseconds, from the look-up of the host to the last byte. */
  timeout?: number
  /** The most bytes of a body. */
  maxBytes?: number
  /** The way to other hosts. Default: names as the operating system knows them. */
  network?: Network
}

/** What a request carries. The part of `fetch`'s options that its callers use. */
export interface OutboundRequest {
  method?: string
  headers?: Headers | Readonly<Record<string, string>>
  body?: string | URLSearchParams | Uint8Array | null | undefined
  signal?: AbortSignal | null | undefined
  /** Called with the permitted addresses of the host before a connection; false: there is to be none. */
  admit?: (addresses: readonly string[]) => boolean
}

/** As `fetch`, for what this server needs of it. A redirect is an answer like any other. @throws OutboundFailure. */
export type OutboundFetch = (url: string | URL, request?: OutboundRequest) => Promise<Response>

/** Why nothing was fetched. The message names the host, and no secret. */
export class OutboundFailure extends Error {
  readonly reason: 'forbidden_url' | 'forbidden_address' | 'not_admitted' | 'unreachable' | 'timeout' | 'too_large' |
    'compressed'

  constructor (reason: OutboundFailure['reason'], message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause })
    this.name = 'OutboundFailure'
    this.reason = reason
  }
}

const defaults: Bounds = {
  insecureLoopback: false, permits: () => true, timeout: 10_000, maxBytes: 512 * 1024, network: systemNetwork
}

/** A fetcher with these bounds. */
export function outboundFetch (options: OutboundOptions = {}): OutboundFetch {
  const bounds = { ...defaults, ...options }
  return async (url, request = {}) => await exchange(requirePermitted(new URL(url), bounds), request, bounds)
}

type Bounds = Required<OutboundOptions>

/** Refuses a URL by its text, before anything is looked up. */
function requirePermitted (url: URL, { insecureLoopback }: Bounds): URL {
  const isSecure = url.protocol === 'https:'
  if (!isSecure && !(insecureLoopback && url.protocol === 'http:' && isLoopback(hostOf(url.href)))) {
    throw new OutboundFailure('forbidden_url', `${url.origin} is not https, so it is not asked.`)
  }
  if (url.username !== '' || url.password !== '') {
    throw new OutboundFailure('forbidden_url', `A URL at ${url.host} holds a name or a password.`)
  }
  return url
}

async function exchange (
  url: URL, { signal, body, admit, ...given }: OutboundRequest, bounds: Bounds
): Promise<Response> {
  const timeout = AbortSignal.timeout(bounds.timeout)
  const ending = signal ? AbortSignal.any([signal, timeout]) : timeout
  const payload = body instanceof URLSearchParams ? body.toString() : body ?? undefined
  try {
    const addresses = await permittedAddresses(url, bounds, ending)
    if (admit?.(addresses) === false) throw new OutboundFailure('not_admitted', `${url.host} is not asked at present.`)
    const answer = await answerOf(url, {
      method: given.method ?? 'GET',
      headers: {
        ...(body instanceof URLSearchParams ? { 'content-type': 'application/x-www-form-urlencoded' } : {}),
        ...Object.fromEntries(new Headers(given.headers)),
        host: url.host,
        'accept-encoding': 'identity',
        ...(payload === undefined ? {} : { 'content-length': Buffer.byteLength(payload) }),
      },
      agent: false,
      signal: ending,
      ...connectionTo(url, addresses, bounds.network),
    }, payload)
    return new Response(await bodyOf(answer, url, bounds.maxBytes), {
      status: answer.statusCode!, headers: headersOf(answer)
    })
  } catch (error) {
    throw asFailure(error, url, timeout)
  }
}

/** The addresses of a host, looked up once; it is refused when any of them is. An address as a host is its own. */
async function permittedAddresses (
  { hostname }: URL, { network, permits }: Bounds, ending: AbortSignal
): Promise<readonly string[]> {
  const literal = hostname.replace(/^\[|\]$/g, '')
  const addresses = isIP(literal) === 0 ? await unlessAborted(network.lookup(hostname, ending), ending) : [literal]
  if (addresses.length > 0 && addresses.every(permits)) return addresses
  throw new OutboundFailure(
    'forbidden_address', `${hostname} has an address that this server does not connect to.`
  )
}

async function unlessAborted<T> (work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const aborted = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => { reject(new Error('ended by its signal')) }, { once: true })
  })
  return await Promise.race([work, aborted])
}

/** A connection to these addresses alone. TLS has its name from the Host header, wherever the connection leads. */
function connectionTo (url: URL, addresses: readonly string[], { ca, dial }: Network): RequestOptions {
  const found = addresses.map(address => ({ address, family: isIP(address) }))
  const lookup: LookupFunction = (_host, options, done) => {
    if (options.all === true) done(null, found)
    else done(null, found[0]!.address, found[0]!.family)
  }
  const trusted = ca === undefined ? {} : { ca: [...rootCertificates, ca] }
  if (dial === undefined) return { lookup, ...trusted }
  const { host, port } = dial(addresses[0]!, Number(url.port || (url.protocol === 'https:' ? 443 : 80)))
  return { hostname: host, port, ...trusted }
}

function answerOf (url: URL, options: RequestOptions, payload: string | Uint8Array | undefined) {
  return new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = (url.protocol === 'https:' ? overTls : overHttp)(url, options, resolve)
    outgoing.on('error', reject)
    outgoing.end(payload)
  })
}

/** Null: the status has no body. A body that is longer than it may be ends the connection. */
async function bodyOf (answer: IncomingMessage, url: URL, maxBytes: number): Promise<Uint8Array<ArrayBuffer> | null> {
  const encoding = answer.headers['content-encoding']
  if (encoding !== undefined && encoding !== 'identity') {
    answer.destroy()
    throw new OutboundFailure('compressed', `${url.host} answered compressed, though it was asked not to.`)
  }
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > maxBytes) {
      answer.destroy()
      throw new OutboundFailure('too_large', `${url.host} answered with more than ${maxBytes} bytes.`)
    }
    chunks.push(chunk)
  }
  const bodiless = [204, 205, 304].includes(answer.statusCode!)
  return bodiless ? null : new Uint8Array(Buffer.concat(chunks))
}

function headersOf ({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers()
  for (let i = 0; i < rawHeaders.length; i += 2) headers.append(rawHeaders[i]!, rawHeaders[i + 1]!)
  return headers
}

function asFailure (error: unknown, url: URL, timeout: AbortSignal): OutboundFailure {
  if (error instanceof OutboundFailure) return error
  if (timeout.aborted) return new OutboundFailure('timeout', `${url.host} did not answer in time.`, error)
  const code = (error as NodeJS.ErrnoException).code ?? 'no answer'
  return new OutboundFailure('unreachable', `${url.host} cannot be reached (${code}).`, error)
}
