/** The architecture as a test: each rule with its reason, so that a failure says what to do and why. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import tap from 'tap'
import ts from 'typescript'

const root = resolve(import.meta.dirname, '..')
const src = join(root, 'src')

/** The floors of src/, the highest first: imports go to the own floor or to a lower one. `name`: a folder or a file. */
const floors: readonly { why: string, names: readonly string[] }[] = [
  { names: ['cli'], why: 'commands start everything, and nothing starts commands' },
  { names: ['index.ts'], why: 'the face of the library shows what is below' },
  { names: ['server'], why: 'the process: it listens with what app.ts has put together' },
  { names: ['app.ts'], why: 'the one place where the parts of a server are put together' },
  { names: ['dashboard', 'management'], why: 'what operators use is a guarded resource like any other' },
  { names: ['protocol', 'guard', 'storage', 'fetch'], why: 'edges: each is at home without the others' },
  { names: ['domain'], why: 'the rules know neither HTTP nor a database' },
  { names: ['observability'], why: 'what is measured is told without knowing what it is about' },
  { names: ['http', 'config', 'secrets', 'telemetry'], why: 'ground: what any part may use' },
  { names: ['base'], why: 'ground of the ground' },
]

/** Edges that stand side by side, and do not know each other. */
const strangers: readonly { names: readonly string[], why: string }[] = [
  { names: ['protocol', 'guard'], why: 'a guard works in another process than the authorization server' },
  { names: ['guard', 'storage'], why: 'a guard works without a database' },
  { names: ['protocol', 'storage'], why: 'the endpoints go by the ports of the domain' },
  { names: ['guard', 'config'], why: 'a guard of another process has no configuration of ours' },
]

/** Rooms of the domain, the highest first; type imports count. */
const domainRooms: readonly (readonly string[])[] = [
  ['store.ts'],
  ['maintenance'],
  ['access', 'metering', 'people'],
  ['credentials'],
  ['policy', 'members'],
  ['resources'],
  ['tokens', 'tenancy'],
  ['audit'],
  ['core'],
]

/** Packages that one floor alone may import, and why. */
const confined: Record<string, { floor: string, why: string }> = {
  'oidc-provider': { floor: 'protocol', why: 'its words are not ours anywhere else' },
  '@prisma/client': { floor: 'storage', why: 'the database can be another one' },
  'better-sqlite3': { floor: 'storage', why: 'the database can be another one' },
  pg: { floor: 'storage', why: 'the database can be another one' },
  commander: { floor: 'cli', why: 'a server does not load the command line' },
  'prom-client': { floor: 'observability', why: 'it is loaded by the first scrape' },
  '@opentelemetry': { floor: 'observability', why: 'it is loaded where tracing is on' },
}

/** Rooms with one file for each concept: they grow with the concepts, and their files do not know each other. */
const concepts = new Set(['storage/tables', 'management/routes', 'cli/commands', 'dashboard'])

const mostFiles = 15
const mostLines = 300
const mostColumns = 120

interface Source { path: string, name: string, text: string, imports: readonly string[] }

const sources: readonly Source[] = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter(name => name.endsWith('.ts') && !name.includes('generated'))
  .sort()
  .map(name => {
    const path = join(src, name)
    const text = readFileSync(path, 'utf8')
    return { path, name, text, imports: ts.preProcessFile(text, true, true).importedFiles.map(each => each.fileName) }
  })
const byPath = new Map(sources.map(source => [source.path, source]))
const roomOf = (name: string): string => dirname(name)
const topOf = (name: string): string => name.split('/')[0]!

function targetsOf ({ path, imports }: Source): Source[] {
  return imports.filter(each => each.startsWith('.')).map(each => byPath.get(resolve(dirname(path), each)))
    .filter(target => target !== undefined)
}

/** Every import of one source by another. */
const arrows = sources.flatMap(from => targetsOf(from).map(to => ({ from, to })))
const placeIn = (order: readonly (readonly string[])[], name: string) => order.findIndex(each => each.includes(name))

/** What still breaks a rule, by the rule's first words: each entry has to go, and one that is not needed fails. */
const expected: readonly string[] = []

tap.test('there is something to look at', async t => {
  t.ok(sources.length > 200)
  t.ok(arrows.length > 1_000)
  t.strictSame(sources.filter(({ name }) => placeIn(floors.map(({ names }) => names), topOf(name)) === -1), [])
})

tap.test('imports go to the own floor or down', async t => {
  const order = floors.map(({ names }) => names)
  for (const { from, to } of arrows) {
    const [above, below] = [placeIn(order, topOf(from.name)), placeIn(order, topOf(to.name))]
    if (below < above) t.fail(`src/${from.name} imports src/${to.name}, which is above: ${floors[below]!.why}`)
    for (const { names, why } of strangers) {
      const [one, other] = [names.indexOf(topOf(from.name)), names.indexOf(topOf(to.name))]
      if (one !== -1 && other !== -1 && one !== other) t.fail(`src/${from.name} imports src/${to.name}: ${why}`)
    }
  }
})

tap.test('rooms of the domain import rooms below them: what is first understood needs nothing else', async t => {
  for (const { from, to } of arrows.filter(({ from, to }) => topOf(from.name) === 'domain' && topOf(to.name) === 'domain')) {
    const [one, other] = [from.name, to.name].map(name => placeIn(domainRooms, name.split('/')[1]!)) as [number, number]
    t.ok(one !== -1, `${from.name} stands in a room of the domain that has a place in the order`)
    if (other < one || (other === one && roomOf(from.name) !== roomOf(to.name))) {
      t.fail(`src/${from.name} imports src/${to.name}`)
    }
  }
})

tap.test('no file imports itself by way of others: what is in a circle can only be understood at once', async t => {
  const done = new Set<Source>()
  const way: Source[] = []
  const visit = (source: Source): void => {
    if (way.includes(source)) {
      t.fail([...way.slice(way.indexOf(source)), source].map(({ name }) => name).join(' → '))
      return
    }
    if (done.has(source)) return
    way.push(source)
    for (const target of targetsOf(source)) visit(target)
    way.pop()
    done.add(source)
  }
  for (const source of sources) visit(source)
})

tap.test(`a room has at most ${mostFiles} files: more are not seen at a glance`, async t => {
  const rooms = Map.groupBy(sources, ({ name }) => roomOf(name))
  for (const [room, files] of rooms) {
    if (!concepts.has(room)) t.ok(files.length <= mostFiles, `src/${room} has ${files.length} files`)
  }
})

tap.test('files of a room of concepts do not know each other', async t => {
  for (const { from, to } of arrows) {
    const room = roomOf(from.name)
    if (concepts.has(room) && room === roomOf(to.name)) t.fail(`src/${from.name} imports its sibling ${to.name}`)
  }
})

tap.test(`a file has at most ${mostLines} lines: it is read from top to bottom`, async t => {
  for (const { name, text } of sources) {
    const lines = text.trimEnd().split('\n').length
    t.ok(lines <= mostLines, `src/${name} has ${lines} lines`)
  }
})

tap.test(`a function has at most 60 lines: it is seen whole`, async t => {
  for (const { name, path, text } of sources) {
    const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true)
    const lineOf = (position: number) => file.getLineAndCharacterOfPosition(position).line
    const visit = (node: ts.Node): void => {
      if (ts.isFunctionDeclaration(node) || ts.isMethodDeclaration(node)) {
        const lines = lineOf(node.end) - lineOf(node.getStart(file)) + 1
        if (lines > 60) t.fail(`src/${name}: ${node.name?.getText(file)} has ${lines} lines`)
      }
      ts.forEachChild(node, visit)
    }
    visit(file)
  }
})

/** What stands on top of a file: its first comment, if nothing but a directive is before it. */
function headerOf (text: string): string | null {
  const found = /^(?:#!.*\n)?\s*(?:\/\*\*?([\s\S]*?)\*\/|((?:\/\/.*\n)+))/.exec(text)
  return found === null ? null : (found[1] ?? found[2]!).replace(/^\s*(\*|\/\/) ?/gm, '').trim()
}

tap.test('each file opens with a sentence that says what it is for', async t => {
  for (const { name, text } of sources) t.ok(headerOf(text)?.match(/\S.{15,}/), `src/${name}`)
})

tap.test('the top of src/ holds index.ts and app.ts alone: everything else has a room', async t => {
  t.strictSame(sources.filter(({ name }) => !name.includes('/')).map(({ name }) => name), ['app.ts', 'index.ts'])
})

tap.test('no index.ts re-exports a room but the faces of the library: a barrel loads what nobody asked for', async t => {
  const faces = ['index.ts', 'guard/index.ts']
  for (const { name, text } of sources.filter(each => each.name.endsWith('index.ts') && !faces.includes(each.name))) {
    t.notMatch(text, /^export (?:\*|\{[^}]*\}|type \{[^}]*\}) from/m, `src/${name}`)
  }
})

/** Lines of code that people write; titles of tests and texts in templates stay in one piece. */
tap.test(`a line has at most ${mostColumns} columns: two files fit side by side`, async t => {
  const written = ['src', 'test', 'scripts', 'bench', 'bin', 'examples'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(name => join(folder, name)))
    .filter(name => /\.(ts|js)$/.test(name) && !/generated\/|test\/mutations\/mutations\.ts/.test(name))
  for (const name of written) {
    const text = readFileSync(join(root, name), 'utf8')
    if (!text.split('\n').some(line => line.length > mostColumns)) continue
    const whole = name.startsWith('src/') ? [] : unbrokenTexts(name, text)
    let start = 0
    for (const [index, line] of text.split('\n').entries()) {
      const end = start + line.length
      if (line.length > mostColumns && !whole.some(([from, to]) => from < end && to > start + 20)) {
        t.fail(`${name}:${index + 1} has ${line.length} columns`)
      }
      start = end + 1
    }
  }
})

/** Where a text stands that is one piece: the title of a test, an expression of a pattern, a text over many lines. */
function unbrokenTexts (name: string, text: string): [from: number, to: number][] {
  const file = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true)
  const found: [number, number][] = []
  const visit = (node: ts.Node): void => {
    const isText = ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node) || ts.isTemplateExpression(node)
    const isTitle = isText && ts.isCallExpression(node.parent) && node.parent.arguments[0] === node &&
      /test$/.test(node.parent.expression.getText(file))
    const isOver = isText && node.getText(file).includes('\n')
    if (isTitle || isOver || ts.isRegularExpressionLiteral(node)) found.push([node.getStart(file), node.end])
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

tap.test('a library that is confined to a floor is imported by no other', async t => {
  for (const { name, imports } of sources) {
    for (const specifier of imports) {
      const [library, rule] = Object.entries(confined)
        .find(([each]) => specifier === each || specifier.startsWith(`${each}/`)) ?? []
      if (rule !== undefined) t.equal(topOf(name), rule.floor, `src/${name} imports ${library}: ${rule.why}`)
    }
  }
})

tap.test('schemas are built by typebox-lite.ts, and the library gives types alone: it is a tenth of a start', async t => {
  for (const { name, text } of sources) {
    t.notMatch(text, /^import (?!type )[^'\n]*'(?:typebox|@fastify\/type-provider-typebox)'/m, `src/${name}`)
  }
})

/** What stands in one file alone: the pattern, the files, and why. */
const onePlace: readonly { what: string, pattern: RegExp, files: readonly string[] }[] = [
  { what: 'the environment is read by the configuration alone', pattern: /process\.env/, files: ['config/config.ts'] },
  {
    what: 'N8: the address of a request, which may be missing, is asked for by ip-address.ts alone',
    pattern: /equest(?:\(\))?\.ips?\b|\bips?\b[^(){}]*\}: FastifyRequest/,
    files: ['base/ip-address.ts'],
  },
  {
    // access-token.ts digests whole tokens as the key of its memory, which is no comparison of secrets.
    what: 'secrets are made, digested and compared in the room of secrets alone',
    pattern: /randomBytes|timingSafeEqual|createHash|createHmac|createCipheriv|\bhash\('sha/,
    files: ['secrets/', 'domain/tokens/access-token.ts'],
  },
]

for (const { what, pattern, files } of onePlace) {
  tap.test(what, async t => {
    for (const { name } of sources.filter(({ text }) => pattern.test(text))) {
      t.ok(files.some(file => name === file || (file.endsWith('/') && name.startsWith(file))), `src/${name}`)
    }
  })
}
