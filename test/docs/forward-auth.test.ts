/** docs/forward-auth.md as it stands: every command runs against a server, and prints what the page shows. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import tap from 'tap'
import { latchkeyCommand, run, startServer } from '../support/running-server.ts'
import { examplesAsPlaceholders, readTranscript, Words } from '../support/transcript.ts'

const page = await readFile(resolve(import.meta.dirname, '../../docs/forward-auth.md'), 'utf8')
const server = await startServer(tap, { LATCHKEY_TRUST_PROXY: '127.0.0.1,::1' })
const bin = await mkdtemp(join(tmpdir(), 'latchkey-forward-auth-'))
tap.teardown(() => rm(bin, { recursive: true, force: true }))
await writeFile(join(bin, 'latchkey'), `#!/bin/sh\nexec "${process.execPath}" "${latchkeyCommand}" "$@"\n`)
await chmod(join(bin, 'latchkey'), 0o755)

tap.test('from an empty server to the answer that a proxy gets, as docs/forward-auth.md tells it', async t => {
  const words = new Words()
  const example = examplesAsPlaceholders(page, server.url)
  const steps = [...example.matchAll(/^```console\n([^]*?)^```$/gm)].flatMap(([, block]) => readTranscript(block!))
  t.ok(steps.length > 5, 'there is something to follow')
  const env = { ...server.environment, PATH: `${bin}${delimiter}${process.env.PATH}` }
  for (const { command, output } of steps) {
    // The braces of curl's variables are no placeholders.
    const filled = command.split('%{http_code}').map(part => words.fill(part)).join('%{http_code}')
    const { stdout, stderr } = await run('sh', ['-c', filled], { env })
    // curl prints no line break after a body.
    const shown = (stdout + stderr).replace(/(?<=[^\n])$/, '\n')
    t.ok(words.matches(output, shown), command, { expected: output, found: shown })
  }
})
