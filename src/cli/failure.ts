/** Stops a command. The message names the mistake and the way out; it goes to stderr and the exit code is 1. */
export class CommandError extends Error {
  override name = 'CommandError'
}

/** The command line itself is wrong; exit code 2. */
export class UsageError extends CommandError {
  override name = 'UsageError'
}

/** The server refused. Holds its answer, for `--json`. */
export class RefusedError extends CommandError {
  override name = 'RefusedError'
  readonly body: Buffer

  constructor (message: string, body: Buffer) {
    super(message)
    this.body = body
  }
}
