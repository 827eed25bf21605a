/** The architecture as a test: each rule with its reason, so that a failure says what to do and why. */
import { globSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import tap from 'tap'
import ts from 'typescript'
import { domainRooms, floors, innerRooms, strangers } from '../scripts/rooms/rooms.ts'

const root = resolve(import.meta.dirname, '..')
const src = join(root, 'src')

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
const concepts = new Set(['storage/tables', 'management/routes', 'cli/commands'])

const mostFiles = 15
const mostLines = 300
const mostColumns = 120
const mostLinesOfFunction = 60

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
const floorNames = floors.map(({ rooms }) => rooms.map(({ name }) => name))
const placeIn = (order: readonly (readonly string[])[], name: string) => order.findIndex(each => each.includes(name))

function rule (title: string, faultsOf: () => Iterable<string>): void {
  tap.test(title, async t => {
    for (const fault of new Set(faultsOf())) t.fail(fault)
  })
}

tap.test('there is something to look at', async t => {
  t.ok(sources.length > 200)
  t.ok(arrows.length > 1_000)
  t.strictSame(sources.filter(({ name }) => placeIn(floorNames, topOf(name)) === -1), [])
})

rule('imports go to the own floor or down', function * () {
  for (const { from, to } of arrows) {
    const [above, below] = [placeIn(floorNames, topOf(from.name)), placeIn(floorNames, topOf(to.name))]
    if (below < above) yield `src/${from.name} imports src/${to.name} above it: ${floors[below]!.why}`
    for (const { names, why } of strangers) {
      const [one, other] = [names.indexOf(topOf(from.name)), names.indexOf(topOf(to.name))]
      if (one !== -1 && other !== -1 && one !== other) yield `src/${from.name} imports src/${to.name}: ${why}`
    }
  }
})

/** What the dashboard may import beside its own room: pages, texts and the way to the API, and no way around it. */
const dashboardMayImport = [
  'base', 'guard/index.ts', 'http', 'management/explanation/subject-form.ts', 'management/resource.ts',
  'management/schemas', 'pages', 'protocol/shared/paths.ts', 'secrets',
  // For the types of their answers.
  'management/routes/mcp-servers.ts', 'management/routes/resources.ts'
]

rule('the dashboard reaches nothing but by the management API: it has no privilege of its own', function * () {
  for (const { from, to } of arrows) {
    if (topOf(from.name) !== 'dashboard' || topOf(to.name) === 'dashboard') continue
    const mayBe = dashboardMayImport.some(each => to.name === each || to.name.startsWith(`${each}/`))
    if (!mayBe) yield `src/${from.name} imports src/${to.name}: ask the API by the visit's \`api\``
  }
})

rule('rooms of the domain import rooms below them: what comes first in the order needs nothing else', function * () {
  for (const { name } of sources.filter(({ name }) => topOf(name) === 'domain')) {
    if (domainPlaceOf(name) === -1) yield `src/${name} stands in a room without a place in the order`
  }
  for (const { from, to } of arrows) {
    if (topOf(from.name) !== 'domain' || topOf(to.name) !== 'domain') continue
    // Rooms within one room are of one place.
    if (from.name.split('/')[1] === to.name.split('/')[1]) continue
    if (domainPlaceOf(to.name) <= domainPlaceOf(from.name)) yield `src/${from.name} imports src/${to.name}`
  }
})

function domainPlaceOf (name: string): number {
  return placeIn(domainRooms, name.split('/')[1]!)
}

rule('no file imports itself by way of others: a circle can only be understood at once', function * () {
  for (const circle of circles()) yield circle.map(({ name }) => name).sort().join(', ')
})

/** Groups of sources that all import each other by some way (Tarjan's strongly connected components). */
function circles (): Source[][] {
  const found: Source[][] = []
  const stack: Source[] = []
  const index = new Map<Source, number>()
  const low = new Map<Source, number>()
  const visit = (source: Source): void => {
    index.set(source, index.size)
    low.set(source, index.get(source)!)
    stack.push(source)
    for (const target of targetsOf(source)) {
      if (!index.has(target)) visit(target)
      if (stack.includes(target)) low.set(source, Math.min(low.get(source)!, low.get(target)!))
    }
    if (low.get(source) === index.get(source)) found.push(stack.splice(stack.indexOf(source)))
  }
  for (const source of sources) if (!index.has(source)) visit(source)
  return found.filter(group => group.length > 1)
}

rule(`a room has at most ${mostFiles} files: more are not seen at a glance`, function * () {
  for (const [room, files] of Map.groupBy(sources, ({ name }) => roomOf(name))) {
    if (!concepts.has(room) && files.length > mostFiles) yield `src/${room} has ${files.length} files`
  }
})

rule('files of a room of concepts do not know each other: the room grows with the concepts', function * () {
  for (const { from, to } of arrows) {
    const room = roomOf(from.name)
    if (concepts.has(room) && room === roomOf(to.name)) yield `src/${from.name} imports its sibling src/${to.name}`
  }
})

rule(`a file has at most ${mostLines} lines: it is read from top to bottom`, function * () {
  for (const { name, text } of sources) {
    if (text.trimEnd().split('\n').length > mostLines) yield `src/${name} is too long`
  }
})

rule(`a function has at most ${mostLinesOfFunction} lines beside the functions in it: it is seen whole`, function * () {
  for (const { name, text } of sources) {
    const file = parsed(name, text)
    for (const node of nodesOf(file)) {
      if (!ts.isFunctionLike(node) || linesOf(file, node) <= mostLinesOfFunction) continue
      const within = [...nodesOf(node)].filter(each => each !== node && ts.isFunctionLike(each))
      const outermost = within.filter(each => !within.some(other => other !== each && isIn(each, other)))
      const own = outermost.reduce((lines, each) => lines - linesOf(file, each) + 1, linesOf(file, node))
      const comments = node.getText(file).split('\n').filter(line => /^\s*(\/\*\*|\*|\/\/)/.test(line)).length
      if (own - comments <= mostLinesOfFunction) continue
      yield `src/${name}: ${node.name?.getText(file) ?? 'a function'} is too long`
    }
  }
})

function linesOf (file: ts.SourceFile, node: ts.Node): number {
  const [first, last] = [node.getStart(file), node.end].map(at => file.getLineAndCharacterOfPosition(at).line)
  return last! - first! + 1
}

function isIn (node: ts.Node, outer: ts.Node): boolean {
  return node.pos >= outer.pos && node.end <= outer.end
}

rule('each file opens with a sentence that says what it is for', function * () {
  for (const { name, text } of sources) if (!/^\/\*\*?[\s*]+\S.{15,}|^\/\/ \S.{15,}/.test(text)) yield `src/${name}`
})

rule('each room has a sentence in scripts/rooms/rooms.ts, and each sentence a room', function * () {
  const rooms = new Set(sources.map(({ name }) => roomOf(name)).filter(room => room.includes('/')))
  for (const room of rooms) if (!Object.hasOwn(innerRooms, room)) yield `src/${room} has no sentence`
  for (const room of Object.keys(innerRooms)) if (!rooms.has(room)) yield `src/${room} holds no file`
})

rule('the top of src/ holds index.ts and app.ts alone: everything else has a room', function * () {
  for (const { name } of sources) {
    if (!name.includes('/') && name !== 'app.ts' && name !== 'index.ts') yield `src/${name}`
  }
})

rule(
  'no index.ts re-exports a room but the faces of the library: a barrel loads more than was asked for',
  function * () {
    for (const { name, text } of sources) {
      if (!name.endsWith('/index.ts') || name === 'guard/index.ts') continue
      if (/^export (?:\*|(?:type )?\{[^}]*\}) from/m.test(text)) yield `src/${name}`
    }
  }
)

/** Titles of tests, patterns and texts over many lines stay in one piece. */
rule(`a line of code has at most ${mostColumns} columns: two files fit side by side`, function * () {
  const written = ['src', 'test', 'scripts', 'bench', 'bin', 'examples']
    .flatMap(folder => globSync(`${folder}/**/*.{ts,js}`, { cwd: root }))
    .filter(name => !/generated|node_modules|test\/mutations\/mutations\.ts/.test(name))
  for (const name of written) {
    const text = readFileSync(join(root, name), 'utf8')
    const lines = text.split('\n')
    if (!lines.some(line => line.length > mostColumns)) continue
    const whole = unbrokenLines(name, text)
    for (const [index, line] of lines.entries()) {
      if (line.length > mostColumns && !whole.has(index)) yield `${name}: ${line.trim().slice(0, 60).trim()}`
    }
  }
})

/** The lines on which a text stands that is in one piece. */
function unbrokenLines (name: string, text: string): Set<number> {
  const file = parsed(name, text)
  const lines = new Set<number>()
  for (const node of nodesOf(file)) {
    const isText = ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node) || ts.isTemplateExpression(node)
    const isTitle = isText && ts.isCallExpression(node.parent) && node.parent.arguments[0] === node &&
      /test$/.test(node.parent.expression.getText(file))
    const isOverLines = isText && node.getText(file).includes('\n')
    if (!isTitle && !isOverLines && !ts.isRegularExpressionLiteral(node)) continue
    const [first, last] = [node.getStart(file), node.end].map(at => file.getLineAndCharacterOfPosition(at).line)
    for (let line = first!; line <= last!; line++) lines.add(line)
  }
  return lines
}

function parsed (name: string, text: string): ts.SourceFile {
  return ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true)
}

function * nodesOf (node: ts.Node): Generator<ts.Node> {
  yield node
  const children: ts.Node[] = []
  ts.forEachChild(node, child => { children.push(child) })
  for (const child of children) yield * nodesOf(child)
}

rule('a library that is confined to a floor is imported by no other', function * () {
  for (const { name, imports } of sources) {
    for (const specifier of imports) {
      const [library, only] = Object.entries(confined)
        .find(([each]) => specifier === each || specifier.startsWith(`${each}/`)) ?? []
      if (only !== undefined && topOf(name) !== only.floor) yield `src/${name} imports ${library}: ${only.why}`
    }
  }
})

rule('schemas are built by typebox-lite.ts, the library gives types alone: it is a tenth of a start', function * () {
  for (const { name, text } of sources) {
    if (/^import (?!type )[^'\n]*'(?:typebox|@fastify\/type-provider-typebox)'/m.test(text)) yield `src/${name}`
  }
})

/** What stands in one place alone: a file, or a room. */
const onePlace: readonly { what: string, pattern: RegExp, places: readonly string[] }[] = [
  { what: 'the environment is read by the configuration alone', pattern: /process\.env/, places: ['config/'] },
  {
    what: 'N8: the address of a request, which may be missing, is asked for by ip-address.ts alone',
    pattern: /equest(?:\(\))?\.ips?\b|\bips?\b[^(){}]*\}: FastifyRequest/,
    places: ['base/ip-address.ts'],
  },
  {
    // access-token.ts digests whole tokens as the key of its memory, which is no comparison of secrets.
    what: 'secrets are made, digested and compared in the room of secrets alone',
    pattern: /randomBytes|timingSafeEqual|createHash|createHmac|createCipheriv|\bhash\('sha/,
    places: ['secrets/', 'domain/tokens/access-token.ts'],
  },
]

for (const { what, pattern, places } of onePlace) {
  rule(what, function * () {
    for (const { name, text } of sources) {
      if (pattern.test(text) && !places.some(place => name.startsWith(place))) yield `src/${name}`
    }
  })
}
