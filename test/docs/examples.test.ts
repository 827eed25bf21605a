/** The output of the examples when a newcomer runs them. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import tap from 'tap'
import { ownEnvironment, run } from '../support/running-server.ts'

const root = resolve(import.meta.dirname, '../..')
const demo = resolve(root, 'examples/demo.ts')
const environment = ownEnvironment({})

for (const example of ['crane-ledger', 'craftkit', 'craftdesk', 'opencrane']) {
  tap.test(`--example ${example} --once tells that API's main job, every step holds, and no secret is printed`, async t => {
    const { code, stdout, stderr } = await run(process.execPath, [demo, '--example', example, '--once'], {
      env: environment
    })
    t.equal(code, 0)
    t.equal(stderr, '')
    t.match(stdout, `Every step held: ${(stdout.match(/^ {2}✓ /gm) ?? []).length} expectations.`)
    t.ok((stdout.match(/^\d+\. /gm) ?? []).length >= 8)
    t.notMatch(stdout, '✗')
    for (
      const secret of [
        /lkadm_[\w-]{10,}/, /(c[lkd]|oc)_(live|test)_\w{10,}/, /lkmat_\w{10,}/, /sk-proj-of-the/, /eyJ[\w-]{20,}/,
        /whk_[\w-]{10,}/, /Basic [\w=]{20,}/,
        /"d": "[\w-]{30,}"/, /PRIVATE KEY/
      ]
    ) t.notMatch(stdout, secret)
    t.notOk(existsSync(/(\/\S*latchkey-demo-\w+)/.exec(stdout)![1]!), 'the database is gone')
  })
}

tap.test('an example that there is not is named, and so are those that there are', async t => {
  const { code, stderr } = await run(process.execPath, [demo, '--example', 'craftsman', '--once'], { env: environment })
  t.equal(code, 1)
  const there = 'ledgerbee, crane-ledger, craftkit, craftdesk, opencrane'
  t.equal(stderr, `There is no example "craftsman"; there are: ${there}.\n`)
})

tap.test('--help lists the examples, and so does what is said of an unknown option', async t => {
  const help = await run(process.execPath, [demo, '--help'], { env: environment })
  t.match(help, { code: 0, stderr: '', stdout: /--example NAME {2}ledgerbee, crane-ledger, .*opencrane; default/ })
  const unknown = await run(process.execPath, [demo, '--exmaple', 'opencrane'], { env: environment })
  t.equal(unknown.code, 1)
  t.match(unknown.stderr, /^Unknown option '--exmaple'/)
  t.equal(unknown.stderr.endsWith(`\n\n${help.stdout}`), true)
})

tap.test('CL-10: docs/rotation.md is what a rotation under traffic prints: no call is refused, and the old key ends with its overlap', async t => {
  const { code, stdout, stderr } = await run(process.execPath, [resolve(root, 'examples/rotation.ts')], {
    env: environment
  })
  t.equal(code, 0)
  t.equal(stderr, '')
  t.equal(comparable(stdout), comparable(readFileSync(resolve(root, 'docs/rotation.md'), 'utf8')))
  const [before, whole] = Array.from(stdout.matchAll(/^ +(\d+) 200$/gm), match => Number(match[1]))
  t.ok(before! > 0 && whole! > before!, `${before} calls before the rotation, ${whole} in all`)
  t.match(stdout, /"callsToday":(\d+)\n"callsToday":\1\n/, 'nobody uses the old key after the switch')
  t.notMatch(stdout, /cd_live_\w{10,}|lkadm_/)
})

/** Without the parts that differ between runs: ids and counts. The statuses stay. */
function comparable (page: string): string {
  return page.replace(/(org|key)_\w{22}/g, '$1_').replace(/^ +\d+ (\d{3})$/gm, 'n $1').replace(
    /("callsToday":)\d+/g, '$1n'
  ).trimEnd()
}
