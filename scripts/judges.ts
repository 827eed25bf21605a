// npm run judges: checks of the server that take more than a minute, most of them by programs of others, one after the
// other.
//
// npm run judges -- schemathesis     only those with one of these words in their names
//
// A judge is a test file in test/judges/; its further files stand in a folder beside it. One that is not installed is
// skipped, with a line that says how to install it; with LATCHKEY_JUDGES=required it fails.
import { readdirSync } from 'node:fs'
import { failuresOf, root, runTests } from './run-tests.ts'

const folder = 'test/judges'
const words = process.argv.slice(2)
const judges = readdirSync(`${root}/${folder}`).filter(name => /(?<!\.test)\.ts$/.test(name))
const asked = judges.filter(name => words.length === 0 || words.some(word => name.includes(word)))
if (asked.length === 0) {
  console.log(`No judge is called that. There are: ${judges.map(name => name.replace(/\.ts$/, '')).join(', ')}.`)
  process.exit(1)
}
const tests = await runTests(['--jobs=1', '--timeout=3600', ...asked.map(name => `${folder}/${name}`)])
const failed = failuresOf(tests)
console.log(`${tests.count.passed} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
