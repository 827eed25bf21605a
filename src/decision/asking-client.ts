/** The client that asks for a decision: authenticated as at introspection (RFC 7662 §2.1), with JSON for the form. */
import type { FastifyRequest } from 'fastify'
import { addressOf, countedAddress } from '../base/ip-address.ts'
import type { Clock } from '../base/clock.ts'
import { Failure } from '../base/errors.ts'
import { digestOf } from '../secrets/digest.ts'
import type { Registry } from '../domain/access/registry.ts'
import type { Client } from '../domain/credentials/client.ts'
import { isAbandoned } from '../domain/credentials/client-registration.ts'
import type { LastUsedRecorder } from '../domain/metering/last-used.ts'
import type { WindowLimiter } from '../domain/metering/window-limiter.ts'
import {
  failureKey, holdsSecret, reasonAgainstClient, sharesSecret
} from '../protocol/provider/client-authentication.ts'
import { presentedSecret } from '../protocol/fast-path/plain-request.ts'

export interface AskingClientOptions {
  registry: Registry
  clock: Clock
  /** Counts failures by client and address, with those of the other endpoints. */
  failures: WindowLimiter
  usage: Pick<LastUsedRecorder, 'touch'>
}

/** Members of the body by which a client may authenticate. */
export interface ClientCredentials { client_id?: string, client_secret?: string }

/**
 * The client behind a request: by HTTP Basic, or by the members of its body. @throws Failure `unauthorized` when it
 * proves none, `too_many_requests` after too many failures, `insufficient_permissions` for one that is kept out.
 */
export async function askingClient (
  { registry, clock, failures, usage }: AskingClientOptions, request: FastifyRequest, body: ClientCredentials
): Promise<Client> {
  const form: Record<string, string> = {}
  if (body.client_id !== undefined) form.client_id = body.client_id
  if (body.client_secret !== undefined) form.client_secret = body.client_secret
  const presented = presentedSecret(request.headers, form)
  if (presented === null) throw notAuthenticated()
  const counted = failureKey(presented.clientId, countedAddress(request))
  if (failures.exhausted(counted) !== null) throw new Failure('too_many_requests')
  // Made before it is known whether there is such a client: the time of an answer must not tell (SECURITY T9).
  const digest = digestOf(presented.secret)
  const client = await registry.client(presented.clientId)
  const now = clock()
  if (
    client === null || client.revokedAt !== null || isAbandoned(client, now) || !sharesSecret(client) ||
    !holdsSecret(client, digest, now)
  ) {
    failures.count(counted)
    throw notAuthenticated()
  }
  const owner = client.organizationId === null ? null : await registry.organization(client.organizationId)
  const against = reasonAgainstClient(client, owner, addressOf(request))
  if (against !== null) {
    throw new Failure('insufficient_permissions', { message: against.error_description ?? against.message })
  }
  usage.touch(client.id, now)
  return client
}

function notAuthenticated (): Failure {
  return new Failure('unauthorized', {
    message: 'The client did not authenticate: send its id and its secret by HTTP Basic, or as client_id and ' +
      'client_secret in the body.'
  })
}
