/**
 * The closed table of failures. What travels inside is a `Failure`; what a caller sees is made from it in one place per
 * edge (management/conventions/presenter.ts, guard/styles.ts, protocol/). `message` is public; `detail` and `cause`
 * reach the log only.
 */
export const failures = {
  invalid_request: { status: 400, message: 'The request is malformed.' },
  unsupported_media_type: { status: 415, message: 'The body has a content type that this route does not read.' },
  payload_too_large: { status: 413, message: 'The body is larger than this server reads.' },
  unknown_resource: { status: 400, message: 'There is no resource with this identifier.' },
  unknown_scope: { status: 400, message: 'The resource does not declare this scope.' },
  scope_api_key_only: { status: 400, message: 'This scope is API-key only: no OAuth client can be granted it.' },
  invalid_allowlist: { status: 400, message: 'An entry of the allowlist is neither an IP address nor a CIDR range.' },
  invalid_expiry: { status: 400, message: 'The expiry is not in the future.' },
  feature_not_included: { status: 403, message: 'The plan of the organization does not include this.' },
  insufficient_credits: { status: 402, message: 'There are not enough credits left.' },
  organization_not_active: { status: 409, message: 'The organization is suspended.' },
  credential_superseded: {
    status: 409, message: 'The credential was rotated already; rotate the one that replaced it.'
  },
  would_lock_out: { status: 409, message: 'After this nobody in the organization could administer it any more.' },
  credential_revoked: { status: 409, message: 'The credential was revoked and cannot be changed any more.' },
  credential_expired: { status: 409, message: 'The credential has expired and cannot be given another end.' },
  unauthorized: { status: 401, message: 'The request carries no valid credential.' },
  insufficient_permissions: { status: 403, message: 'The credential does not cover this operation.' },
  tls_required: { status: 403, message: 'This server is only spoken to over TLS; use https.' },
  registration_closed: { status: 403, message: 'This server does not register clients; ask its operator for one.' },
  not_found: { status: 404, message: 'There is nothing here under this name, or it is not yours to see.' },
  method_not_allowed: { status: 405, message: 'This path does not take this method.' },
  conflict: { status: 409, message: 'Something with this name exists already.' },
  precondition_failed: {
    status: 412, message: 'It was changed meanwhile: get it again, and decide anew with its present ETag.'
  },
  idempotency_in_progress: {
    status: 409, message: 'A request with this Idempotency-Key is being answered; send it again in a moment.'
  },
  idempotency_key_reused: { status: 422, message: 'This Idempotency-Key was used for another request; use a new one.' },
  too_many_requests: { status: 429, message: 'Too many requests; slow down.' },
  audit_chain_broken: {
    status: 500,
    message:
      'The audit log is not what this server wrote: what cannot be recorded in it is refused until an operator has ' +
        'looked at it.'
  },
  internal: { status: 500, message: 'The server failed to answer. The request id leads to the reason in its log.' },
  not_ready: { status: 503, message: 'The server is not ready to serve.' },
  overloaded: { status: 503, message: 'The server has more to do than it can; try again shortly.' },
  shutting_down: { status: 503, message: 'The server is shutting down; try again, another one will answer.' },
  storage_full: {
    status: 503, message: 'The database of the server is full: it takes no change until its operator has made room.'
  },
  change_lost: {
    status: 503,
    message:
      'The database has lost a change that may have taken this away; it is refused until an operator has decided.'
  },
  storage_unavailable: { status: 503, message: 'The server cannot reach its database; try again shortly.' },
} as const satisfies Record<string, { status: number, message: string }>

/** The name of a row of the table. On the wire of the management API it is spelled in capitals. */
export type FailureCode = keyof typeof failures

/** What a failure may carry besides its code. */
export interface FailureContext {
  /**
   * For people who called: replaces the table's sentence; names the thing, the reason and the way out. Never a secret.
   */
  message?: string
  /** For programs that called: machine-readable, public. */
  details?: Record<string, unknown>
  /** For the operator's log only. */
  detail?: string
  cause?: unknown
}

/** Thrown to stop a request. Whatever is not a `Failure` is a defect and is presented as `internal`. */
export class Failure extends Error {
  readonly code: FailureCode
  readonly status: number
  readonly details: Record<string, unknown> | undefined
  readonly detail: string | undefined

  constructor (code: FailureCode, context: FailureContext = {}) {
    super(context.message ?? failures[code].message, context.cause === undefined ? {} : { cause: context.cause })
    this.name = 'Failure'
    this.code = code
    this.status = failures[code].status
    this.details = context.details
    this.detail = context.detail
  }
}

/** Start-up was refused. Lists every problem at once, each naming its variable. */
export class ConfigurationError extends Error {
  readonly problems: readonly string[]

  constructor (problems: readonly string[]) {
    super(`Latchkey cannot start:\n${problems.map(problem => `  - ${problem}`).join('\n')}`)
    this.name = 'ConfigurationError'
    this.problems = problems
  }
}
