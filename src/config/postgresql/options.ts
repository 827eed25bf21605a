/** The parameter `options` of a `postgresql://` URL: settings of the connection. */
import type { TargetDraft } from './target.ts'

/** Settings that `storage/engine/postgresql/client.ts` sets on each connection, so that no option may. */
const reserved: ReadonlySet<string> = new Set([
  'datestyle', 'intervalstyle', 'timezone', 'client_encoding', 'standard_conforming_strings', 'bytea_output',
  'search_path', 'default_transaction_isolation', 'default_transaction_deferrable', 'synchronous_commit',
  'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout', 'idle_session_timeout',
  'transaction_timeout',
])

/**
 * Reads `-c name=value` and `--name=value` as libpq does, where a backslash escapes the next character. Other words are
 * sent when a connection starts. Returns what is wrong and what to write instead.
 */
export function readOptions (value: string, draft: TargetDraft): string | undefined {
  const words = value.match(/(?:\\.|[^\\\s])+/gs) ?? []
  const settings: [string, string][] = []
  const others: string[] = []
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!
    if (!word.startsWith('-c') && !word.startsWith('--')) others.push(word)
    else settings.push(readSetting(word === '-c' ? words[++i] ?? '' : word.slice(2)))
  }
  Object.assign(draft, { settings, startOptions: others.join(' ') })
  for (const [name] of settings) {
    const known = name.toLowerCase()
    if (!/^[A-Za-z_][\w.]*$/.test(name)) return 'is not a list such as -c name=value -c name=value; write one'
    if (known === 'search_path') return 'sets search_path; write schema=NAME instead'
    if (reserved.has(known)) return `sets ${name}, which Latchkey sets itself on each connection; leave it out`
  }
}

function readSetting (text: string): [name: string, value: string] {
  const at = text.indexOf('=')
  return [text.slice(0, Math.max(at, 0)).replaceAll('-', '_'), text.slice(at + 1).replace(/\\(.)/gs, '$1')]
}
