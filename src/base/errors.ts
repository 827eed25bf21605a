/**
 * The closed table of failures. Code throws a `Failure`; each edge has one place that turns it into an answer
 * (management/conventions/presenter.ts, guard/refusal/styles.ts, protocol/). `message` is public; `detail` and `cause`
 * are only logged.
 */
export const failures = {
  invalid_request: { status: 400, message: 'The request is malformed.' },
  unsupported_media_type: { status: 415, message: 'This route does not accept the content type of the body.' },
  payload_too_large: { status: 413, message: 'The body is too large.' },
  unknown_resource: { status: 400, message: 'There is no resource with this identifier.' },
  unknown_scope: { status: 400, message: 'The resource does not declare this scope.' },
  scope_api_key_only: { status: 400, message: 'This scope is API-key only and cannot be granted to an OAuth client.' },
  invalid_allowlist: { status: 400, message: 'An entry of the allowlist is neither an IP address nor a CIDR range.' },
  invalid_expiry: { status: 400, message: 'The expiry is not in the future.' },
  feature_not_included: { status: 403, message: 'The plan of the organization does not include this.' },
  insufficient_credits: { status: 402, message: 'There are not enough credits left.' },
  organization_not_active: { status: 409, message: 'The organization is suspended.' },
  credential_superseded: {
    status: 409, message: 'The credential was already rotated; rotate its replacement.'
  },
  would_lock_out: { status: 409, message: 'This would leave the organization without an administrator.' },
  credential_disabled: { status: 409, message: 'The credential is disabled; enable it first.' },
  credential_revoked: { status: 409, message: 'The credential is revoked and cannot be changed.' },
  credential_expired: { status: 409, message: 'The credential has expired, and its expiry cannot be changed.' },
  invalid_sign_in_link: {
    status: 400,
    message: 'This sign-in link is not valid: it was used, has expired or is incomplete. Ask for another one.'
  },
  invalid_passkey: {
    status: 400, message: 'The passkey was not accepted. Try again, or sign in in another way.'
  },
  passkeys_unavailable: {
    status: 409,
    message:
      'Passkeys belong to a host name, and the issuer of this server has an IP address instead; its operator sets ' +
        'LATCHKEY_ISSUER to a name.'
  },
  last_way_in: {
    status: 409, message: 'This is the last way to sign in; add a passkey or another account first.'
  },
  reauthentication_required: { status: 401, message: 'The sign-in is too old for this; sign in again.' },
  unauthorized: { status: 401, message: 'The request carries no valid credential.' },
  insufficient_permissions: { status: 403, message: 'The credential does not cover this operation.' },
  cross_site_request: {
    status: 403,
    message: 'The request did not come from a page of this server: open the page here and try again.'
  },
  tls_required: { status: 403, message: 'HTTPS is required.' },
  registration_closed: {
    status: 403, message: 'This server does not register clients; ask its operator to create one.'
  },
  not_found: { status: 404, message: 'Not found, or not visible to this credential.' },
  method_not_allowed: { status: 405, message: 'This path does not support this method.' },
  conflict: { status: 409, message: 'A record with this name already exists.' },
  session_ended: { status: 410, message: 'The session of this guard has ended; open another one.' },
  precondition_failed: {
    status: 412, message: 'It changed since you read it; fetch it and retry with the new ETag.'
  },
  idempotency_in_progress: {
    status: 409, message: 'A request with this Idempotency-Key is in progress; retry shortly.'
  },
  idempotency_answer_gone: {
    status: 409,
    message:
      'What this Idempotency-Key asked for was made, and its answer is not kept any more; nothing was made again.'
  },
  idempotency_key_reused: { status: 422, message: 'This Idempotency-Key was used for another request; use a new one.' },
  too_many_requests: { status: 429, message: 'Too many requests; slow down.' },
  audit_chain_broken: {
    status: 500,
    message:
      'The audit log was altered outside of this server; operations that it must record are refused until an ' +
        'operator recovers it.'
  },
  record_altered: {
    status: 500,
    message: 'The record was altered outside of this server; it is not handed out until an operator restores it.'
  },
  internal: { status: 500, message: 'The server failed. Its log has the reason under the request id.' },
  not_ready: { status: 503, message: 'The server is not ready.' },
  overloaded: { status: 503, message: 'The server is overloaded; retry shortly.' },
  shutting_down: { status: 503, message: 'The server is shutting down; retry, another server will answer.' },
  storage_full: {
    status: 503, message: 'The database is full; changes are refused until an operator frees space.'
  },
  change_lost: {
    status: 503,
    message:
      'The database lost a change that may have revoked this; it is refused until an operator decides.'
  },
  authorization_unavailable: {
    status: 503, message: 'This API cannot reach its authorization server; retry shortly.'
  },
  identity_provider_unavailable: {
    status: 503, message: 'The identity provider does not answer; try again shortly, or sign in in another way.'
  },
  provider_required: {
    status: 403, message: 'Your organization requires its identity provider; sign in with that.'
  },
  sign_in_refused: {
    status: 403, message: 'This account has no access here; ask an administrator of your organization to invite you.'
  },
  storage_unavailable: { status: 503, message: 'The server cannot reach its database; retry shortly.' },
} as const satisfies Record<string, { status: number, message: string }>

/** The name of a row of the table. The management API sends it in capitals. */
export type FailureCode = keyof typeof failures

/** Optional parts of a failure. */
export interface FailureContext {
  /**
   * For the caller: replaces the sentence of the table; names the record, the reason and the remedy. Never a secret.
   */
  message?: string
  /** For the calling program: machine-readable, public. */
  details?: Record<string, unknown>
  /** For the operator's log only. */
  detail?: string
  cause?: unknown
}

/** Thrown to stop a request. Any other exception is a defect and is answered as `internal`. */
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

/** The configuration prevents the start. Lists every problem, each with its variable. */
export class ConfigurationError extends Error {
  readonly problems: readonly string[]

  constructor (problems: readonly string[]) {
    super(`Latchkey cannot start:\n${problems.map(problem => `  - ${problem}`).join('\n')}`)
    this.name = 'ConfigurationError'
    this.problems = problems
  }
}
