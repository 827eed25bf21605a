/** Writes the generated parts of the documents; with `--check`, only reports whether they are current. */
import { readFileSync, writeFileSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileVariableOf } from '../src/config/secret-files.ts'
import type { Variable } from '../src/config/table.ts'
import { allVariables } from '../src/config/variables.ts'
import { errorStyleNames } from '../src/domain/resources/style.ts'
import { failures } from '../src/base/errors.ts'
import { metrics } from '../src/observability/prometheus.ts'
import { roomsOf } from './rooms/contents.ts'
import { floors } from './rooms/rooms.ts'

const root = join(import.meta.dirname, '..')

function defaultOf ({ default: value, whenUnset, required }: Variable): string {
  return required === true ? 'required' : (whenUnset ?? value) || 'none'
}

function descriptionOf ({ name, description, inFile }: Variable): string {
  return inFile === true ? `${description} Or \`${fileVariableOf(name)}\`, the path of a file with it.` : description
}

function environmentExample (): string {
  const entries = allVariables.map(variable =>
    `# ${descriptionOf(variable)}\n# Default: ${defaultOf(variable)}\n#${variable.name}=\n`
  )
  return [
    '# Every variable that Latchkey reads. None is needed on a laptop.',
    '# Generated from src/config/variables.ts.\n',
    ...entries,
  ].join('\n')
}

function variableTable (): string {
  const rows = allVariables.map(variable => {
    const value = variable.default ? `\`${variable.default}\`` : defaultOf(variable)
    return `| \`${variable.name}\` | ${value} | ${descriptionOf(variable)} |`
  })
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

function roomTable (): string {
  const rows = floors.flatMap(floor => {
    const rooms = roomsOf(floor)
    const top = rooms.filter(({ name }) => !name.includes('/')).map(({ name }) => `\`${name}\``).join(', ')
    const all = rooms.map(({ name, sentence }) => `| | \`${name}\` | ${sentence} |`)
    return [`| **${top}** | | ${floor.why} |`, ...all]
  })
  const headings = '| floor | room | the sentence of the room; of the floor: why it stands there |'
  return [headings, '|---|---|---|', ...rows].join('\n')
}

/** `text` with the content between the two markers replaced. */
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
  const architecture = join(root, 'docs/architecture.md')
  return new Map([
    [join(root, '.env.example'), environmentExample()],
    [join(root, 'docs/errors.md'), errorDocument()],
    [readme, between(between(readFileSync(readme, 'utf8'), 'variables', variableTable()), 'styles', styleList())],
    [operations, between(readFileSync(operations, 'utf8'), 'metrics', metricTable())],
    [architecture, between(readFileSync(architecture, 'utf8'), 'rooms', roomTable())],
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
