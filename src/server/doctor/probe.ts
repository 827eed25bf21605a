/** Asks the local server and the issuer for their metadata. */
import { failures, type FailureCode } from '../../base/errors.ts'
import { whyUnreachable, type Unreachable } from '../../base/reachability.ts'
import { defaultIssuer, type Config } from '../../config/config.ts'
import { isLoopback } from '../../config/loopback.ts'
import { isAnnounceable, isAnswering, localUrl, readServerFile, type LocalServer } from '../../config/server-file.ts'
import { paths } from '../../protocol/shared/paths.ts'

const timeoutMs = 5_000

/** The answer of a URL. Null: there is none, for the reason `why`. */
export interface Answer { response: Response | null, why: Unreachable | null }

export interface Response {
  status: number
  location: string | null
  date: string | null
  /** Null: not a JSON object. */
  body: Record<string, unknown> | null
  durationMs: number
}

/** The server on this machine, at the address in its `server.json`, else at HOST and PORT. */
export interface LocalProbe {
  url: string
  isAnnounced: boolean
  /** Another server than the one that wrote `server.json` answers there. */
  isOther: boolean
  answer: Answer
}

/** The issuer as clients reach it. */
export interface IssuerProbe { issuer: string, answer: Answer }

export async function findServer ({ dataFolder, host, port }: Config): Promise<LocalProbe> {
  const announced = announcedServer(dataFolder)
  const url = announced?.url ?? localUrl(host, port)
  const isOther = announced !== null && announced.key !== '' && !await isAnswering(announced).catch(() => true)
  return { url, isAnnounced: announced !== null, isOther, answer: await ask(url) }
}

/** As commands find it (cli/connection.ts). A damaged file is ignored: the server writes another. */
function announcedServer (dataFolder: string): LocalServer | null {
  try {
    const server = readServerFile(dataFolder)
    return server !== null && isAnnounceable(server) ? server : null
  } catch {
    return null
  }
}

/** Asks the configured issuer, or the local server's own if none is configured: it may listen on another PORT. */
export async function askIssuer ({ issuer, port }: Config, local: LocalProbe): Promise<IssuerProbe> {
  const own = local.answer.response?.body?.issuer
  const isDefault = issuer === defaultIssuer(port)
  const asked = isDefault && typeof own === 'string' && isLocalOrigin(own) ? own : issuer
  return { issuer: asked, answer: await ask(asked) }
}

function isLocalOrigin (text: string): boolean {
  const url = URL.parse(text)
  return url !== null && url.origin === text && url.protocol === 'http:' && isLoopback(url.hostname)
}

async function ask (url: string): Promise<Answer> {
  const began = Date.now()
  try {
    const signal = AbortSignal.timeout(timeoutMs)
    const response = await fetch(url + paths.serverMetadata, { redirect: 'manual', signal })
    const body = await response.json().catch(() => null) as unknown
    const { status, headers } = response
    const [location, date] = [headers.get('location'), headers.get('date')]
    const object = Object(body) === body ? body as Response['body'] : null
    return { response: { status, location, date, body: object, durationMs: Date.now() - began }, why: null }
  } catch (error) {
    return { response: null, why: whyUnreachable(url, error) }
  }
}

/** Whether any server of Latchkey answered, also with an error. */
export function isLatchkey ({ response }: Answer): boolean {
  const { issuer, token_endpoint: token } = response?.body ?? {}
  return (typeof issuer === 'string' && token === issuer + paths.token) || failureOf(response) !== null
}

/** The error with which a server of Latchkey answers instead of its metadata; null: there is none. */
export function failureOf (response: Response | null): FailureCode | null {
  const codes = ['tls_required', 'overloaded', 'shutting_down', 'storage_unavailable'] as const
  return codes.find(code => response?.body?.error_description === failures[code].message) ?? null
}

/** Whether a proxy answered that it does not reach its upstream. */
export function isGatewayError (answer: Answer): boolean {
  return !isLatchkey(answer) && [502, 503, 504].includes(answer.response?.status ?? 0)
}

/** Whether the issuer answers with its own metadata. */
export function isRight ({ issuer, answer: { response } }: IssuerProbe): boolean {
  return response?.status === 200 && response.body?.issuer === issuer
}
