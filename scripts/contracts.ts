// npm run contracts: runs the contract tests and prints, per system, how many statements hold, and the reasons for the
// others. A statement holds if tests with its id in front of the title ran, and all of them passed; so the programs
// that they need are required.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { Parser } from 'tap-parser'
import { statements, systems, type Statement } from '../test/contracts/statements.ts'
import { startPostgres } from '../test/support/postgres.ts'

interface Outcome { passed: number, failed: string[] }

const root = join(import.meta.dirname, '..')

const { output, code } = await runContracts()
const outcomes = outcomesOf(output)
for (const [letters, name] of Object.entries(systems)) {
  print(name, statements.filter(({ id }) => id.startsWith(`${letters}-`)))
}
const failed = [...outcomes.values()].flatMap(outcome => outcome.failed)
for (const title of failed) console.log(`failed: ${title}`)
// A statement without a test must give a reason, and one with a passing test must not.
const wrong = statements.filter(({ id, missing }) => works(outcomes.get(id)) !== (missing === null))
for (const { id, missing } of wrong) {
  const said = missing === null ? 'is claimed, and no test showed it' : 'works: take its reason out of statements.json'
  console.log(`${id} ${said}`)
}
if (code !== 0) console.log('The run failed; `npm test -- test/contracts` shows why.')
process.exit(code === 0 && failed.length === 0 && wrong.length === 0 ? 0 : 1)

/** Runs the tests on both databases. */
async function runContracts (): Promise<{ output: string, code: number }> {
  if (!existsSync(join(root, '.tap', 'plugins')) && await runTap(['build']) !== 0) throw new Error('tap build failed')
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-contracts-'))
  const file = join(folder, 'output.tap')
  const files = ['test/contracts/*.test.ts', ...new Set(statements.flatMap(({ test }) => test ?? []))]
  const postgres = await startPostgres()
  try {
    const code = await runTap(['run', '--reporter=tap', `--output-file=${file}`, ...files], postgres.url)
    return { output: await readFile(file, 'utf8').catch(() => ''), code }
  } finally {
    await postgres.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

function runTap (parameters: string[], postgres?: string): Promise<number> {
  const PATH = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`
  return new Promise((resolve, reject) => {
    const child = spawn('tap', parameters, {
      cwd: root,
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        PATH,
        LATCHKEY_JUDGES: 'required',
        ...(postgres === undefined ? {} : { LATCHKEY_TEST_POSTGRES: postgres })
      }
    })
    child.on('error', reject)
    child.on('close', code => resolve(code ?? -1))
  })
}

function outcomesOf (tap: string): Map<string, Outcome> {
  const outcomes = new Map<string, Outcome>()
  const parser = new Parser()
  follow(parser, outcomes)
  parser.end(tap)
  return outcomes
}

/** Tests may be nested at any depth. A skipped one proves nothing. */
function follow (parser: Parser, outcomes: Map<string, Outcome>): void {
  parser.on('child', child => follow(child, outcomes))
  parser.on('assert', ({ name, ok, skip, todo }) => {
    const id = /^([A-Z]{2}-\d\d)(?:, [A-Z]\d+)*: /.exec(name)?.[1]
    if (id === undefined || skip || todo) return
    const outcome = outcomes.get(id) ?? { passed: 0, failed: [] }
    if (ok) outcome.passed++
    else outcome.failed.push(name)
    outcomes.set(id, outcome)
  })
}

function print (name: string, all: readonly Statement[]): void {
  const missing = all.filter(({ id }) => !works(outcomes.get(id)))
  console.log(`${name.padEnd(14)}${String(all.length - missing.length).padStart(3)} of ${all.length}`)
  for (const { id, text, missing: reason } of missing) {
    console.log(`  missing ${id}  ${text}: ${reason ?? 'its test did not pass'}`)
  }
}

function works (outcome: Outcome | undefined): boolean {
  return outcome !== undefined && outcome.passed > 0 && outcome.failed.length === 0
}
