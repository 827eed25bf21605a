/** Real HTTP requests, printed with their answers as they happen; shortens secrets and counts expectations. */
import { STATUS_CODES } from 'node:http'

export interface Sent {
  headers?: Record<string, string>
  /** A body as JSON. */
  json?: object
  /** A body as a form. */
  form?: Record<string, string>
}

export interface Answer {
  status: number
  headers: Headers
  body: any
}

/** Members of an answer whose value is a secret. */
const secretMembers = [
  'access_token', 'client_secret', 'clientSecret', 'key', 'token', 'plainTextToken', 'registration_access_token'
]

/** An expectation failed: the run ends here. */
export class Unexpected extends Error {
  override name = 'Unexpected'
}

export class Transcript {
  readonly #origin: string
  readonly #secrets = new Set<string>()
  #step = 0
  #sentInStep = 0
  #held = 0

  constructor (origin: string) {
    this.#origin = origin
  }

  /** Expectations that held so far. */
  get held (): number {
    return this.#held
  }

  /** Begins the next step. */
  step (title: string): void {
    this.#sentInStep = 0
    console.log(`\n${++this.#step}. ${title}\n`)
  }

  /** From now on `secret` is printed shortened. */
  hide (secret: string): void {
    this.#secrets.add(secret)
  }

  async send (method: string, path: string, { headers = {}, json, form }: Sent = {}): Promise<Answer> {
    const body = json ? JSON.stringify(json) : form ? new URLSearchParams(form).toString() : undefined
    const type: Record<string, string> = json
      ? { 'content-type': 'application/json' }
      : form
        ? { 'content-type': 'application/x-www-form-urlencoded' }
        : {}
    const sent = { ...headers, ...type }
    if (this.#sentInStep++ > 0) console.log()
    this.#print('>', [
      `${method} ${path}`, ...Object.entries(sent).map(header => header.join(': ')), ...(body ? ['', body] : [])
    ])
    const response = await fetch(this.#origin + path, {
      method, headers: sent, ...(body ? { body } : {}), redirect: 'manual'
    })
    const answer: Answer = { status: response.status, headers: response.headers, body: readBody(await response.text()) }
    for (const secret of secretsOf(answer.body)) this.hide(secret)
    this.#print('<', [
      `${answer.status} ${STATUS_CODES[answer.status]}`, ...shownHeaders(response.headers), ...shownBody(answer.body)
    ])
    return answer
  }

  /** @throws Unexpected if it fails. */
  expect (sentence: string, holds: boolean): void {
    console.log(`  ${holds ? '✓' : '✗'} ${sentence}`)
    if (!holds) throw new Unexpected(sentence)
    this.#held++
  }

  #print (mark: string, lines: readonly string[]): void {
    for (const line of lines) console.log(`  ${mark} ${this.#shorten(line)}`.trimEnd())
  }

  #shorten (line: string): string {
    let text = line
    // The longest first: a secret may be part of another.
    for (const secret of [...this.#secrets].sort((one, other) => other.length - one.length)) {
      text = text.replaceAll(secret, `${secret.slice(0, 10)}…${secret.slice(-4)}`)
    }
    return text
  }
}

/** RFC 7617; the caller hides the result. */
export function basic (id: string, secret: string): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}

function readBody (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The private members of a signing key, in both spellings. */
function secretsOf (body: any): string[] {
  const found = [...secretMembers.map(member => body?.[member]), body?.litellmKey?.key, body?.signingKey?.jwk?.d]
  const pem = body?.signingKey?.pem
  return [
    ...found.filter(secret => typeof secret === 'string'),
    ...(typeof pem === 'string' ? [JSON.stringify(pem).slice(1, -1)] : [])
  ]
}

function shownHeaders (headers: Headers): string[] {
  return ['www-authenticate', 'retry-after', 'ratelimit-policy', 'ratelimit'].flatMap(name => {
    const value = headers.get(name)
    return value === null ? [] : [`${name}: ${value}`]
  })
}

function shownBody (body: unknown): string[] {
  if (body === '') return []
  return ['', ...(typeof body === 'string' ? body : laidOut(body, '')).split('\n')]
}

const width = 110

/** JSON on one line if it fits, else indented. */
function laidOut (value: unknown, indent: string): string {
  const flat = JSON.stringify(value, null, 1).replace(/\n\s*/g, ' ')
  if (typeof value !== 'object' || value === null || indent.length + flat.length <= width) return flat
  const deeper = `${indent}  `
  const isList = Array.isArray(value)
  const members = Object.entries(value).map(([name, member]) =>
    `${deeper}${isList ? '' : `${JSON.stringify(name)}: `}${laidOut(member, deeper)}`
  )
  return `${isList ? '[' : '{'}\n${members.join(',\n')}\n${indent}${isList ? ']' : '}'}`
}
