/**
 * Dynamic client registration and its management (RFC 7591, RFC 7592). Our own handlers: the provider's would take
 * authority from the body, spend registration tokens without a transaction, and answer with what is stored of a secret.
 */
import type { Repositories } from '../../domain/store.ts'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Provider } from 'oidc-provider'
import { addressBlock, addressOf, countedAddress } from '../../base/ip-address.ts'
import { epochSeconds } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import { digestOf, sameDigest } from '../../secrets/digest.ts'
import type { Actor } from '../../domain/core/actor.ts'
import {
  currentSecrets, type Client
} from '../../domain/credentials/client.ts'
import { revokeClient } from '../../domain/credentials/client-change.ts'
import { replaceClientMetadata, isDescribedBy, registerClient } from '../../domain/credentials/client-registration.ts'
import { findRegistrationToken, type RegistrationToken } from '../../domain/credentials/registration-token.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import type { Registry } from '../../domain/access/registry.ts'
import { grantableNow } from '../../domain/resources/scope.ts'
import type { SharedCounters } from '../../domain/metering/shared-counters.ts'
import type { Operation } from '../../domain/core/operation.ts'
import { windowLimiter, type WindowLimiter } from '../../domain/metering/window-limiter.ts'
import { bearerToken, invalidToken, missingToken } from './bearer.ts'
import { readClientMetadata, sentMembers } from './client-metadata.ts'
import { descriptions } from '../shared/descriptions.ts'
import type { ProtocolLimits } from '../shared/limits.ts'
import { noStore, OAuthError, slowDown } from '../shared/oauth-error.ts'
import type { ProtocolOptions } from '../shared/options.ts'
import { paths } from '../shared/paths.ts'

export interface RegistrationOptions extends ProtocolOptions {
  refusals: RefusalLog
  limits: ProtocolLimits
  counts: SharedCounters
  /** Whose schema judges metadata. */
  provider: () => Provider
}

const bodyLimit = 16 * 1024
const nobody: Pick<Actor, 'id' | 'organizationId' | 'scopes'> = { id: 'anonymous', organizationId: null, scopes: [] }

interface Counters {
  failures: WindowLimiter, perAddress: WindowLimiter, all: WindowLimiter, changes: WindowLimiter, repeats: WindowLimiter
}

type ClientRequest = FastifyRequest<{ Params: { clientId: string } }>

/** The registration endpoint and the configuration endpoint of each client. */
export function registration (options: RegistrationOptions) {
  const { clock, limits, counts } = options
  const counters: Counters = {
    failures: windowLimiter(limits.failuresPerAddress, clock, counts.of('registration failures')),
    perAddress: windowLimiter(limits.registrationsPerAddress, clock, counts.of('registrations of an address')),
    all: windowLimiter(limits.registrations, clock, counts.of('registrations')),
    changes: windowLimiter(limits.changesPerClient, clock, counts.of('changes of a client')),
    repeats: windowLimiter(limits.repeatsPerClient, clock, counts.of('repeated changes of a client')),
  }
  return async (app: FastifyInstance): Promise<void> => {
    app.removeContentTypeParser(['text/plain'])
    app.addHook('onRequest', async (_request, reply) => { reply.headers(noStore) })
    const tokens = new WeakMap<FastifyRequest, RegistrationToken | null>()
    // Before the body is read: who may not register is not listened to.
    const onRequest = async (request: FastifyRequest) => {
      tokens.set(request, await admit(options, counters, request))
    }
    app.post(
      paths.registration, { bodyLimit, onRequest, schema: descriptions.register },
      (request, reply) => register(options, counters, tokens.get(request)!, request, reply)
    )
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
}

/** The registration token that a request came with; null: without, where that is enough. */
async function admit (
  options: RegistrationOptions, counters: Counters, request: FastifyRequest
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
  const { token, problem } = await findRegistrationToken(operation(options, request, nobody), options.registry, secret)
  if (problem !== null) {
    throw refuse(
      options, counters, request, problem, 'The registration token is unknown, expired, revoked or used up.', token
    )
  }
  return token
}

async function register (
  options: RegistrationOptions,
  counters: Counters,
  token: RegistrationToken | null,
  request: FastifyRequest,
  reply: FastifyReply
): Promise<FastifyReply> {
  const metadata = readClientMetadata(options.provider(), request.body)
  if (token === null) takeTurn(counters, countedAddress(request))
  const actor = token === null ? nobody : { id: token.id, organizationId: token.organizationId, scopes: [] }
  const { client, secret, registrationAccessToken } = await registerClient(
    operation(options, request, actor), metadata, token
  ).catch(spentMeanwhile)
  return await reply.code(201).send({
    ...await clientInformation(options, client, registrationAccessToken),
    ...(secret === null ? {} : { client_secret: secret, client_secret_expires_at: 0 }),
  })
}

/** Somebody took the last use between the check and the transaction: the same answer as a little earlier. */
function spentMeanwhile (failure: unknown): never {
  throw failure instanceof Failure && failure.code === 'unauthorized'
    ? invalidToken('The registration token is unknown, expired, revoked or used up.')
    : failure
}

/** Caps what strangers may register (SECURITY R3). */
function takeTurn ({ perAddress, all }: Counters, address: string): void {
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

async function read (options: RegistrationOptions, counters: Counters, request: ClientRequest): Promise<object> {
  const { client, token } = await authenticate(options, counters, request)
  return await clientInformation(options, client, token)
}

/** RFC 7592 §2.2. Replaces what describes the client; what it may do is not in there. */
async function replace (options: RegistrationOptions, counters: Counters, request: ClientRequest): Promise<object> {
  const { client, token } = await authenticate(options, counters, request)
  const metadata = readClientMetadata(options.provider(), request.body)
  requireOwnIdentity(client, sentMembers(request.body), options.clock())
  takeChange(isDescribedBy(client, metadata) ? counters.repeats : counters.changes, client)
  // Also what describes it already: another server may not have heard yet that the keys before are not good any more.
  const replaced = await replaceClientMetadata(operation(options, request, client), client.id, metadata).catch(
    asMetadataError
  )
  return await clientInformation(options, replaced, token)
}

/**
 * Every change is a write and an audit row, one that changes nothing an entry that all servers have to hear of, and
 * whoever registered has the means to make them: they are counted.
 */
function takeChange (changes: WindowLimiter, { id }: Client): void {
  const seconds = changes.exhausted(id)
  if (seconds !== null) {
    throw new OAuthError(429, 'slow_down', 'Too many changes of this client; try again later.', {
      'retry-after': String(seconds)
    })
  }
  changes.count(id)
}

async function remove (
  options: RegistrationOptions, counters: Counters, request: ClientRequest, reply: FastifyReply
): Promise<FastifyReply> {
  const { client } = await authenticate(options, counters, request)
  await revokeClient(operation(options, request, client), client.id, 'deleted by the client itself')
  return await reply.code(204).send()
}

/** The client that a registration access token is for (RFC 7592 §3), if it is the one of the path. */
async function authenticate (
  options: RegistrationOptions, counters: Counters, request: ClientRequest
): Promise<{ client: Client, token: string }> {
  const token = bearerToken(request)
  if (token === null) throw missingToken('The registration access token is missing.')
  const digest = digestOf(token)
  const client = await options.store.clients.byRegistrationAccessDigest(digest)
  const own = client !== null && client.registrationAccessDigest !== null &&
    sameDigest(client.registrationAccessDigest, digest) &&
    client.id === request.params.clientId && client.revokedAt === null && await isServed(options.registry, client)
  if (!own) {
    throw refuse(
      options, counters, request, 'unknown_registration_access_token',
      'The registration access token is not good for this client.'
    )
  }
  return { client, token }
}

/** Also that it is not refused for a while, as it is wherever it is looked up. */
async function isServed (registry: Registry, { id, organizationId }: Client): Promise<boolean> {
  if (await registry.client(id) === null) return false
  return organizationId === null || (await registry.organization(organizationId))?.status === 'active'
}

function refuse (
  { refusals }: RegistrationOptions,
  { failures }: Counters,
  request: FastifyRequest,
  reason: string,
  description: string,
  about: Pick<RegistrationToken, 'id' | 'organizationId'> | null = null
): OAuthError {
  const address = addressOf(request)
  const counted = addressBlock(countedAddress(request))
  failures.count(counted)
  refusals.record({
    type: 'client.refused',
    reason,
    subject: about?.id ?? null,
    organizationId: about?.organizationId ?? null,
    address,
    requestId: request.id
  })
  const seconds = failures.exhausted(counted)
  return seconds === null ? invalidToken(description) : slowDown(seconds)
}

const serverOnly = [
  'registration_access_token', 'registration_client_uri', 'client_secret_expires_at', 'client_id_issued_at'
]

/**
 * RFC 7592 §2.2: the body names this client, proves to know its secret if it names one, and leaves the server's members
 * out.
 */
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
    400, 'invalid_client_metadata', 'client_secret must be the present one, or left out (RFC 7592 §2.2).'
  )
}

function asMetadataError (failure: unknown): never {
  throw failure instanceof Failure && failure.status === 400
    ? new OAuthError(400, 'invalid_client_metadata', failure.message)
    : failure
}

/**
 * RFC 7591 §3.2.1, RFC 7592 §3: what is registered, as it is; `scope` is what the client really has. Never the secret.
 */
async function clientInformation (
  { issuer, registry }: RegistrationOptions, client: Client, registrationAccessToken: string
): Promise<object> {
  const scope = await grantedScope(registry, client)
  return {
    client_id: client.id,
    client_id_issued_at: epochSeconds(client.createdAt),
    registration_access_token: registrationAccessToken,
    registration_client_uri: `${issuer}${paths.registration}/${client.id}`,
    ...client.metadata,
    ...(scope === '' ? {} : { scope }),
  }
}

async function grantedScope (registry: Registry, client: Client): Promise<string> {
  const granted = await Promise.all(
    client.grants.map(async ({ resourceId, scopes }) =>
      grantableNow(scopes, (await registry.resource(resourceId))?.scopes ?? [])
    )
  )
  return [...new Set(granted.flat())].join(' ')
}

function operation (
  { store, clock }: RegistrationOptions, request: FastifyRequest, who: Pick<Actor, 'id' | 'organizationId'>
): Operation<Repositories> {
  const { id, organizationId } = who
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
