/** Log lines on standard output: a reader that does not read costs its own lines, never the server. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import tap from 'tap'

const source = join(import.meta.dirname, '../../src/telemetry/standard-output.ts')
/** Its standard output, as that of a server, is a pipe that does not block. */
const program = `
  import { standardOutput } from ${JSON.stringify(source)}
  process.stdout
  const pauses = () => process.resourceUsage().voluntaryContextSwitches
  const before = pauses()
  standardOutput(({ code }) => {
    console.error(JSON.stringify({ code, paused: pauses() - before }))
  }).write('x'.repeat(4_000_000))
`

tap.test('a pipe that stays full is waited for in 99 pauses, then its line is dropped and reported', async t => {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'pipe']
  })
  const [reported] = await Promise.all([text(child.stderr), once(child, 'exit')])
  t.equal(child.exitCode, 0, 'and it goes on')
  const { code, paused } = JSON.parse(reported)
  t.equal(code, 'EAGAIN')
  t.ok(paused >= 99, `${paused} pauses`)
})
