/** Writes what is generated from the code into the documents; with `--check`, only says whether they are current. */
import { readFileSync, writeFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { commandVariables, variables } from '../src/config/config.ts'
import { errorStyleNames } from '../src/domain/resources/style.ts'
import { failures } from '../src/base/errors.ts'
import { metrics } from '../src/observability/prometheus.ts'

const root = join(import.meta.dirname, '..')

function environmentExample (): string {
  const entries = [...variables, ...commandVariables].map(
    ({ name, description, default: value }) => `# ${description}\n# Default: ${value}\n#${name}=\n`
  )
  return `# Every variable that Latchkey reads. All of them may be left out on a laptop.\n# Generated from src/config/config.ts.\n\n${
    entries.join('\n')
  }`
}

function variableTable (): string {
  const rows = [...variables, ...commandVariables].map(
    ({ name, default: value, description }) => `| \`${name}\` | ${value} | ${description} |`
  )
  return ['| variable | default | |', '|---|---|---|', ...rows].join('\n')
}

function styleList (): string {
  const named = errorStyleNames.map(name => `\`${name}\``)
  return `The styles are ${named.slice(0, -1).join(', ')} and ${named.at(-1)}.`
}

function errorDocument (): string {
  const rows = Object.entries(failures).map(([code, { status, message }]) =>
    `| \`${code.toUpperCase()}\` | ${status} | ${message} |`
  )
  return [
    '# Errors of the management API',
    '',
    'Generated from `src/base/errors.ts`. An answer is `{"error": text, "code": CODE, "details"?: {…}}`; the text ' +
      'may say more than',
    'the sentence below. The OAuth endpoints answer as RFC 6749 §5.2, RFC 7591 §3.2.2 and RFC 6750 §3.1 say; guarded ' +
      'routes in the',
    'style of their resource.',
    '',
    '| code | status | |', '|---|---|---|', ...rows, '',
  ].join('\n')
}

function metricTable (): string {
  const rows = metrics.map(({ name, type, labels, help }) =>
    `| \`${name}\` | ${type} | ${labels.map(label => `\`${label}\``).join(', ')} | ${help} |`
  )
  return ['| metric | type | labels | |', '|---|---|---|---|', ...rows].join('\n')
}

/** `text` with what stands between the two markers replaced. */
function between (text: string, marker: string, content: string): string {
  const start = `<!-- ${marker} -->`
  const end = `<!-- /${marker} -->`
  const from = text.indexOf(start)
  const to = text.indexOf(end)
  if (from === -1 || to === -1) throw new Error(`a document lacks the markers ${start} … ${end}`)
  return text.slice(0, from + start.length) + '\n' + content + '\n' + text.slice(to)
}

function documents (): Map<string, string> {
  const readme = join(root, 'README.md')
  const operations = join(root, 'docs/operations.md')
  return new Map([
    [join(root, '.env.example'), environmentExample()],
    [join(root, 'docs/errors.md'), errorDocument()],
    [readme, between(between(readFileSync(readme, 'utf8'), 'variables', variableTable()), 'styles', styleList())],
    [operations, between(readFileSync(operations, 'utf8'), 'metrics', metricTable())],
  ])
}

const check = process.argv.includes('--check')
for (const [file, content] of documents()) {
  if (existsSync(file) && readFileSync(file, 'utf8') === content) continue
  if (!check) {
    writeFileSync(file, content)
    continue
  }
  process.stderr.write(`${file} is not current: run npm run generate-docs\n`)
  process.exitCode = 1
}
