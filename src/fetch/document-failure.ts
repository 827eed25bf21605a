/** Why a stranger's document is not there. */

/**
 * `unavailable`: it may be there a moment later. `refused`: its host answers something else than a document. `invalid`:
 * the document says what it may not. `busy`: too many documents were fetched.
 */
export type DocumentFailureReason = 'unavailable' | 'refused' | 'invalid' | 'busy'

/**
 * Thrown instead of a document. `message` is public: a sentence without its subject, such as "answers with a redirect",
 * which tells nothing about the network of this server. `detail`: the precise reason, for the log.
 */
export class DocumentFailure extends Error {
  readonly reason: DocumentFailureReason
  readonly detail: string
  /** Seconds, with `busy`. */
  readonly retryAfter: number

  constructor (reason: DocumentFailureReason, message: string, { detail = message, retryAfter = 1 } = {}) {
    super(message)
    this.name = 'DocumentFailure'
    this.reason = reason
    this.detail = detail
    this.retryAfter = retryAfter
  }
}
