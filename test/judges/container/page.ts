/** docs/deployment.md as a script: runs the commands of a section as they stand, and compares what the page shows. */
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import type { Ran } from '../../support/running-server.ts'
import { examplesAsPlaceholders, readTranscript, Words } from '../../support/transcript.ts'

const root = resolve(import.meta.dirname, '../../..')
const page = examplesAsPlaceholders(await readFile(join(root, 'docs/deployment.md'), 'utf8'), 'http://localhost:3000')
  .replaceAll('http://127.0.0.1:3000', 'http://localhost:3000')

interface Block { language: string, text: string }

/** The code blocks of each section by its title. */
export const sections: ReadonlyMap<string, readonly Block[]> = new Map(
  page.split(/^## /m).slice(1).map(section => [section.split('\n')[0]!, blocksOf(section)])
)

function blocksOf (section: string): Block[] {
  return Array.from(section.matchAll(/^```(\w+)\n([^]*?)^```$/gm), ([, language, text]) => ({
    language: language!, text: text!
  }))
}

/** Runs a script of `sh`, where the section is followed. */
export type Runner = (script: string) => Promise<Ran>

/** Runs a script; returns its output without the newline at its end. @throws when it fails. */
export async function outputOf (runner: Runner, script: string): Promise<string> {
  const { code, stdout, stderr } = await runner(script)
  if (code !== 0) throw new Error(`${script}\n${stdout}${stderr}`)
  return stdout.trimEnd()
}

/**
 * Runs the blocks of a section in order, `after` after each script; returns the commands of its transcripts.
 * @throws for the first command that fails, or shows something else: those below depend on it.
 */
export async function follow (
  t: Test, section: string, runner: Runner, after: (script: string) => Promise<void>
): Promise<string[]> {
  const words = new Words()
  const commands: string[] = []
  const blocks = sections.get(section) ?? []
  t.ok(blocks.length > 0, section)
  for (const { language, text } of blocks) {
    if (language === 'sh') {
      const { code, stdout, stderr } = await runner(`set -eu\n${text}`)
      if (!t.equal(code, 0, text)) throw new Error(`${text}\n${stdout}${stderr}`)
      await after(text)
      continue
    }
    for (const { command, output } of readTranscript(text)) {
      commands.push(words.fill(command))
      const { stdout, stderr } = await runner(commands.at(-1)!)
      const shown = stdout.replace(/(?<=[^\n])$/, '\n')
      if (!t.ok(words.matches(output, shown), command)) throw new Error(`${command}\n${stdout}${stderr}`)
    }
  }
  return commands
}
