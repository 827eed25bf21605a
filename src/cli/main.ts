/** Runs one command line. Exit code 0: success; 1: failure; 2: the command line is wrong. */
import { CommanderError } from 'commander'
import { ConfigurationError, Failure } from '../base/errors.ts'
import { CommandError, RefusedError, UsageError } from './failure.ts'
import { jsonLines, printableLines } from './print.ts'
import { program } from './program.ts'

// The reader of a pipe may close it: `latchkey client list | head -1`.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error
  process.exit()
})

const latchkey = await program(process.argv[2])
try {
  await latchkey.parseAsync()
} catch (error) {
  process.exitCode = report(error)
}

function report (error: unknown): number {
  // Commander has printed its own errors; only requested help is a success.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof RefusedError && latchkey.opts().json) process.stderr.write(jsonLines(error.body.toString()))
  // Escaped: an error may quote a server's answer, which must not control the terminal.
  else process.stderr.write(`${printableLines(explain(error))}\n`)
  return error instanceof UsageError ? 2 : 1
}

function explain (error: unknown): string {
  if (error instanceof CommandError || error instanceof Failure) return `latchkey: ${error.message}`
  if (error instanceof ConfigurationError) return error.message
  return `latchkey: ${error instanceof Error ? error.stack ?? error.message : String(error)}`
}
