/**
 * A guide for a framework of Node.js, as it stands: its commands in order, in a folder with the existing API, which its
 * diff changes, and what each command prints.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Test } from 'tap'
import { holdTime, sidesOf } from './followed-guide.ts'
import { emptyProject, packGuard, shell } from './installed-package.ts'
import { freePort, latchkeyCommand, run, startServer } from './running-server.ts'
import { examplesAsPlaceholders, readTranscript, Words } from './transcript.ts'
import { until } from './waiting.ts'

const guides = resolve(import.meta.dirname, '../../docs/guides')

export interface NodeGuide {
  /** Of the page. */
  name: string
  /** The file that the diff of the page changes. */
  changed: string
  /** Prepares the folder of the existing API. `env`: of its terminal. */
  prepare (folder: string, env: Record<string, string>): Promise<void>
}

/** Follows a page, and compares the lines that it adds and the time that its commands took with what it says. */
export async function followGuide (t: Test, { name, changed, prepare }: NodeGuide): Promise<void> {
  const page = await readFile(join(guides, `${name}.md`), 'utf8')
  const [server, tarball, project] = await Promise.all([
    startServer(t), packGuard(t), emptyProject(t, dirname(process.execPath))
  ] as const)
  const { folder } = project
  await copyFile(tarball, join(folder, '..', 'latchkey-guard-0.1.0.tgz'))
  const programs = join(folder, '..', 'programs')
  await mkdir(programs)
  await writeFile(join(programs, 'latchkey'), `#!/bin/sh\nexec "${process.execPath}" "${latchkeyCommand}" "$@"\n`)
  await chmod(join(programs, 'latchkey'), 0o755)
  const { LATCHKEY_DATA, PORT } = server.environment
  const env = { ...project.env, PATH: `${programs}:${project.env.PATH}`, LATCHKEY_DATA: LATCHKEY_DATA!, PORT: PORT! }
  await prepare(folder, env)
  const [port, words] = [await freePort(), new Words()]
  const example = examplesAsPlaceholders(page, server.url).replaceAll(/(?<=localhost:|--port |listen\()8080/g, `${port}`)
  const began = performance.now()
  let lines = 0
  // A block of code has its file in front of it: "`lib/latchkey.js`, a new file …"
  const blocks = /^(?:`(\S+)`, a[^\n]*\n(?:[^`\n][^\n]*\n)*\n)?```(\w+)\n([^]*?)^```$/gm
  for (const [, path, language, text] of example.matchAll(blocks)) {
    await step(path, language!, text!)
  }
  holdTime(t, page, began)
  t.match(page, `by ${lines} lines`)

  async function step (path: string | undefined, language: string, text: string): Promise<void> {
    if (language === 'js') {
      lines += text.split('\n').filter(line => line !== '').length
      await mkdir(dirname(join(folder, path!)), { recursive: true })
      await writeFile(join(folder, path!), text)
    } else if (language === 'diff') await change(text)
    else if (language === 'sh') for (const line of text.trim().split('\n')) await command(words.fill(line))
    else for (const { command, output } of readTranscript(text)) await print(command, output)
  }

  /** The page shows the whole file: without the added lines it is the existing one. */
  async function change (diff: string): Promise<void> {
    const { before, after, added } = sidesOf(diff)
    lines += added
    await mkdir(dirname(join(folder, changed)), { recursive: true })
    await writeFile(join(folder, changed), before)
    const { code, stderr } = await run(process.execPath, ['--check', changed], { cwd: folder })
    t.equal(code, 0, stderr)
    await writeFile(join(folder, changed), after)
  }

  async function command (line: string): Promise<void> {
    // It runs already.
    if (line === 'latchkey serve') return
    if (line.startsWith('CLIENT_ID=')) return await serve(line)
    await shell({ folder, env }, line)
  }

  /** Runs the API until the test ends. */
  async function serve (line: string): Promise<void> {
    const said: string[] = []
    const api = spawn('sh', ['-c', line], { env, cwd: folder, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    for (const stream of [api.stdout, api.stderr]) stream.on('data', bytes => { said.push(String(bytes)) })
    const closed = once(api, 'close')
    t.teardown(async () => {
      if (api.exitCode === null) process.kill(-api.pid!, 'SIGTERM')
      await closed
    })
    await until('the API answers', async () => {
      if (api.exitCode !== null) throw new Error(`the API ended with ${api.exitCode}:\n${said.join('')}`)
      return await fetch(`http://localhost:${port}/invoices`).then(() => true, () => false)
    })
  }

  async function print (line: string, output: string): Promise<void> {
    const { code, stdout, stderr } = await run('sh', ['-c', words.fill(line)], { env, cwd: folder })
    const shown = (stdout + stderr).replace(/(?<=[^\n])$/, '\n') + (code === 0 ? '' : `[${code}]\n`)
    t.ok(words.matches(output, shown), line, { expected: output, found: shown })
  }
}
