/**
 * Dynamic client registration (RFC 7591). Our own handlers: the provider's would take authority from the body, use up
 * registration tokens without a transaction, and answer with the stored form of a secret.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { addressBlock, addressOf, countedAddress } from '../../base/ip-address.ts'
import { Failure } from '../../base/errors.ts'
import type { Actor } from '../../domain/core/actor.ts'
import { registerClient } from '../../domain/credentials/client-registration.ts'
import { findRegistrationToken, type RegistrationToken } from '../../domain/credentials/registration-token.ts'
import { anyOrigin } from '../endpoints/cross-origin.ts'
import { bearerToken, invalidToken, missingToken } from './bearer.ts'
import { clientConfiguration } from './client-configuration.ts'
import { clientInformation } from './client-information.ts'
import { descriptions } from './descriptions.ts'
import { noStore, OAuthError } from '../shared/oauth-error.ts'
import { paths } from '../shared/paths.ts'
import {
  bodyLimit, metadataIn, operation, refuse, registrationCounters, type RegistrationCounters, type RegistrationOptions
} from './registration-context.ts'

const anonymous: Pick<Actor, 'id' | 'organizationId' | 'scopes'> = { id: 'anonymous', organizationId: null, scopes: [] }

/** The registration endpoint and the configuration endpoint of each client. */
export function registration (options: RegistrationOptions) {
  const counters = registrationCounters(options)
  // A public client in a browser registers itself there (SECURITY N4).
  const headers = { ...noStore, ...(options.people === undefined ? {} : anyOrigin) }
  return async (app: FastifyInstance): Promise<void> => {
    app.removeContentTypeParser(['text/plain'])
    app.addHook('onRequest', async (_request, reply) => { reply.headers(headers) })
    const tokens = new WeakMap<FastifyRequest, RegistrationToken | null>()
    // Runs before the body is read, so that the body of a caller that may not register is not.
    const onRequest = async (request: FastifyRequest) => {
      tokens.set(request, await admit(options, counters, request))
    }
    app.post(
      paths.registration, { bodyLimit, onRequest, schema: descriptions.register },
      (request, reply) => register(options, counters, tokens.get(request)!, request, reply)
    )
    clientConfiguration(app, options, counters)
  }
}

/** The registration token of a request. Null: none, and none is needed. */
async function admit (
  options: RegistrationOptions, counters: RegistrationCounters, request: FastifyRequest
): Promise<RegistrationToken | null> {
  if (options.registration === 'closed') {
    options.refusals.record({
      type: 'client.refused',
      reason: 'registration_closed',
      subject: null,
      organizationId: null,
      address: addressOf(request),
      requestId: request.id
    })
    throw new Failure('registration_closed')
  }
  const secret = bearerToken(request)
  if (secret === null) {
    if (options.registration === 'open') return null
    throw missingToken(
      'Registration needs a registration token: ask an operator for one and send it as `Authorization: Bearer`.'
    )
  }
  const { token, problem } = await findRegistrationToken(
    operation(options, request, anonymous), options.registry, secret
  )
  if (problem !== null) {
    throw refuse(
      options, counters, request, problem, 'The registration token is unknown, expired, revoked or used up.', token
    )
  }
  return token
}

async function register (
  options: RegistrationOptions,
  counters: RegistrationCounters,
  token: RegistrationToken | null,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const metadata = metadataIn(options, request.body)
  if (token === null) countRegistration(counters, countedAddress(request))
  const actor = token === null ? anonymous : { id: token.id, organizationId: token.organizationId, scopes: [] }
  const { client, secret, registrationAccessToken } = await registerClient(
    operation(options, request, actor), metadata, token
  ).catch(spentMeanwhile)
  return await reply.code(201).send({
    ...await clientInformation(options, client, registrationAccessToken),
    ...(secret === null ? {} : { client_secret: secret, client_secret_expires_at: 0 }),
  })
}

/** Another registration took the last use between the check and the transaction: the same answer as in the check. */
function spentMeanwhile (failure: unknown): never {
  throw failure instanceof Failure && failure.code === 'unauthorized'
    ? invalidToken('The registration token is unknown, expired, revoked or used up.')
    : failure
}

/** Limits registrations without a token (SECURITY R3). */
function countRegistration ({ perAddress, all }: RegistrationCounters, address: string): void {
  const seconds = perAddress.exhausted(addressBlock(address)) ?? all.exhausted('all')
  if (seconds !== null) {
    throw new OAuthError(
      429, 'slow_down', 'Too many registrations; try again later, or register with a registration token.',
      { 'retry-after': String(seconds) }
    )
  }
  perAddress.count(addressBlock(address))
  all.count('all')
}
