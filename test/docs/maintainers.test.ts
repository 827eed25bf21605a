/** The documents for maintainers are held to the code: links, the walks of docs/architecture.md, the list of rooms. */
import { globSync, readdirSync, readFileSync, existsSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import tap from 'tap'
import { ownEnvironment, run } from '../support/running-server.ts'

const root = resolve(import.meta.dirname, '../..')
const documents = globSync(['*.md', 'docs/**/*.md', 'clients/*/README.md'], { cwd: root }).sort()
const read = (name: string): string => readFileSync(join(root, name), 'utf8')

tap.test('every relative link leads to a file, and to a heading if it names one', async t => {
  t.ok(documents.includes('docs/architecture.md') && documents.includes('CONTRIBUTING.md'))
  for (const document of documents) {
    for (const [, target, anchor] of read(document).matchAll(/\]\((?!http)([^)#]*)(?:#([^)]+))?\)/g)) {
      const file = target === '' ? document : join(dirname(document), target!)
      const isThere = existsSync(join(root, file)) && (anchor === undefined || anchorsOf(read(file)).has(anchor))
      if (!isThere) t.fail(`${document} links to ${file}#${anchor ?? ''}`)
    }
  }
})

/** The anchors of the headings of a document, as GitHub makes them. */
function anchorsOf (text: string): Set<string> {
  return new Set(Array.from(text.matchAll(/^#+ (.+)$/gm), ([, heading]) =>
    heading!.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-')))
}

const walks = Array.from(read('docs/architecture.md').matchAll(/<!-- walk -->\n([^]*?)<!-- \/walk -->/g), ([, rows]) =>
  Array.from(rows!.matchAll(/^\| (\d+) \| \[[^\]]+\]\(\.\.\/([^)]+)\) \| ([^|]+) \|/gm), ([, step, file, names]) => ({
    step: Number(step), file: file!, names: Array.from(names!.matchAll(/`([^`]+)`/g), ([, name]) => name!)
  })))

tap.test('each walk of docs/architecture.md has at most 12 files, and each defines what the walk names in it', async t => {
  t.equal(walks.length, 3)
  for (const walk of walks) {
    t.strictSame(walk.map(({ step }) => step), walk.map((_, index) => index + 1))
    t.ok(walk.length >= 8 && walk.length <= 12)
    for (const { file, names } of walk) {
      const text = read(file)
      t.ok(names.length > 0, file)
      for (const name of names) {
        // A function, a method, a class or a value: not a call of one that another file defines.
        const definition = new RegExp(
          `(?:function|class|const|get) ${name}\\b|^ +(?:async |static )?${name} \\(|^ +${name}: |[{] ${name}: `, 'm'
        )
        t.match(text, definition, `${file} defines ${name}`)
      }
    }
  }
})

tap.test('npm run rooms lists every file of src/, each in its room, in the order of docs/architecture.md', async t => {
  const { code, stdout } = await run(process.execPath, [join(root, 'scripts/rooms.ts')], { env: ownEnvironment({}) })
  t.equal(code, 0)
  const listed = Array.from(stdout.matchAll(/^ {2}(\S+\.ts) /gm), ([, name]) => name!)
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts') && !name.includes('generated'))
  t.strictSame([...listed].sort(), sources.sort())
  const rooms = Array.from(stdout.matchAll(/^(\S+): ./gm), ([, name]) => name!)
  t.strictSame(rooms, Array.from(read('docs/architecture.md').matchAll(/^\| \| `(\S+)` \|/gm), ([, name]) => name!))
})

tap.test('lines of prose have at most 120 columns; tables, code and links alone may be longer', async t => {
  for (const document of ['CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', 'AGENTS.md', 'docs/architecture.md']) {
    const prose = read(document).replace(/^```[^]*?^```/gm, '').split('\n').filter(line => !line.startsWith('|'))
    for (const line of prose) if (line.length > 120) t.fail(`${document}: ${line}`)
  }
})
