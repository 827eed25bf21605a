import { ConfigurationError } from '../../base/errors.ts'

/**
 * A database that this version does not work on, or not as it is reached. Each names DATABASE_URL, the reason and the
 * way out.
 */
export class UnusableDatabase extends ConfigurationError {
  readonly reason: string
  /** What to do, as a sentence begins and without its full stop. */
  readonly remedy: string

  constructor (reason: string, remedy: string) {
    super([`DATABASE_URL: ${reason}; ${remedy}`])
    this.reason = reason
    this.remedy = remedy
  }
}
