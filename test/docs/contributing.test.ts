/**
 * CONTRIBUTING.md as it stands: its changes are applied to a copy of the project, in order, and its commands are run
 * there; its transcripts are run against a server.
 */
import { chmod, cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import tap from 'tap'
import { statuses } from '../../src/guard/refusal/public-refusal.ts'
import { latchkeyCommand, ownEnvironment, run, startServer } from '../support/running-server.ts'
import { examplesAsPlaceholders, readTranscript, Words } from '../support/transcript.ts'

const root = resolve(import.meta.dirname, '../..')
const page = await readFile(join(root, 'CONTRIBUTING.md'), 'utf8')

/** Commands that are run elsewhere at each run of the whole suite, or take longer than all tests of a file may. */
const elsewhere: Record<string, string> = {
  'npm ci': '.ci/run begins with it',
  'npm test': 'it runs this very test',
  'npm test -- test/guard/guard.test.ts': 'as npm test, with one file',
  'npm run judges': 'it takes longer than a minute a judge',
}

/** What a contributor has after a clone, with the generated clients, and without the history. */
const copied = [
  'bin', 'docs', 'examples', 'prisma', 'scripts', 'src', 'test', 'package.json', 'tsconfig.json', 'prisma.config.ts',
  'README.md', 'CONTRIBUTING.md', '.env.example', 'bench'
]

interface Block { language: string, text: string }

const blocks: readonly Block[] = Array.from(
  page.matchAll(/^```(\w+)\n([^]*?)^```$/gm), ([, language, text]) => ({ language: language!, text: text! })
)

tap.test('every change applies, and every command behind it succeeds', async t => {
  const copy = await mkdtemp(join(tmpdir(), 'latchkey-contributing-'))
  t.teardown(async () => await rm(copy, { recursive: true, force: true }))
  for (const name of copied) await cp(join(root, name), join(copy, name), { recursive: true })
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
  const PATH = `${join(root, 'node_modules', '.bin')}${delimiter}${process.env.PATH}`
  const env = { ...ownEnvironment({}), PATH, TAP_TIMEOUT: '600' }
  t.strictSame([...new Set(blocks.map(({ language }) => language))].sort(), ['console', 'diff', 'sh'])
  for (const { language, text } of blocks) {
    if (language === 'diff') for (const change of changesOf(text)) await apply(copy, change)
    if (language !== 'sh') continue
    for (const line of text.trim().split('\n')) {
      const command = line.replace(/\s+#.*/, '')
      if (command in elsewhere) continue
      const { code, stdout, stderr } = await run('sh', ['-c', `cd '${copy}' && ${command}`], { env })
      t.equal(code, 0, command, { stdout: stdout.slice(-2_000), stderr: stderr.slice(-2_000) })
    }
  }
})

/** `path` is new if no text before is given. */
interface Change { path: string, hunks: readonly { before: string, after: string }[] }

/** The changes of a unified diff whose hunks have no numbers. */
function changesOf (diff: string): Change[] {
  return diff.split(/^--- .*\n/m).slice(1).map(file => {
    const [first, ...hunks] = file.split(/^@@\n/m)
    return {
      path: /^\+\+\+ b\/(.*)$/m.exec(first!)![1]!,
      hunks: hunks.map(hunk => ({ before: linesOf(hunk, '+'), after: linesOf(hunk, '-') }))
    }
  })
}

/** The lines of a hunk but those with this mark, without their marks. */
function linesOf (hunk: string, without: '+' | '-'): string {
  return hunk.trimEnd().split('\n').filter(line => !line.startsWith(without)).map(line => `${line.slice(1)}\n`).join('')
}

async function apply (folder: string, { path, hunks }: Change): Promise<void> {
  const file = join(folder, path)
  let text = existsSync(file) ? await readFile(file, 'utf8') : ''
  for (const { before, after } of hunks) {
    const parts = before === '' ? ['', ''] : text.split(before)
    if (parts.length !== 2) throw new Error(`${path} has ${parts.length - 1} times:\n${before}`)
    text = parts.join(after)
  }
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
}

tap.test('its transcripts print what it shows', async t => {
  const server = await startServer(t)
  const bin = await mkdtemp(join(tmpdir(), 'latchkey-contributing-'))
  t.teardown(async () => await rm(bin, { recursive: true, force: true }))
  await writeFile(join(bin, 'latchkey'), `#!/bin/sh\nexec "${process.execPath}" "${latchkeyCommand}" "$@"\n`)
  await chmod(join(bin, 'latchkey'), 0o755)
  const env = { ...server.environment, PATH: `${bin}${delimiter}${process.env.PATH}` }
  const words = new Words()
  const transcripts = blocks.filter(({ language }) => language === 'console').map(({ text }) => text).join('')
  const steps = readTranscript(examplesAsPlaceholders(transcripts, server.url))
  t.ok(steps.length > 5)
  for (const { command, output } of steps) {
    const { stdout, stderr } = await run('sh', ['-c', words.fill(command)], { env })
    const shown = (stdout + stderr).replace(/(?<=[^\n])$/, '\n')
    t.ok(words.matches(output, shown), command, { expected: output, found: shown })
  }
})

tap.test('every script that it names is there', async t => {
  const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { scripts: object }
  const named = Array.from(page.matchAll(/npm run ([\w:-]+)/g), ([, name]) => name!)
  t.ok(named.length > 8)
  for (const name of named) t.ok(name in scripts, name)
})

tap.test('its table of reasons has every reason, once', async t => {
  const [, rows] = /^\| reason \| means \|\n([^]*?)\n\n/m.exec(page)!
  const named = rows!.split('\n').flatMap(row => Array.from(row.split('|')[1]!.matchAll(/`(\w+)`/g), ([, name]) => name!))
  t.strictSame(named.sort(), Object.keys(statuses).sort())
})
