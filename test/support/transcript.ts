/**
 * Transcripts of a terminal as tests: `$ command`, then its output. In commands and in output `{name}` stands for an
 * unknown word, and for the same word wherever the name comes back. `{}` is any word, a line `...` any lines.
 */

export interface Step {
  command: string
  output: string
}

/** The steps of a transcript. @throws for a line before the first command: no step would check it. */
export function readTranscript (text: string): Step[] {
  const steps: Step[] = []
  for (const line of text.replace(/^\n+|\s+$/g, '').split('\n')) {
    if (line.startsWith('$ ')) steps.push({ command: line.slice(2), output: '' })
    else if (steps.length === 0) throw new Error(`not a command: ${line}`)
    else steps.at(-1)!.output += `${line}\n`
  }
  return steps
}

/** The words that the placeholders of a transcript stood for so far. */
export class Words {
  readonly #known = new Map<string, string>()

  /** The word of a name. */
  get (name: string): string {
    const word = this.#known.get(name)
    if (word === undefined) throw new Error(`nothing was printed for {${name}}`)
    return word
  }

  /** The command with its placeholders filled in. */
  fill (command: string): string {
    return command.replace(/\{(\w+)\}/g, (_, name: string) => this.get(name))
  }

  /** Whether a real output matches the expected one; learns the unknown words. */
  matches (expected: string, real: string): boolean {
    const fresh: string[] = []
    const pattern = expected.split(/(\{\w*\}|^\.\.\.\n)/m).map(piece => this.#patternOf(piece, fresh)).join('')
    const match = new RegExp(`^${pattern}$`).exec(real)
    if (match === null) return false
    for (const name of fresh) this.#known.set(name, match.groups![name]!)
    return true
  }

  #patternOf (piece: string, fresh: string[]): string {
    if (piece === '...\n') return '(?:.*\\n)*?'
    if (piece === '{}') return '[^\\s"\']+'
    const name = /^\{(\w+)\}$/.exec(piece)?.[1]
    if (name === undefined) return literal(piece)
    const known = this.#known.get(name)
    if (known !== undefined) return literal(known)
    if (fresh.includes(name)) return `\\k<${name}>`
    fresh.push(name)
    return `(?<${name}>[^\\s"']+)`
  }
}

function literal (text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}

/**
 * A page that shows an example as a transcript for the server at `url`: ids, secrets, digests and instants differ from
 * run to run, but each is the same wherever it comes back.
 */
export function examplesAsPlaceholders (page: string, url: string): string {
  const names = new Map<string, string>()
  const named = (word: string): string => {
    if (!names.has(word)) names.set(word, `word${names.size}`)
    return `{${names.get(word)}}`
  }
  return page
    .replaceAll('http://localhost:3000', url.replace('127.0.0.1', 'localhost'))
    .replace(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z/g, '{}')
    .replace(/\beyJ[\w-]+\.[\w-]+\.[\w-]+/g, named)
    .replace(/\b[a-z]+_live_[0-9A-Za-z]{20,}\b/g, named)
    .replace(/\b[a-z]{3}_[0-9A-Za-z]{22}\b/g, named)
    .replace(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, named)
    .replace(/(?<![\w-])[\w-]{43}(?![\w-])/g, named)
    .replace(/…[\w-]{4}\b/g, '{}')
    // Written in the background: there by now, or not yet.
    .replace(/^last used +.*$/gm, '...')
    .replace(/^verified {2}\d+ rows$/gm, 'verified  {} rows')
}
