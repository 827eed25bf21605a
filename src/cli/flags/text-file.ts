/** A file whose text is sent, such as a certificate, or a token that must not stand in a list of processes. */
import { readFileSync } from 'node:fs'
import { CommandError } from '../failure.ts'

/** The text of a file, without white space around it; `-` is the standard input. @throws CommandError */
export function readText (file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8').trim()
  } catch (error) {
    throw new CommandError(`${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`)
  }
}
