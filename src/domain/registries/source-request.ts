/** The request that a third-party source is asked with: its URL, and the headers that an organization may send. */
import { Failure } from '../../base/errors.ts'

const longestUrl = 2_048
const mostHeaders = 10
const longestValue = 4_096

const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/
const visible = /^[\u0021-\u007e]([\u0020-\u007e\t]*[\u0021-\u007e])?$/

/** Headers that the connection, or the fetcher, sets itself. */
const ownHeaders = new Set([
  'accept', 'accept-encoding', 'connection', 'content-length', 'content-type', 'expect', 'host', 'if-none-match',
  'keep-alive', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',
  'user-agent', 'via', 'forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto'
])

/** @throws Failure `invalid_request` for another URL than https without name, password and fragment. */
export function requireSourceUrl (text: string): string {
  const url = URL.parse(text)
  const fault = url === null || text.length > longestUrl
    ? 'is not a URL'
    : url.protocol !== 'https:' ? 'is not https' : faultIn(url)
  if (fault === null) return url!.href
  throw new Failure('invalid_request', {
    message: `The URL of the source ${fault}; use one such as https://registry.example.com/v0.1/servers.`,
    details: { field: 'url' }
  })
}

function faultIn ({ username, password, hash }: URL): string | null {
  if (username !== '' || password !== '') return 'holds a name or a password, which belong into headers'
  return hash === '' ? null : 'has a fragment'
}

/**
 * The headers with their names in lower case.
 * @throws Failure `invalid_request` that names a header, and never its value.
 */
export function requireHeaders (headers: Readonly<Record<string, string>>): Record<string, string> {
  const entries = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value] as const)
  if (entries.length > mostHeaders || new Set(entries.map(([name]) => name)).size < entries.length) {
    throw refusal(`At most ${mostHeaders} headers are sent, and none twice.`)
  }
  for (const [name, value] of entries) {
    const shown = JSON.stringify(name.slice(0, 64))
    if (!token.test(name)) throw refusal(`${shown} is not the name of a header.`)
    if (ownHeaders.has(name)) throw refusal(`The header ${shown} is set by this server.`)
    if (value.length > longestValue || !visible.test(value)) {
      throw refusal(`The value of the header ${shown} is not 1 to ${longestValue} visible ASCII characters.`)
    }
  }
  return Object.fromEntries(entries)
}

function refusal (message: string): Failure {
  return new Failure('invalid_request', { message, details: { field: 'headers' } })
}
