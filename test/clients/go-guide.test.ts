/** docs/guides/go.md as it stands: an empty folder, `go get`, the program of the page, and what each command prints. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import tap from 'tap'
import { goFor, goProxy } from '../support/go-module.ts'
import { freePort, latchkeyCommand, run, startServer } from '../support/running-server.ts'
import { examplesAsPlaceholders, readTranscript, Words } from '../support/transcript.ts'
import { until } from '../support/waiting.ts'

const go = await goFor('1.22')
const page = await readFile(resolve(import.meta.dirname, '../../docs/guides/go.md'), 'utf8')

tap.test('from an empty folder to a revoked key, as docs/guides/go.md tells it', go, async t => {
  const server = await startServer(t)
  const folder = await mkdtemp(join(tmpdir(), 'latchkey-go-guide-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  await writeFile(join(folder, 'latchkey'), `#!/bin/sh\nexec "${process.execPath}" "${latchkeyCommand}" "$@"\n`)
  await chmod(join(folder, 'latchkey'), 0o755)
  const proxy = await goProxy(join(folder, 'proxy'))
  const env = {
    ...server.environment,
    ...proxy,
    GOMODCACHE: join(folder, 'modules'),
    PATH: [folder, dirname(go.path), process.env.PATH].join(delimiter)
  }
  const example = examplesAsPlaceholders(page, server.url).replaceAll('localhost:8080', `localhost:${await freePort()}`)
  const words = new Words()

  for (const [, language, block] of example.matchAll(/^```(console|sh|go)\n([^]*?)^```$/gm)) {
    if (language === 'go') await writeFile(join(folder, 'invoices/main.go'), block!)
    else if (language === 'sh') await follow(words.fill(block!))
    else for (const { command, output } of readTranscript(block!)) await step(command, output)
  }

  /** Runs commands to their end; the last ones of the page start the API. */
  async function follow (commands: string): Promise<void> {
    if (commands.includes('go run')) return await serve(commands)
    const { code, stderr } = await run('sh', ['-ec', commands], { env, cwd: folder })
    t.equal(code, 0, commands, { stderr })
  }

  async function step (command: string, output: string): Promise<void> {
    const { code, stdout, stderr } = await run('sh', ['-c', words.fill(command)], { env, cwd: folder })
    const shown = (stdout + stderr).replace(/(?<=[^\n])$/, '\n') + (code === 0 ? '' : `[${code}]\n`)
    t.ok(words.matches(output, shown), command, { expected: output, found: shown })
  }

  /** Runs the program of the page until the test ends. */
  async function serve (command: string): Promise<void> {
    const api = spawn('sh', ['-c', command], { env, cwd: join(folder, 'invoices'), stdio: 'ignore', detached: true })
    const closed = once(api, 'close')
    t.teardown(async () => {
      if (api.exitCode === null) process.kill(-api.pid!, 'SIGTERM')
      await closed
    })
    const url = /http:\/\/localhost:\d+(?=\/invoices)/.exec(example)![0]
    await until('the API answers', async () => {
      if (api.exitCode !== null) throw new Error(`the API ended with ${api.exitCode}`)
      return await fetch(url).then(() => true, () => false)
    })
  }
})
