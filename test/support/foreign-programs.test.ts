/** Tests without their program are skipped with a reason, or fail where judges are required. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import tap from 'tap'
import { countTests } from '../../scripts/count-tests.ts'
import { foreignProgram } from './foreign-programs.ts'

const ours = pathToFileURL(join(import.meta.dirname, 'foreign-programs.ts')).href

/** The TAP of a test that needs a program that no machine has. */
function outputOf (judges: string): { status: number | null, stdout: string } {
  const script = `import tap from 'tap'; import { foreignProgram } from '${ours}'
    const nothing = foreignProgram('no-such-program', 'apt-get install nothing')
    tap.test('behind it', nothing, async t => { t.fail('it ran') })
    tap.test('beside it', nothing, async t => { t.fail('it ran') })`
  const env = { ...process.env, LATCHKEY_JUDGES: judges }
  return spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
    encoding: 'utf8', env, cwd: join(import.meta.dirname, '../..')
  })
}

tap.test('a program that is there is found, and skips nothing', async t => {
  const { path, skip } = foreignProgram('sh', 'use another machine')
  t.match(path, /^\/.*\/sh$/)
  t.equal(skip, false)
})

tap.test('a program that is missing skips its tests in one line that names it and where it comes from', async t => {
  const { status, stdout } = outputOf('')
  t.equal(status, 0, stdout)
  const { all, skips, failures } = countTests(stdout)
  t.strictSame([all.failed, [...skips], failures], [
    0, ['no-such-program is not installed: apt-get install nothing'], []
  ])
})

tap.test('where judges are required a program that is missing fails, by its name', async t => {
  const { status, stdout } = outputOf('required')
  t.not(status, 0)
  t.match(
    countTests(stdout).failures[0],
    /no-such-program is not installed: apt-get install nothing \(LATCHKEY_JUDGES=required\)/
  )
})
