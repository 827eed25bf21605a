/** What registration and the management of registrations share: options, limits, the operation and the refusal. */
import type { Repositories } from '../../domain/store.ts'
import type { FastifyRequest } from 'fastify'
import type { Provider } from 'oidc-provider'
import { addressBlock, addressOf, countedAddress } from '../../base/ip-address.ts'
import type { Actor } from '../../domain/core/actor.ts'
import type { Operation } from '../../domain/core/operation.ts'
import type { PrivateSchemes } from '../../domain/client-metadata/redirect-uri.ts'
import type { ClientMetadata } from '../../domain/credentials/client.ts'
import type { RegistrationToken } from '../../domain/credentials/registration-token.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import type { SharedCounters } from '../../domain/metering/shared-counters.ts'
import { windowLimiter, type WindowLimiter } from '../../domain/metering/window-limiter.ts'
import type { ProtocolLimits } from '../shared/limits.ts'
import { slowDown, type OAuthError } from '../shared/oauth-error.ts'
import type { ProtocolOptions } from '../shared/options.ts'
import { invalidToken } from './bearer.ts'
import { readClientMetadata } from './client-metadata.ts'

export interface RegistrationOptions extends ProtocolOptions {
  refusals: RefusalLog
  limits: ProtocolLimits
  counts: SharedCounters
  /** Its schema validates metadata. */
  provider: () => Provider
  privateSchemes: PrivateSchemes
}

/** Reads the metadata of a body. @throws as `readClientMetadata`. */
export function metadataIn ({ provider, privateSchemes }: RegistrationOptions, body: unknown): ClientMetadata {
  return readClientMetadata({ provider: provider(), privateSchemes }, body)
}

/** The largest body that is read, in bytes. */
export const bodyLimit = 16 * 1024

export interface RegistrationCounters {
  failures: WindowLimiter, perAddress: WindowLimiter, all: WindowLimiter, changes: WindowLimiter, repeats: WindowLimiter
}

export function registrationCounters ({ clock, limits, counts }: RegistrationOptions): RegistrationCounters {
  return {
    failures: windowLimiter(limits.failuresPerAddress, clock, counts.of('registration failures')),
    perAddress: windowLimiter(limits.registrationsPerAddress, clock, counts.of('registrations of an address')),
    all: windowLimiter(limits.registrations, clock, counts.of('registrations')),
    changes: windowLimiter(limits.changesPerClient, clock, counts.of('changes of a client')),
    repeats: windowLimiter(limits.repeatsPerClient, clock, counts.of('repeated changes of a client')),
  }
}

/** Counts and records a refused token. Returns the answer to it. */
export function refuse (
  { refusals }: RegistrationOptions,
  { failures }: RegistrationCounters,
  request: FastifyRequest,
  reason: string,
  description: string,
  token: Pick<RegistrationToken, 'id' | 'organizationId'> | null = null
): OAuthError {
  const address = addressOf(request)
  const counted = addressBlock(countedAddress(request))
  failures.count(counted)
  refusals.record({
    type: 'client.refused',
    reason,
    subject: token?.id ?? null,
    organizationId: token?.organizationId ?? null,
    address,
    requestId: request.id
  })
  const seconds = failures.exhausted(counted)
  return seconds === null ? invalidToken(description) : slowDown(seconds)
}

/** The operation of a request, in the name of the client, the registration token or the anonymous caller. */
export function operation (
  { store, clock }: RegistrationOptions,
  request: FastifyRequest,
  { id, organizationId }: Pick<Actor, 'id' | 'organizationId'>
): Operation<Repositories> {
  return {
    store,
    clock,
    actor: {
      id,
      organizationId,
      scopes: [],
      creator: null,
      restrictions: null,
      address: addressOf(request),
      requestId: request.id
    }
  }
}
