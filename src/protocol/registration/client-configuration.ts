/** The client configuration endpoint (RFC 7592): a registered client reads, replaces and deletes its registration. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { Failure } from '../../base/errors.ts'
import { digestOf, sameDigest } from '../../secrets/digest.ts'
import { currentSecrets, isActive, type Client } from '../../domain/credentials/client.ts'
import { revokeClient } from '../../domain/authorizations/revoke-client.ts'
import { isDescribedBy, replaceClientMetadata } from '../../domain/credentials/client-registration.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { WindowLimiter } from '../../domain/metering/window-limiter.ts'
import { descriptions } from './descriptions.ts'
import { OAuthError } from '../shared/oauth-error.ts'
import { paths } from '../shared/paths.ts'
import { bearerToken, missingToken } from './bearer.ts'
import { clientInformation } from './client-information.ts'
import { sentMembers } from './metadata-members.ts'
import {
  bodyLimit, metadataIn, operation, refuse, type RegistrationCounters, type RegistrationOptions
} from './registration-context.ts'

type ClientRequest = FastifyRequest<{ Params: { clientId: string } }>

/** The routes of the endpoint. */
export function clientConfiguration (
  app: FastifyInstance, options: RegistrationOptions, counters: RegistrationCounters
): void {
  const url = `${paths.registration}/:clientId`
  app.get(
    url, { schema: descriptions.readRegistration },
    async (request: ClientRequest) => await read(options, counters, request)
  )
  app.put(
    url, { bodyLimit, schema: descriptions.replaceRegistration },
    async (request: ClientRequest) => await replace(options, counters, request)
  )
  app.delete(
    url, { schema: descriptions.deleteRegistration },
    async (request: ClientRequest, reply) => await remove(options, counters, request, reply)
  )
}

async function read (
  options: RegistrationOptions, counters: RegistrationCounters, request: ClientRequest
): Promise<object> {
  const { client, token } = await authenticate(options, counters, request)
  return await clientInformation(options, client, token)
}

/** RFC 7592 §2.2. Replaces the metadata of the client, which hold no authority. */
async function replace (
  options: RegistrationOptions, counters: RegistrationCounters, request: ClientRequest
): Promise<object> {
  const { client, token } = await authenticate(options, counters, request)
  const metadata = metadataIn(options, request.body)
  requireOwnIdentity(client, sentMembers(request.body), options.clock())
  countChange(isDescribedBy(client, metadata) ? counters.repeats : counters.changes, client)
  // Also for unchanged metadata: another server may not know yet that earlier keys of the client are no longer valid.
  const replaced = await replaceClientMetadata(operation(options, request, client), client.id, metadata).catch(
    asMetadataError
  )
  return await clientInformation(options, replaced, token)
}

/**
 * Limits the changes of one client: each is a write and an audit row, one that changes nothing a feed entry for all
 * servers, and any registered client can make them.
 */
function countChange (changes: WindowLimiter, { id }: Client): void {
  const seconds = changes.exhausted(id)
  if (seconds !== null) {
    throw new OAuthError(429, 'slow_down', 'Too many changes of this client; try again later.', {
      'retry-after': String(seconds)
    })
  }
  changes.count(id)
}

async function remove (
  options: RegistrationOptions, counters: RegistrationCounters, request: ClientRequest, reply: FastifyReply
): Promise<FastifyReply> {
  const { client } = await authenticate(options, counters, request)
  await revokeClient(operation(options, request, client), client.id, 'deleted by the client itself')
  return await reply.code(204).send()
}

/** The client of the registration access token (RFC 7592 §3), which must be the one of the path. */
async function authenticate (
  options: RegistrationOptions, counters: RegistrationCounters, request: ClientRequest
): Promise<{ client: Client, token: string }> {
  const token = bearerToken(request)
  if (token === null) throw missingToken('The registration access token is missing.')
  const digest = digestOf(token)
  const client = await options.store.clients.byRegistrationAccessDigest(digest)
  const own = client !== null && client.registrationAccessDigest !== null &&
    sameDigest(client.registrationAccessDigest, digest) &&
    client.id === request.params.clientId && isActive(client) && await isServed(options.registry, client)
  if (!own) {
    throw refuse(
      options, counters, request, 'unknown_registration_access_token',
      'The registration access token is not valid for this client.'
    )
  }
  return { client, token }
}

/** Whether the registry returns the client, as for every other endpoint, and its organization is active. */
async function isServed (registry: Registry, { id, organizationId }: Client): Promise<boolean> {
  if (await registry.client(id) === null) return false
  return organizationId === null || (await registry.organization(organizationId))?.status === 'active'
}

const serverOnly = [
  'registration_access_token', 'registration_client_uri', 'client_secret_expires_at', 'client_id_issued_at'
]

/** RFC 7592 §2.2: the body has this client's id, its current secret if any, and no members of the server. */
function requireOwnIdentity (client: Client, body: Readonly<Record<string, unknown>>, now: Date): void {
  const forbidden = serverOnly.find(member => body[member] !== undefined)
  if (forbidden !== undefined) {
    throw new OAuthError(400, 'invalid_client_metadata', `${forbidden} must not be sent (RFC 7592 §2.2).`)
  }
  if (body.client_id !== client.id) {
    throw new OAuthError(400, 'invalid_client_metadata', 'client_id must be the id of this client (RFC 7592 §2.2).')
  }
  if (body.client_secret === undefined) return
  const digest = digestOf(String(body.client_secret))
  if (
    typeof body.client_secret === 'string' && currentSecrets(client, now).some(held => sameDigest(held.digest, digest))
  ) return
  throw new OAuthError(
    400, 'invalid_client_metadata', 'client_secret must be the current one, or left out (RFC 7592 §2.2).'
  )
}

function asMetadataError (failure: unknown): never {
  throw failure instanceof Failure && failure.status === 400
    ? new OAuthError(400, 'invalid_client_metadata', failure.message)
    : failure
}
