/**
 * URLs as client identifiers (draft-ietf-oauth-client-id-metadata-document §3): which texts are such URLs, and which
 * domains an operator takes clients from. Decided by the text alone, before anything is looked up.
 */
import { isIP } from 'node:net'

/** Characters: the URL is shown to people, and kept with each authorization. */
export const longestClientIdUrl = 512

/** Whether a client_id is meant as the URL of a document. The identifiers that this server makes begin otherwise. */
export function isClientIdUrl (clientId: string): boolean {
  return clientId.startsWith('https://')
}

/** Why a text cannot be the URL of a document; null: it can. A sentence without its subject. */
export function problemOfClientIdUrl (text: string): string | null {
  if (!isClientIdUrl(text)) return 'does not begin with https://'
  if (text.length > longestClientIdUrl) return `has more than ${longestClientIdUrl} characters`
  if (!/^[!-~]+$/.test(text) || /["<>\\^`{|}]/.test(text)) return 'has a character that no URL has (RFC 3986 §2)'
  const url = URL.parse(text)
  if (url === null) return 'is not a URL'
  if (text.includes('#')) return 'has a fragment'
  if (/^https:\/\/[^/?]*@/.test(text)) return 'has user information'
  if (url.port !== '') return 'has a port; documents are fetched from port 443 alone'
  // Upper case, the default port, dot segments and no path: each document has one identifier, and not several.
  if (url.href !== text) return `is not in normal form; that is ${url.href}`
  return problemOfHost(url.hostname)
}

function problemOfHost (host: string): string | null {
  if (isIP(host.replace(/^\[|\]$/g, '')) !== 0) return 'has an address instead of a host name'
  return !host.includes('.') || host.endsWith('.') ? 'has a host that is no full domain name' : null
}

/**
 * Domains: `example.com` is that host alone, `*.example.com` every host below it, `*` every host. In lower case.
 */
export interface DomainRules { allowed: readonly string[], denied: readonly string[] }

/** Whether clients of a host are taken: an allowed one, and not a denied one. */
export function permitsHost ({ allowed, denied }: DomainRules, host: string): boolean {
  const matches = (rule: string) =>
    rule === '*' || rule === host || (rule.startsWith('*.') && host.endsWith(rule.slice(1)))
  return allowed.some(matches) && !denied.some(matches)
}
