/**
 * Grants that are answered ahead of oidc-provider, which refuses every request without a client. The dispatcher reads
 * the request, counts and records refusals, and presents what is thrown; a grant decides.
 */
import type { FastifyRequest } from 'fastify'
import { addressBlock, addressOf, countedAddress } from '../../base/ip-address.ts'
import type { RefusalEntry, RefusalLog } from '../../domain/audit/refusal-log.ts'
import type { WindowLimiter } from '../../domain/metering/window-limiter.ts'
import { OAuthError, presentError, slowDown } from '../shared/oauth-error.ts'
import { grantTypesOf, readTokenForm, takeForm, type TokenForm } from './token-request.ts'

/** A grant of our own. */
export interface OwnGrant {
  /** The `grant_type` that it answers. */
  type: string
  /**
   * The body of the answer with status 200. Null: oidc-provider has to answer, and finds the request's body unread.
   * @throws OAuthError, GrantRefusal
   */
  answer (request: TokenRequest): Promise<object | null>
}

/** A token request. `http`: for its address, its id and its headers; its body was read. */
export interface TokenRequest { form: TokenForm, http: FastifyRequest }

/** What the audit log has of a refusal. `subject`: the id of a credential that exists; null: unknown. */
export interface RefusedGrant extends Pick<RefusalEntry, 'reason' | 'subject' | 'organizationId' | 'detail' | 'party'> {
  /** Absent: `credential.refused`. */
  type?: RefusalEntry['type']
}

/**
 * A proof that is not taken: recorded with its precise reason, and counted by address as a wrong client secret is.
 * Other OAuthErrors concern the caller alone.
 */
export class GrantRefusal extends OAuthError {
  readonly refused: RefusedGrant

  constructor (
    refused: RefusedGrant, error: string, description: string, status = 400, headers: OAuthError['headers'] = {}
  ) {
    super(status, error, description, headers)
    this.name = 'GrantRefusal'
    this.refused = refused
  }
}

export interface OwnGrantsOptions {
  refusals: RefusalLog
  /** Counts failed proofs by address, with those of clients. */
  addressFailures: WindowLimiter
}

/** An answer, ready to be sent. `body` null: it is empty. */
export interface OwnAnswer { status: number, headers: Readonly<Record<string, string>>, body: object | null }

/** Answers requests for `grants`. Null: it is for another grant, and the body is unread. */
export function ownGrants (
  options: OwnGrantsOptions, grants: readonly OwnGrant[]
): (http: FastifyRequest) => Promise<OwnAnswer | null> {
  const byType = new Map(grants.map(grant => [grant.type, grant]))
  return async http => await answeredAhead(http, async body => {
    const grant = grantTypesOf(body).map(type => byType.get(type)).find(each => each !== undefined)
    return grant === undefined ? null : await answerTo(options, grant, http, body)
  })
}

/** Answers a form ahead of oidc-provider, whatever is thrown. Null: the body is unread, as it was. */
export async function answeredAhead (
  http: FastifyRequest, answer: (body: Buffer) => Promise<OwnAnswer | null>
): Promise<OwnAnswer | null> {
  const { raw } = http
  const body = await takeForm(raw)
  if (body === null) return null
  const answered = await answer(body).catch((failure: unknown) => {
    const { unexpected, ...presented } = presentError(failure, http.id)
    if (unexpected) http.log.error({ err: failure }, 'the authorization server failed')
    return presented
  })
  if (answered === null) raw.unshift(body)
  else raw.resume()
  return answered
}

async function answerTo (
  options: OwnGrantsOptions, grant: OwnGrant, http: FastifyRequest, body: Buffer
): Promise<OwnAnswer | null> {
  try {
    const answered = await grant.answer({ form: readTokenForm(body), http })
    return answered && { status: 200, headers: {}, body: answered }
  } catch (thrown) {
    throw thrown instanceof GrantRefusal ? refused(options, http, thrown) : thrown
  }
}

/** Records the precise reason, and slows down an address that fails again and again. */
function refused (
  { refusals, addressFailures }: OwnGrantsOptions, http: FastifyRequest, refusal: GrantRefusal
): OAuthError {
  refusals.record({
    type: 'credential.refused', ...refusal.refused, address: addressOf(http), requestId: http.id
  })
  const block = addressBlock(countedAddress(http))
  addressFailures.count(block)
  const seconds = addressFailures.exhausted(block)
  return seconds === null ? refusal : slowDown(seconds)
}
