/** The proof by which a client says who it is: one of three ways, and no second one beside it (RFC 6749 §2.3). */
import type { FastifyRequest } from 'fastify'
import { Failure } from '../base/errors.ts'
import { timesSent } from '../http/repeated-headers.ts'
import { Type } from '../http/typebox-lite.ts'
import { presentedSecret } from '../protocol/fast-path/plain-request.ts'
import { assertionType, clientOfAssertion } from '../protocol/provider/assertion-proof.ts'

const Visible = { minLength: 1, pattern: '^[\\x20-\\x7e]*$' }

/** Members of a body by which a client may authenticate, as at introspection (RFC 7662 §2.1). */
export const clientCredentials = {
  client_id: Type.Optional(Type.String({ ...Visible, maxLength: 512, description: 'Without HTTP Basic.' })),
  client_secret: Type.Optional(Type.String({ ...Visible, maxLength: 512, description: 'For client_secret_post.' })),
  client_assertion_type: Type.Optional(Type.String({ maxLength: 128, description: `\`${assertionType}\`` })),
  client_assertion: Type.Optional(
    Type.String({ minLength: 1, maxLength: 8_192, description: 'For private_key_jwt (RFC 7523 §2.2).' })
  )
}

export interface ClientCredentials {
  client_id?: string, client_secret?: string, client_assertion_type?: string, client_assertion?: string
}

/** What a request says of its client, not verified yet. */
export type ClientProof =
  | { clientId: string, secret: string, assertion: null }
  | { clientId: string, secret: null, assertion: string }

/**
 * The one proof that a request carries; null: none that could be read. @throws Failure `invalid_request` for several
 * proofs, or for parts of one that contradict each other.
 */
export function clientProof ({ headers, raw }: FastifyRequest, body: ClientCredentials): ClientProof | null {
  const { client_id: named, client_secret: secret, client_assertion: assertion } = body
  if (headers.authorization !== undefined && timesSent(raw.rawHeaders, 'authorization') > 1) {
    throw malformed('The header authorization must not be sent twice.')
  }
  const ways = [headers.authorization, secret, assertion].filter(each => each !== undefined)
  if (ways.length > 1) {
    throw malformed('The client authenticated in several ways at once; send either HTTP Basic, client_secret or ' +
      'client_assertion.')
  }
  const proof = assertion === undefined ? secretOf(headers, body) : assertionOf(assertion, body)
  if (proof !== null && named !== undefined && named !== proof.clientId) {
    throw malformed('client_id is not the client that the request authenticates.')
  }
  return proof
}

function secretOf (headers: FastifyRequest['headers'], { client_id: id, client_secret: secret }: ClientCredentials) {
  const form = headers.authorization !== undefined || id === undefined || secret === undefined
    ? {}
    : { client_id: id, client_secret: secret }
  const presented = presentedSecret(headers, form)
  return presented === null ? null : { ...presented, assertion: null }
}

function assertionOf (assertion: string, { client_assertion_type: type }: ClientCredentials): ClientProof | null {
  if (type !== assertionType) throw malformed(`client_assertion_type must be ${assertionType}.`)
  const clientId = clientOfAssertion(assertion)
  return clientId === null ? null : { clientId, secret: null, assertion }
}

function malformed (message: string): Failure {
  return new Failure('invalid_request', { message })
}
