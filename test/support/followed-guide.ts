/** A page of docs/guides as a reader follows it: its files written, its commands run against a server. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join, resolve } from 'node:path'
import type { Test } from 'tap'
import { latchkeyCommand, run, type RunningServer } from './running-server.ts'
import { examplesAsPlaceholders, readTranscript, Words } from './transcript.ts'

const root = resolve(import.meta.dirname, '../..')

/** What the page says, and what stands in its place here: ports, folders. */
export type Places = readonly (readonly [said: string, here: string])[]

export interface Guide {
  /** A folder of its own, first on the path; it holds the command `latchkey`. */
  folder: string
  words: Words
  env: Record<string, string>
  /** The blocks of code in a language, in their order, with what stands in the places of this machine. */
  blocks (language: string): string[]
  /** Writes a file into the folder, and returns its path. */
  write (name: string, text: string): Promise<string>
  /** Puts a program into the folder: a shell script that runs `command` with the same parameters. */
  program (name: string, command: string): Promise<void>
  /** Runs each command of a transcript, and compares what it prints. */
  follow (transcript: string): Promise<void>
  /** Fails the test if the page lacks this, wherever its lines break. */
  says (text: string): void
  /** Fails the test if the guide has been open for longer than its page says that it takes. */
  holdTime (): void
}

const bounds: Readonly<Record<string, number>> = {
  'half a minute': 30, 'a minute': 60, 'two minutes': 120, 'five minutes': 300
}

/**
 * Holds a page to the time that it names, "less than a minute", times three, because a machine of tests does other work
 * besides. `began`: when the first command ran, by `performance.now()`. A page that names no time fails.
 */
export function holdTime (t: Test, page: string, began: number): void {
  const seconds = Math.ceil((performance.now() - began) / 1_000)
  const [, said = 'no time'] = /\bless\s+than\s+([a-z]+(?:\s+a)?\s+minutes?)\b/.exec(page) ?? []
  const bound = bounds[said.replace(/\s+/g, ' ')] ?? 0
  t.ok(seconds < 3 * bound, `the commands took ${seconds} seconds, and the page says ${said}`)
}

/** Opens docs/guides/`name`.md; the end of the test removes its folder. @throws when the page lacks a place. */
export async function openGuide (
  t: Test, name: string, server: RunningServer, placesIn: (folder: string) => Places
): Promise<Guide> {
  const folder = await mkdtemp(join(tmpdir(), `latchkey-${name}-`))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  let page = examplesAsPlaceholders(await readFile(join(root, `docs/guides/${name}.md`), 'utf8'), server.url)
  for (const [said, here] of placesIn(folder)) {
    if (!page.includes(said)) throw new Error(`docs/guides/${name}.md has no ${said}`)
    page = page.replaceAll(said, here)
  }
  const env = { ...server.environment, PATH: `${folder}${delimiter}${process.env.PATH}` }
  const words = new Words()
  const began = performance.now()
  const guide: Guide = {
    folder,
    words,
    env,
    blocks: language =>
      [...page.matchAll(new RegExp(`^\`\`\`${language}\n([^]*?)^\`\`\`$`, 'gm'))].map(([, block]) => block!),
    write: async (file, text) => {
      await writeFile(join(folder, file), text)
      return join(folder, file)
    },
    program: async (file, command) => {
      await writeFile(join(folder, file), `#!/bin/sh\nexec ${command} "$@"\n`)
      await chmod(join(folder, file), 0o755)
    },
    follow: async transcript => {
      for (const { command, output } of readTranscript(transcript)) await followStep(t, guide, command, output)
    },
    says: text => t.ok(page.replace(/\s+/g, ' ').includes(text), `docs/guides/${name}.md says "${text}"`),
    holdTime: () => { holdTime(t, page, began) }
  }
  await guide.program('latchkey', `"${process.execPath}" "${latchkeyCommand}"`)
  return guide
}

/** The file before and after a diff that shows the whole of it, and the number of lines that it adds. */
export function sidesOf (diff: string): { before: string, after: string, added: number } {
  const all = diff.replace(/\n$/, '').split('\n')
  const side = (sign: string) => all.filter(line => line[0] === ' ' || line[0] === sign)
    .map(line => `${line.slice(1)}\n`).join('')
  return { before: side('-'), after: side('+'), added: all.filter(line => /^\+./.test(line)).length }
}

/** How many lines of `after` are not in `before`: added or changed. Blank lines and comments do not count. */
export function addedLines (before: string, after: string): number {
  const left = codeIn(before)
  return codeIn(after).filter(line => {
    const found = left.indexOf(line)
    if (found !== -1) left.splice(found, 1)
    return found === -1
  }).length
}

function codeIn (text: string): string[] {
  return text.split('\n').map(line => line.trim()).filter(line => line !== '' && !/^(?:#|\/\/)/.test(line))
}

async function followStep (t: Test, { words, env }: Guide, command: string, output: string): Promise<void> {
  // The braces of curl's variables are no placeholders.
  const filled = command.split('%{http_code}').map(part => words.fill(part)).join('%{http_code}')
  const { code, stdout, stderr } = await run('sh', ['-c', filled], { env })
  // curl prints no line break after a body.
  const shown = (stdout + stderr).replace(/(?<=[^\n])$/, '\n') + (code === 0 ? '' : `[${code}]\n`)
  t.ok(words.matches(output, shown), command, { expected: output, found: shown })
}
