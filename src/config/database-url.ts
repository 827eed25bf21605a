/**
 * Reads the DATABASE_URL of a PostgreSQL. Every parameter is honoured, or refused by name with an alternative: an
 * ignored parameter would leave a schema unused or a certificate unchecked.
 */
import { ConfigurationError } from '../base/errors.ts'
import { isParameter, readParameter } from './postgresql/parameters.ts'
import { newTargetDraft, type PostgresqlTarget, type TargetDraft } from './postgresql/target.ts'
import { tlsOf } from './postgresql/tls.ts'

/**
 * The target of a `postgresql://` URL, and the problems with it. No problem repeats what may be a part of the password.
 * With problems, the target must not be used.
 */
export function readPostgresqlUrl (text: string): { target: PostgresqlTarget, problems: string[] } {
  const problems: string[] = []
  const target = readTarget(text, problem => { problems.push(problem) })
  return { target, problems }
}

/** @throws ConfigurationError naming every part that cannot be honoured. */
export function postgresqlTarget (url: string): PostgresqlTarget {
  const { target, problems } = readPostgresqlUrl(url)
  if (problems.length > 0) throw new ConfigurationError(problems.map(problem => `DATABASE_URL: ${problem}`))
  return target
}

type Report = (problem: string) => void

function readTarget (text: string, report: Report): PostgresqlTarget {
  const draft = newTargetDraft()
  const url = readUrl(text, report)
  if (url === null) return draft
  readAuthority(url, draft, report)
  readParameters(url, draft, report)
  if (draft.host?.includes(',')) report(severalHosts)
  const { mode: _, files: __, ...target } = draft
  return { ...target, tls: tlsOf(draft, report) }
}

const severalHosts =
  'names several hosts; name one that leads to the primary (a virtual address, or a proxy that knows which server is ' +
  'the primary)'
const unreadable = 'is not a valid postgresql:// URL; percent-encode special characters in the user and the password ' +
  '(: / ? # @ %), such as %2F for /'
const restOfPassword = 'has text after the parameter password that is not a parameter; percent-encode an & in it (%26)'
const slashInName = 'has a / in the name of the database; percent-encode it (%2F), also in the user and the password'

function readUrl (text: string, report: Report): URL | null {
  if (hostsOf(text).includes(',')) {
    report(severalHosts)
    return null
  }
  // For a socket, libpq accepts a user without a host; a URL needs a host.
  const url = URL.parse(text.replace('@/', '@localhost/'))
  if (url !== null && url.hash === '' && !url.search.includes('@')) return url
  report(unreadable)
  return null
}

/** Hosts and ports as they are written. */
function hostsOf (text: string): string {
  const [authority = ''] = text.slice(text.indexOf('//') + 2).split(/[/?#]/, 1)
  return authority.slice(authority.lastIndexOf('@') + 1)
}

function readAuthority (url: URL, draft: TargetDraft, report: Report): void {
  const { username, password, hostname, port, pathname } = url
  if (username !== '') draft.user = unescaped(username)
  if (password !== '') draft.password = unescaped(password)
  // The folder of a socket is percent-encoded as a host.
  if (hostname !== '') draft.host = unescaped(hostname.startsWith('[') ? hostname.slice(1, -1) : hostname)
  if (port !== '') draft.port = Number(port)
  if (pathname.length > 1) draft.database = unescaped(pathname.slice(1))
  if (draft.database?.includes('/')) report(slashInName)
}

function readParameters (url: URL, draft: TargetDraft, report: Report): void {
  const seen = new Set<string>()
  // In form encoding a plus sign is a space; in a password it is itself, as in libpq.
  const password = new URLSearchParams(url.search.replaceAll('+', '%2B')).get('password')
  for (const [name, text] of url.searchParams) {
    if (seen.has('password') && !isParameter(name)) {
      report(restOfPassword)
      return
    }
    const value = name === 'password' ? password! : text
    const problem = seen.has(name) ? 'is given more than once; write it once' : readParameter(name, value, draft)
    const space = problem?.startsWith('=') || problem?.startsWith(':') ? '' : ' '
    if (problem !== undefined) report(`the parameter ${name}${space}${problem}`)
    seen.add(name)
  }
}

/** Decodes percent-encoding; returns a text with invalid encoding as it is. */
function unescaped (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
