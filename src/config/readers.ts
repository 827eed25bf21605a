/** How the text of a variable becomes a value. Each reader reports what is wrong with it and what to write instead. */
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { readAllowlist } from '../base/ip-address.ts'
import { readPostgresqlUrl } from './database-url.ts'
import { hostOf, isLoopback } from './loopback.ts'
import type { Reader, ReadingContext } from './table.ts'

export function readText (text: string): string {
  return text
}

export function readPath (text: string, { folder }: ReadingContext): string {
  return resolve(folder, text)
}

export function readPort (text: string, { report }: ReadingContext): number | undefined {
  const port = Number(text)
  if (Number.isInteger(port) && port >= 1 && port <= 65535) return port
  report(`${JSON.stringify(text)} is not a port; use 1 to 65535`)
}

/** An issuer identifier (RFC 8414 §2) that is an origin, so without a trailing slash. */
export function readIssuer (text: string, { report }: ReadingContext): string {
  const origin = /^https?:/.test(text) ? URL.parse(text)?.origin : undefined
  if (origin !== text) {
    report(
      `${JSON.stringify(text)} is not an origin; write https://auth.example.com, without path or trailing slash`
    )
  } else if (!text.startsWith('https://') && !isLoopback(hostOf(text))) {
    report(`${text} is not https; secrets would cross the network unencrypted`)
  }
  return origin ?? text
}

/** `file:…` with an absolute path, or `postgresql://…`. */
export function readDatabaseUrl (text: string, { folder, report }: ReadingContext): string | undefined {
  // Schemes of URLs have no case (RFC 3986 §3.1).
  if (/^file:./i.test(text)) return `file:${resolve(folder, text.slice('file:'.length))}`
  if (/^postgres(ql)?:\/\//i.test(text)) {
    const url = text.replace(/^\w+/, 'postgresql')
    readPostgresqlUrl(url).problems.forEach(report)
    return url
  }
  // The text may hold a password: it is not repeated.
  report('is neither file:<path> nor a postgresql:// URL')
}

export function oneOf<Choice extends string> (...choices: Choice[]): Reader<Choice> {
  return (text, { report }) => {
    const choice = choices.find(each => each === text)
    if (choice === undefined) report(`${JSON.stringify(text)} is none of ${choices.join(', ')}`)
    return choice
  }
}

export function wholeNumber (least: number, most: number): Reader<number> {
  return (text, { report }) => {
    const number = /^\d{1,6}$/.test(text) ? Number(text) : NaN
    if (number >= least && number <= most) return number
    report(`${JSON.stringify(text)} is not a whole number from ${least} to ${most}`)
  }
}

/** Null for `off`, else as `read` reads it. */
export function offOr<Value> (read: Reader<Value>): Reader<Value | null> {
  return (text, context) => text === 'off' ? null : read(text, context)
}

export function readRatio (text: string, { report }: ReadingContext): number | undefined {
  const ratio = Number(text)
  if (ratio >= 0 && ratio <= 1) return ratio
  report('is not a number from 0 to 1')
}

export function readTrustProxy (text: string, { report }: ReadingContext): string[] {
  const entries = text.split(',').map(entry => entry.trim()).filter(entry => entry !== '')
  for (const entry of entries) {
    try {
      readAllowlist([entry])
      if (entry.endsWith('/0')) report(`${entry} trusts every address on the internet; name your proxies`)
    } catch {
      report(`${JSON.stringify(entry)} is neither an address nor a CIDR range`)
    }
  }
  return entries
}

/** Where `/prom` is served: with the other routes, nowhere, or on an address of its own. */
export type MetricsAddress = 'on' | 'off' | { host: string, port: number }

export function readMetrics (text: string, { report }: ReadingContext): MetricsAddress | undefined {
  if (text === 'on' || text === 'off') return text
  const [, host, port] = /^(.+):(\d{1,5})$/.exec(text) ?? []
  const bare = host?.replace(/^\[|\]$/g, '') ?? ''
  if ((isIP(bare) !== 0 || bare === 'localhost') && Number(port) >= 1 && Number(port) <= 65535) {
    return { host: bare, port: Number(port) }
  }
  report(`${JSON.stringify(text)} is neither on, off nor an address and port such as 127.0.0.1:9464`)
}

/** The URL to which traces are sent. */
export function readTracesUrl (endpoint: string, { report }: ReadingContext): string | undefined {
  if (URL.canParse(endpoint) && /^https?:\/\//.test(endpoint)) {
    return `${endpoint.replace(/(?<!\/)\/+$/, '')}/v1/traces`
  }
  // The text may hold a password: it is not repeated.
  report('is not an http or https URL')
}

export function readHeaders (text: string, { report }: ReadingContext): Record<string, string> | undefined {
  try {
    return Object.fromEntries(text.split(',').filter(pair => pair.trim() !== '').map(pair => {
      const [, name, value] = /^\s*([\w-]+)=(.*)$/.exec(pair)!
      return [name!, decodeURIComponent(value!.trim())]
    }))
  } catch {
    report('is not a percent-encoded list such as name=value,name=value')
  }
}

export function readSecret (text: string, { report }: ReadingContext): string {
  if (text.length < 32 || new Set(text).size < 10) {
    report(`is too easy to guess (32 characters or more, not a pattern); ${howToGenerate}`)
  }
  return text
}

export function readSecrets (text: string, context: ReadingContext): string[] {
  return listedSecrets(text).map(secret => readSecret(secret, context))
}

/** Secrets are separated by commas. */
export function listedSecrets (text: string): string[] {
  return text.split(',').map(secret => secret.trim())
}

export const howToGenerate = 'generate one with `openssl rand -base64 48`'

/** The schemes of editors and agents that redirect to themselves, though RFC 8252 §7.1 wants a dot in them. */
export const wellKnownSchemes: readonly string[] = [
  'cursor', 'vscode', 'vscode-insiders', 'vscodium', 'windsurf', 'kiro', 'zed', 'warp', 'raycast', 'claude'
]

const domain = /^(?:\*|(?:\*\.)?(?:[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?\.)+[a-z][a-z\d-]{0,61}[a-z\d])$/

/** Names of hosts, `*.` before one for those below it, or `*`. `none`: no domain. */
export function readDomains (text: string, { report }: ReadingContext): string[] {
  const entries = text === 'none' ? [] : listed(text)
  for (const entry of entries) {
    if (domain.test(entry)) continue
    report(`${JSON.stringify(entry)} is no domain; write example.com, *.example.com for those below it, or *`)
  }
  return entries
}

/** Schemes of URIs (RFC 3986 §3.1) without a dot: one with a dot needs no permission. */
export function readSchemes (text: string, { report }: ReadingContext): ReadonlySet<string> {
  const entries = text === 'none' ? [] : listed(text)
  for (const entry of entries) {
    if (/^[a-z][a-z\d+-]{0,62}$/.test(entry) && entry !== 'http' && entry !== 'https') continue
    report(`${JSON.stringify(entry)} is no private scheme; write its name alone, such as cursor`)
  }
  return new Set(entries)
}

function listed (text: string): string[] {
  return text.split(',').map(entry => entry.trim().toLowerCase()).filter(entry => entry !== '')
}
