/** Runs test files by tap, with a real PostgreSQL beside them, and prints the result. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { makeTemplates } from '../test/support/databases.ts'
import { startPostgres } from '../test/support/postgres.ts'
import { recordingEnvironment } from './coverage/raw.ts'
import { readCoverage, type Coverage } from './coverage/report.ts'
import { countTests, type Count } from './count-tests.ts'
import { preloading } from './loading/environment.ts'

export const root = join(import.meta.dirname, '..')

// Every test file and every command it runs is a process that loads the whole program.
const compiledOnce = { NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compiled') }

const running = new Set<ChildProcess>()
let interrupted = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    interrupted = true
    for (const child of running) child.kill(signal)
  })
}

/** Whether this process was told to end: then it starts no further command. */
export function isInterrupted (): boolean {
  return interrupted
}

/** How a run ended: the exit code of tap, the number of tests, and the coverage, null where it was not measured. */
export interface Run { code: number, count: Count, coverage: Coverage | null }

/**
 * Runs tap with these arguments. Failures are printed once more at the end, and each reason for skipping on a line of
 * its own.
 */
export async function runTests (tapArguments: string[], { measured = false } = {}): Promise<Run> {
  if (!existsSync(join(root, '.tap', 'plugins')) && await run('tap', ['build']) !== 0) {
    throw new Error('tap build failed')
  }
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-tap-'))
  const output = join(folder, 'output.tap')
  const postgres = await startPostgres()
  try {
    // Only failures are worth a line in a log.
    const reporter = process.stdout.isTTY ? [] : ['--reporter=terse']
    const code = await run('tap', ['run', ...reporter, `--output-file=${output}`, ...tapArguments], {
      LATCHKEY_TEST_POSTGRES: postgres.url,
      ...await makeTemplates(folder, postgres.url),
      ...measured ? recordingEnvironment(folder) : compiledOnce,
      ...preloading()
    })
    const coverage = measured && !interrupted
      ? await readCoverage(root, folder, parameters => run('c8', parameters))
      : null
    const { all, byDatabase, failures, skips } = countTests(await readFile(output, 'utf8'))
    // Repeated in plain lines at the end, so that a truncated log names the failures.
    for (const failure of failures) console.log(`failed: ${failure}`)
    for (const reason of skips) console.log(`skipped: ${reason}`)
    const parts = [...byDatabase].map(([name, { passed, failed }]) => `${passed + failed} on ${name}`)
    const skipped = all.skipped > 0 ? `; ${all.skipped} skipped` : ''
    console.log(`tests: ${all.passed + all.failed} in all; ${parts.join(', ')}${skipped}`)
    return { code, count: all, coverage }
  } finally {
    await postgres.stop()
    await rm(folder, { recursive: true, force: true })
  }
}

/** The number of failed tests; at least 1 if the run failed otherwise, for example by a file that ended early. */
export function failuresOf ({ code, count }: Run): number {
  return code !== 0 || count.passed + count.skipped === 0 ? Math.max(count.failed, 1) : count.failed
}

/** Runs a command of the project and shows its output; resolves to its exit code, -1 if a signal ended it. */
export function run (command: string, parameters: string[], environment: Record<string, string> = {}): Promise<number> {
  const PATH = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`
  return new Promise((resolve, reject) => {
    const env = { ...process.env, ...environment, PATH }
    const child = spawn(command, parameters, { cwd: root, stdio: 'inherit', env })
    running.add(child)
    child.on('error', reject)
    child.on('close', code => {
      running.delete(child)
      resolve(code ?? -1)
    })
  })
}
