// npm test: lint, types, every `check:…` script, then all tests with a real PostgreSQL beside them.
// npm test -- test/domain/*.test.ts        the same with only these tests; arguments go to tap
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { makeTemplates } from '../test/databases.ts'
import { startPostgres } from '../test/postgres.ts'
import { countTests, type Count } from './count-tests.ts'

const root = join(import.meta.dirname, '..')
const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
const checks = ['lint', 'typecheck', ...Object.keys(manifest.scripts).filter(name => name.startsWith('check:'))]

// Every file of tests and every command they run is a process that loads the whole program.
const compiledOnce = { NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compiled') }
// What each of them has loaded is recorded for coverage, which is not measured: that takes as long as loading it.
const unrecorded = { _TAPJS_PROCESSINFO_EXCLUDE_: '/./' }

let running: ChildProcess | undefined
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupted = true
    running?.kill(signal)
  })
}

// A failed check does not spare the tests: one run shows everything there is to mend.
const failedChecks = await runChecks()
const { code, count } = interrupted ? { code: 1, count: { passed: 0, failed: 0, skipped: 0 } } : await runTests(process.argv.slice(2))
if (failedChecks.length > 0) console.log(`failed checks: ${failedChecks.join(', ')}`)
// A run that failed without a failed test, because of a file that ended early say, must not look like a good one.
const failedTests = code !== 0 || count.passed === 0 ? Math.max(count.failed, 1) : count.failed
const failed = failedTests + failedChecks.length
console.log(`${count.passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)

/** Runs all of them; returns the names of those that failed. */
async function runChecks (): Promise<string[]> {
  const failed: string[] = []
  for (const name of checks) {
    if (!interrupted && await run('npm', ['run', '--silent', name]) !== 0) failed.push(name)
  }
  return failed
}

async function runTests (tapArguments: string[]): Promise<{ code: number, count: Count }> {
  if (!existsSync(join(root, '.tap', 'plugins')) && await run('tap', ['build']) !== 0) throw new Error('tap build failed')
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-tap-'))
  const output = join(folder, 'output.tap')
  const postgres = await startPostgres()
  try {
    // Only failures are worth a line in a log.
    const reporter = process.stdout.isTTY ? [] : ['--reporter=terse']
    const code = await run('tap', ['run', ...reporter, `--output-file=${output}`, ...tapArguments], {
      LATCHKEY_TEST_POSTGRES: postgres.url, ...await makeTemplates(folder, postgres.url), ...compiledOnce, ...unrecorded,
    })
    const { all, byDatabase, failures } = countTests(await readFile(output, 'utf8'))
    // Said once more in plain lines at the end: a log that keeps only its last lines must name what failed.
    for (const failure of failures) console.log(`failed: ${failure}`)
    const parts = [...byDatabase].map(([name, { passed, failed }]) => `${passed + failed} on ${name}`)
    console.log(`tests: ${all.passed + all.failed} in all; ${parts.join(', ')}${all.skipped > 0 ? `; ${all.skipped} skipped` : ''}`)
    return { code, count: all }
  } finally {
    await postgres.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** Runs a command of the project, its output shown; resolves to its exit code, -1 when a signal ended it. */
function run (command: string, parameters: string[], environment: Record<string, string> = {}): Promise<number> {
  const PATH = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`
  return new Promise((resolve, reject) => {
    running = spawn(command, parameters, { cwd: root, stdio: 'inherit', env: { ...process.env, ...environment, PATH } })
    running.on('error', reject)
    running.on('close', code => resolve(code ?? -1))
  })
}
