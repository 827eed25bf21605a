// npm test: lint, types, every `check:…` script, then all tests with a real PostgreSQL beside them.
// npm test -- test/domain/*.test.ts        the same with only these tests; arguments go to tap
// npm run coverage                         the same as npm test, and which code of src/ was executed
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { namesUncovered } from './coverage/check.ts'
import { summaryOf } from './coverage/report.ts'
import { failuresOf, isInterrupted, root, run, runTests, type Run } from './run-tests.ts'

const measured = process.argv.includes('--measure-coverage')
const tapArguments = process.argv.slice(2).filter(argument => argument !== '--measure-coverage')
const paths = tapArguments.filter(argument => !/^-|[*?{[]/.test(argument))
const absent = paths.filter(path => !existsSync(join(root, path.split(':', 1)[0]!)))
if (absent.length > 0) {
  console.error(
    `There is no ${absent.join(', no ')}: name files under test/, as in npm test -- test/guard/guard.test.ts`
  )
  process.exit(1)
}

const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
const checks = ['lint', 'typecheck', ...Object.keys(manifest.scripts).filter(name => name.startsWith('check:'))]

// A failed check does not stop the tests: one run shows every failure.
const failedChecks = await runChecks()
const tests: Run = isInterrupted()
  ? { code: 1, count: { passed: 0, failed: 0, skipped: 0 }, coverage: null }
  : await runTests(tapArguments, { measured })
// Some of the tests alone leave more uncovered than the list names.
const whole = tapArguments.length === 0
if (tests.coverage !== null && whole && !await namesUncovered(tests.coverage)) failedChecks.push('coverage')
if (failedChecks.length > 0) console.log(`failed checks: ${failedChecks.join(', ')}`)
const failed = failuresOf(tests) + failedChecks.length
if (tests.coverage !== null) console.log(summaryOf(tests.coverage))
console.log(`${tests.count.passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)

/** Runs all of them, two at a time; returns the names of those that failed. */
async function runChecks (): Promise<string[]> {
  const failed: string[] = []
  const left = [...checks]
  const runOneByOne = async () => {
    for (let name = left.shift(); name !== undefined; name = left.shift()) {
      if (!isInterrupted() && await run('npm', ['run', '--silent', name]) !== 0) failed.push(name)
    }
  }
  await Promise.all([runOneByOne(), runOneByOne()])
  return failed
}
