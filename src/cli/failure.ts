/** Errors of commands: each message goes to stderr, and the class decides the exit code. */

/** Stops a command with exit code 1. The message names the mistake and the remedy. */
export class CommandError extends Error {
  override name = 'CommandError'
}

/** The command line is wrong: exit code 2. */
export class UsageError extends CommandError {
  override name = 'UsageError'
}

/** The server refused. `body` is its answer, for `--json`. */
export class RefusedError extends CommandError {
  override name = 'RefusedError'
  readonly body: Buffer

  constructor (message: string, body: Buffer) {
    super(message)
    this.body = body
  }
}
