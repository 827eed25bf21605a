// npm run mutate: breaks the line that a test guards, for each entry of test/mutations/mutations.ts, and demands that
// this test fails.
//
// npm run mutate -- --only 7,20-25     these entries alone, by their number in --list
// npm run mutate -- --list             the tests that the seed draws, and which of them have an entry
// npm run mutate -- --check            checks that every entry names one test and one place in the sources
// npm run mutate -- --jobs 4           the number of concurrent tests; default: 2
//
// Exit code 1 if a break goes undetected, a test does not run or fails without its break, or an entry is stale.
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { chmod, cp, mkdir, mkdtemp, readFile, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Parser } from 'tap-parser'
import { makeTemplates } from '../test/support/databases.ts'
import { mutations } from '../test/mutations/mutations.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { locate, pattern, sourcesUnder, type Break } from '../test/mutations/breaks.ts'
import { draw, nameOf, titledTests } from '../test/mutations/titles.ts'

const root = join(import.meta.dirname, '..')
const drawn = 100
/** A break may make a test wait forever. */
const patienceMs = 300_000
const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    list: { type: 'boolean' },
    check: { type: 'boolean' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
    verbose: { type: 'boolean' },
  },
})

const tests = titledTests(root)
const wanted = draw(tests, { seed: values.seed, size: drawn })
const titles = new Set(mutations.map(each => each.title))
const missing = wanted.filter(each => !titles.has(each.title))

if (values.list) {
  for (const { file, title } of wanted) {
    const number = mutations.findIndex(each => each.title === title) + 1
    console.log(`${number === 0 ? '  -' : String(number).padStart(3)}  ${file}  ${title}`)
  }
  process.exit(0)
}

const sources = sourcesUnder(root)
const located = mutations.map(each => locate(each, tests, sources))
const stale = located.flatMap((each, index) =>
  typeof each === 'string' ? [`${index + 1} "${mutations[index]!.title}": ${each}`] : []
)
for (const line of stale) console.error(`stale: ${line}`)
if (values.check) {
  if (stale.length > 0) console.error(`${stale.length} entries of test/mutations/mutations.ts do not apply any more`)
  process.exit(stale.length === 0 ? 0 : 1)
}

const chosen = chosenBy(values.only)
interface Entry {
  each: Break, number: number
}
const queue = located.map((each, index) => ({ each, number: index + 1 })).filter((entry): entry is Entry =>
  typeof entry.each !== 'string' && chosen(entry.number)
)

/** `inconclusive`: the test did not run, or failed without its break. */
type Verdict = 'seen' | 'not seen' | 'inconclusive'
const counts: Record<Verdict, number> = { seen: 0, 'not seen': 0, inconclusive: 0 }

const folder = await mkdtemp(join(tmpdir(), 'latchkey-mutate-'))
// A test that starts a PostgreSQL has it read its data as another user.
await chmod(folder, 0o755)
/** Leaders of the running process groups. */
const running = new Set<number>()
process.on('exit', () => {
  running.forEach(endGroup)
  rmSync(folder, { recursive: true, force: true })
})
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1))
const postgres = await startPostgres()
try {
  const environment = {
    ...process.env,
    LATCHKEY_TEST_POSTGRES: postgres.url,
    ...await makeTemplates(folder, postgres.url),
    TAP_TIMEOUT: String(patienceMs / 1_000)
  }
  // Breaks of one file follow each other: if the whole file has to run, it runs once without a break.
  const files = [...Map.groupBy(queue, entry => entry.each.file).values()]
  const again: Entry[] = []
  const trees = await Promise.all(
    Array.from({ length: Number(values.jobs) }, (_, i) => copyTree(join(folder, String(i))))
  )
  await Promise.all(trees.map(async tree => {
    for (let entries = files.shift(); entries !== undefined; entries = files.shift()) {
      again.push(...await tryAll(entries, tree, environment))
    }
  }))
  // On a busy machine the start of a test may time out; it is repeated alone.
  for (const entry of again) {
    counts.inconclusive--
    await tryAll([entry], trees[0]!, environment)
  }
} finally {
  await postgres.stop()
}

if (missing.length > 0) {
  console.log(`${missing.length} of the ${drawn} tests that seed ${values.seed} draws have no entry: see --list`)
}
const { seen, 'not seen': unseen, inconclusive } = counts
console.log(
  `mutations: ${seen + unseen + inconclusive} tried, ${seen} seen, ${unseen} not seen${
    inconclusive === 0 ? '' : `, ${inconclusive} without a verdict`
  }`
)
process.exit(unseen + inconclusive + stale.length === 0 ? 0 : 1)

/** The numbers in `7,20-25`; absent: all. */
function chosenBy (only: string | undefined): (number: number) => boolean {
  if (only === undefined) return () => true
  const ranges = only.split(',').map(part => part.split('-').map(Number))
  return number => ranges.some(([from = NaN, to = from]) => number >= from && number <= to)
}

/** Copies the sources of the tests, without build output. The libraries are shared. */
async function copyTree (tree: string): Promise<string> {
  const without = new Set(['.git', '.tap', 'data', 'dist', 'node_modules'].map(name => join(root, name)))
  await cp(root, tree, { recursive: true, filter: source => !without.has(source) })
  await symlink(join(root, 'node_modules'), join(tree, 'node_modules'))
  await mkdir(join(tree, 'tmp'))
  return tree
}

/** Tries breaks of one file; returns those without a verdict. */
async function tryAll (entries: readonly Entry[], tree: string, environment: NodeJS.ProcessEnv): Promise<Entry[]> {
  let whole: Promise<Outcome> | null = null
  const again: Entry[] = []
  for (const entry of entries) {
    const { each, number } = entry
    const name = nameOf(each.title)
    const alone = {
      ...environment, TAP_GREP: [...each.around, each.title].map(title => String(nameOf(title))).join('\n')
    }
    // A test that depends on earlier ones does not pass alone: then its whole file is run.
    const passesAlone = (await runTests(each.file, tree, alone)).of(name) === 'passed'
    const before = passesAlone ? null : await (whole ??= runTests(each.file, tree, environment))
    const [verdict, said] = before !== null && before.of(name) !== 'passed'
      ? ['inconclusive', `the test ${before.of(name)} without the break; ${before.end}`] as const
      : await tryOne(each, name, tree, passesAlone ? alone : environment)
    counts[verdict]++
    if (verdict === 'inconclusive') again.push(entry)
    console.log(
      `${String(number).padStart(3)}  ${verdict}  ${each.file}  ${each.title}${said === '' ? '' : `\n     ${said}`}`
    )
  }
  return again
}

async function tryOne (
  each: Break, name: RegExp, tree: string, environment: NodeJS.ProcessEnv
): Promise<[Verdict, string]> {
  const path = join(tree, each.source)
  const whole = await readFile(path, 'utf8')
  try {
    await writeFile(path, whole.replace(pattern(each.find), () => each.replace))
    const after = await runTests(each.file, tree, environment)
    const outcome = after.of(name)
    if (outcome === 'failed') return ['seen', values.verbose ? after.failures(name) : '']
    return [
      outcome === 'passed' ? 'not seen' : 'inconclusive', `the test ${outcome} with ${each.source} broken; ${after.end}`
    ]
  } finally {
    await writeFile(path, whole)
  }
}

interface Outcome {
  of (name: RegExp): 'passed' | 'failed' | 'did not run'
  failures (name: RegExp): string
  /** How the process ended. */
  end: string
}

/** Runs one file of tests in its own process group, which is ended with it. */
async function runTests (file: string, tree: string, environment: NodeJS.ProcessEnv): Promise<Outcome> {
  const env = { ...environment, TMPDIR: join(tree, 'tmp'), NODE_COMPILE_CACHE: join(tree, 'tmp', 'compiled') }
  const child = spawn(process.execPath, [file], { cwd: tree, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child.pid!)
  const results: { name: string, ok: boolean, text: string }[] = []
  const parser = new Parser()
  follow(parser, results)
  child.stdout.pipe(parser)
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => { said = (said + String(chunk)).slice(-1_000) })
  const patience = setTimeout(endGroup, patienceMs, child.pid!)
  const end = await new Promise<string>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code, signal) => { resolve(signal === null ? `exit code ${code}` : `ended by ${signal}`) })
  })
  clearTimeout(patience)
  endGroup(child.pid!)
  running.delete(child.pid!)
  return {
    of: name => {
      const own = results.filter(each => name.test(each.name))
      return own.length === 0 ? 'did not run' : own.every(each => each.ok) ? 'passed' : 'failed'
    },
    failures: name => results.filter(each => !each.ok && name.test(each.name)).map(each => each.text).join('; '),
    end: said === '' ? end : `${end}, it said: ${said.trim()}`,
  }
}

function endGroup (leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL')
  } catch {
    // The whole group has ended by itself.
  }
}

/** Collects the result of each titled block, at any depth, and its first failed assertion. */
function follow (parser: Parser, results: { name: string, ok: boolean, text: string }[]): { failure: string } {
  const block = { failure: '' }
  let inner: { failure: string } | null = null
  parser.on('child', child => { inner = follow(child, results) })
  parser.on('assert', ({ name, ok, skip, todo, diag }) => {
    const failure = ok ? '' : inner?.failure || `${name} ${JSON.stringify(diag ?? null).slice(0, 300)}`
    if (inner !== null && !skip && !todo) results.push({ name, ok, text: failure })
    block.failure ||= failure
    inner = null
  })
  return block
}
