/** The Go guard by Go's race detector, which compiles the standard library anew. */
import tap from 'tap'
import { foreignProgram } from '../support/foreign-programs.ts'
import { goFor, moduleFolder } from '../support/go-module.ts'
import { run } from '../support/running-server.ts'

const go = await goFor('1.22')
const gcc = foreignProgram('gcc', 'apt-get install gcc libc6-dev')
const needed = go.skip === false ? gcc : go

tap.test('the Go module passes its own tests without a data race', needed, async t => {
  const { code, stdout, stderr } = await run(go.path, ['test', '-v', '-count=1', '-race', '.'], { cwd: moduleFolder })
  t.equal(code, 0, 'go test -race', code === 0 ? {} : { stdout, stderr })
  t.notMatch(stdout, /no tests to run|--- SKIP/)
})
