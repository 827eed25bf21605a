/** Documents and answers of an MCP server and of its authorization server, as a client reads them. */
import { inPlainText } from '../../../base/plain-text.ts'
import { whyUnreachable } from '../../../base/reachability.ts'
import { failed, type Finding } from '../finding.ts'

const timeoutMs = 10_000
/** Bytes of an answer that are read. */
const longest = 1_000_000

export interface Answer {
  url: string
  status: number
  headers: Headers
  text: string
  /** Null: not a JSON object. */
  json: Record<string, unknown> | null
}

/** A step that cannot be gone: the finding that says why. */
export class Stuck extends Error {
  readonly finding: Finding

  constructor (check: string, found: string, remedy: string) {
    super(found)
    this.finding = failed(check, found, remedy)
  }
}

/** Asks without following a redirect. @throws Stuck where nothing answers. */
export async function ask (check: string, url: string, init: RequestInit = {}): Promise<Answer> {
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(timeoutMs), ...init })
    const text = await readText(response)
    return { url, status: response.status, headers: response.headers, text, json: objectIn(text) }
  } catch (error) {
    const { found, remedy } = whyUnreachable(url, error)
    throw new Stuck(check, found, remedy ?? 'Start the server there, or correct the URL.')
  }
}

/** The answer up to its longest; a stream of events without end is cut after its first event. */
async function readText (response: Response): Promise<string> {
  const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true
  const decoder = new TextDecoder()
  let text = ''
  for await (const bytes of response.body ?? []) {
    text += decoder.decode(bytes as Uint8Array, { stream: true })
    if (text.length > longest || (isStream && /\r?\n\r?\n/.test(text))) break
  }
  return text
}

/** The object in a JSON text, or in the first message of a stream of events. */
function objectIn (text: string): Record<string, unknown> | null {
  const json = /^data: ?(.*)$/m.exec(text.startsWith('{') ? '' : text)?.[1] ?? text
  try {
    const value = JSON.parse(json) as unknown
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? value as Record<string, unknown>
      : null
  } catch {
    return null
  }
}

/** Whether an answer is a page for people. */
export function isPage ({ headers }: Pick<Answer, 'headers'>): boolean {
  return headers.get('content-type')?.toLowerCase().startsWith('text/html') === true
}

/** What an answer says of its failure, for a sentence. Of a page its title, and the text of its alert (WAI-ARIA). */
export function said ({ status, json, text, headers }: Answer): string {
  if (isPage({ headers })) {
    const [title, alert] = [/<title[^<>]*>([^<]*)/i, /\srole="alert"[^<>]*>([^<]*)/i].map(part => wordsIn(part, text))
    return `${status} with ${title === '' ? 'a page' : `the page “${title}”`}${alert === '' ? '' : `: ${alert}`}`
  }
  const { error, error_description: description } = json ?? {}
  if (typeof error === 'string') return `${status} ${error}${typeof description === 'string' ? `: ${description}` : ''}`
  const start = text.trim().slice(0, 80)
  return start === '' ? String(status) : `${status} ${JSON.stringify(start)}`
}

const references: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

/** The text of the first group, with its character references read, on one line; '': there is none. */
function wordsIn (part: RegExp, markup: string): string {
  const found = part.exec(markup)?.[1]?.slice(0, 500) ?? ''
  const words = found.replace(/&(?:#(\d{1,7})|([a-z]{2,6}));/g, (whole, code: string | undefined, name: string) =>
    code === undefined
      ? Object.hasOwn(references, name) ? references[name]! : whole
      : Number(code) <= 0x10ffff ? String.fromCodePoint(Number(code)) : whole)
  return inPlainText(words.trim().split(/\s+/).join(' '))
}

/** The texts of a list; empty where there is none. */
export function texts (value: unknown): string[] {
  return Array.isArray(value) ? value.filter(each => typeof each === 'string') : []
}

/**
 * Where the metadata of an identifier stands: its well-known name comes between host and path (RFC 8414 §3.1, RFC 9728
 * §3.1).
 */
export function wellKnown (identifier: string, name: string): string {
  const { origin, pathname } = new URL(identifier)
  return `${origin}/.well-known/${name}${pathname === '/' ? '' : pathname.replace(/\/$/, '')}`
}
