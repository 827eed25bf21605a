/** The error for a database that this version cannot use. */
import { ConfigurationError } from '../../base/errors.ts'

/** Names DATABASE_URL, the reason and the remedy. */
export class UnusableDatabase extends ConfigurationError {
  readonly reason: string
  /** An instruction, in lower case and without a full stop. */
  readonly remedy: string

  constructor (reason: string, remedy: string) {
    super([`DATABASE_URL: ${reason}; ${remedy}`])
    this.reason = reason
    this.remedy = remedy
  }
}
