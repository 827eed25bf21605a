/** `latchkey` as its users run it against a real server: single commands, and transcripts of a terminal. */
import type { Test } from 'tap'
import { latchkeyCommand, run } from './running-server.ts'
import { readTranscript, Words } from './transcript.ts'

export interface CommandLine {
  /** What placeholders of the transcripts stood for so far. */
  words: Words
  /** Runs a command line without the word `latchkey`. `more`: further variables of its environment. */
  latchkey (command: string, more?: Record<string, string>): ReturnType<typeof run>
  /**
   * Runs the commands of a transcript and compares what they print: lines with `! ` go to stderr, `[1]` is an exit
   * code. Returns what each has printed.
   */
  follow (t: Test, text: string): Promise<string[]>
}

/** `cwd`: the folder that the commands run in; by default that of the tests. */
export function commandLine (environment: Record<string, string>, cwd?: string): CommandLine {
  const words = new Words()
  const latchkey = async (command: string, more: Record<string, string> = {}) =>
    await run(process.execPath, [latchkeyCommand, ...split(command)], {
      env: { ...environment, ...more }, ...(cwd !== undefined && { cwd })
    })
  const follow = async (t: Test, text: string): Promise<string[]> => {
    const printed: string[] = []
    for (const { command, output } of readTranscript(text)) {
      const [name, ...rest] = words.fill(command).split(' ')
      if (name !== 'latchkey') throw new Error(`not ours: ${command}`)
      const { code, stdout, stderr } = await latchkey(rest.join(' '))
      const shown = stdout + stderr.replace(/^(?=.)/gm, '! ') + (code === 0 ? '' : `[${code}]\n`)
      t.ok(words.matches(output, shown), command, { expected: output, found: shown })
      printed.push(shown)
    }
    return printed
  }
  return { words, latchkey, follow }
}

/** The words of a command line; double quotes hold one together. */
export function split (command: string): string[] {
  return [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(match => match[1] ?? match[2]!)
}
