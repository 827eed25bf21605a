/** Pages with transcripts, as they stand: every command runs against a server of its own, and prints what is shown. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import tap from 'tap'
import { latchkeyCommand, run, startServer } from '../support/running-server.ts'
import { examplesAsPlaceholders, readTranscript, Words } from '../support/transcript.ts'

const bin = await mkdtemp(join(tmpdir(), 'latchkey-walkthrough-'))
tap.teardown(() => rm(bin, { recursive: true, force: true }))
await writeFile(join(bin, 'latchkey'), `#!/bin/sh\nexec "${process.execPath}" "${latchkeyCommand}" "$@"\n`)
await chmod(join(bin, 'latchkey'), 0o755)

const pages = [
  ['walkthrough.md', 'from an empty server to a revoked credential and its trail'],
  ['token-exchange.md', 'LK-10: from a key to a token with less, and to the end of both'],
  ['why-refused.md', 'LK-12: from a refused call to its reason and its remedy'],
] as const

for (const [name, title] of pages) {
  tap.test(`${title}, as docs/${name} tells it`, async t => {
    const page = await readFile(resolve(import.meta.dirname, '../../docs', name), 'utf8')
    const server = await startServer(t)
    const words = new Words()
    const example = examplesAsPlaceholders(page, server.url)
    const blocks = [...example.matchAll(/^```console\n([^]*?)^```$/gm)].map(([, block]) => block!)
    const steps = blocks.flatMap(readTranscript)
    t.ok(steps.length >= 10, 'there is something to follow')
    const env = { ...server.environment, PATH: `${bin}${delimiter}${process.env.PATH}` }
    for (const { command, output } of steps) {
      const { code, stdout, stderr } = await run('sh', ['-c', words.fill(command)], { env })
      // curl prints no line break after a body.
      const shown = (stdout + stderr).replace(/(?<=[^\n])$/, '\n') + (code === 0 ? '' : `[${code}]\n`)
      t.ok(words.matches(output, shown), command, { expected: output, found: shown })
    }
  })
}
