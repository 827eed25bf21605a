/**
 * The operator's HTTP API: itself a guarded resource, with the credentials of LedgerBee and the envelopes of OpenCrane.
 */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../base/clock.ts'
import { idempotency } from '../domain/core/idempotency.ts'
import type { Replica } from '../domain/maintenance/drift.ts'
import type { ReplicaDirectory } from '../domain/maintenance/replica.ts'
import { managementResourceId, type Resource } from '../domain/resources/resource.ts'
import type { Scope } from '../domain/resources/scope.ts'
import type { SigningKeys } from '../domain/tokens/signing-key.ts'
import { managementStyle, selfStyle } from '../domain/resources/style.ts'
import type { Meter } from '../domain/metering/meter.ts'
import type { Store } from '../domain/store.ts'
import type { TokenMeter } from '../domain/tokens/issuance-meter.ts'
import { Failure } from '../base/errors.ts'
import { isCompressed } from '../http/media-type.ts'
import { auditKeys } from '../secrets/authentication-code.ts'
import type { GuardOptions } from '../guard/index.ts'
import { accessTokenRoutes } from './routes/access-tokens.ts'
import { announceConventions, refuseUnknownQuery } from './documentation/announcements.ts'
import { apiKeyRoutes } from './routes/api-keys.ts'
import { auditRoutes } from './routes/audit.ts'
import { clientRoutes } from './routes/clients.ts'
import { markCursors } from './conventions/cursors.ts'
import { effectiveAccessRoutes } from './routes/effective-access.ts'
import { groupRoutes } from './routes/groups.ts'
import { hint } from './conventions/hints.ts'
import { mcpServerRoutes } from './routes/mcp-servers.ts'
import { memberRoutes } from './routes/members.ts'
import { organizationRoutes } from './routes/organizations.ts'
import { completeOwner } from './conventions/owning-organization.ts'
import { policyRoutes } from './routes/policies.ts'
import { tagAnswers } from './conventions/etags.ts'
import { presentError } from './conventions/presenter.ts'
import { publishableKeyRoutes } from './routes/publishable-keys.ts'
import { readQueryValues } from './conventions/query-values.ts'
import { registrationTokenRoutes } from './routes/registration-tokens.ts'
import { lostChangeRoutes, replicaRoutes } from './routes/replicas.ts'
import { resourceRoutes } from './routes/resources.ts'
import { selfRoutes } from './routes/self.ts'
import { serverRoutes, type ServerDependencies } from './routes/server.ts'
import { signingKeyRoutes } from './routes/signing-keys.ts'
import { usageRoutes } from './routes/usage.ts'
import { webhookTokenRoutes } from './routes/webhook-tokens.ts'
import { refuseHalfCharacters } from './conventions/well-formed-text.ts'

/** The path below which the management API lives. */
export const managementPath = '/api/v1'

const managed = [
  'organizations',
  'members',
  'groups',
  'policies',
  'effective-access',
  'resources',
  'clients',
  'api-keys',
  'publishable-keys',
  'webhook-tokens',
  'registration-tokens',
  'access-tokens',
  'mcp-servers',
  'signing-keys'
]

/** What a credential may be granted on the management API. */
export const managementScopes: readonly Scope[] = [
  ...managed.flatMap(collection => [`${collection}:read`, `${collection}:write`]),
  'audit:read',
  'audit:write',
  'usage:read',
  'credits:read',
  'credits:write',
  'server:read',
  'replicas:read',
  'replicas:write'
].map(name => ({ name, keyOnly: false, description: null }))

/** The management API as the resource that its credentials are for. */
export function managementResource (issuer: string): Pick<Resource, 'id' | 'identifier' | 'name' | 'scopes' | 'style'> {
  return {
    id: managementResourceId,
    identifier: issuer + managementPath,
    name: 'Latchkey management API',
    scopes: managementScopes,
    style: managementStyle
  }
}

export interface ManagementOptions {
  issuer: string
  /** The guard of this server. */
  guard: FastifyPluginAsync<GuardOptions>
  store: Store
  clock: Clock
  replicas: readonly Replica[]
  directory: ReplicaDirectory
  server: ServerDependencies
  signingKeys: SigningKeys
  tokens: TokenMeter
  meter: Meter
  /** LATCHKEY_SECRET, the newest first: for cursors, idempotency keys and the seals of the audit log. */
  secrets: readonly string[]
}

export function management (options: ManagementOptions): FastifyPluginAsync {
  const { issuer, guard, secrets } = options
  const dependencies = { ...options, answers: idempotency(secrets), auditKeys: auditKeys(secrets) }
  return async app => {
    app.setErrorHandler(presentError)
    // Records, secrets and what a credential may do: no cache keeps any of it, whatever the status. With `done` and not
    // as a promise.
    app.addHook('onSend', (_request, reply, payload, done) => {
      reply.header('cache-control', 'no-store')
      done(null, payload)
    })
    app.addHook('preParsing', refuseCompressed)
    app.addHook('preValidation', refuseNull)
    await app.register(async api => {
      await api.register(guard, { resource: issuer + managementPath })
      markCursors(api, secrets)
      tagAnswers(api)
      hint(api)
      announceConventions(api)
      refuseUnknownQuery(api)
      readQueryValues(api)
      refuseHalfCharacters(api)
      completeOwner(api)
      await api.register(organizationRoutes(dependencies))
      await api.register(memberRoutes(dependencies))
      await api.register(groupRoutes(dependencies))
      await api.register(policyRoutes(dependencies))
      await api.register(effectiveAccessRoutes(dependencies))
      await api.register(resourceRoutes(dependencies))
      await api.register(clientRoutes(dependencies))
      await api.register(apiKeyRoutes(dependencies))
      await api.register(publishableKeyRoutes(dependencies))
      await api.register(webhookTokenRoutes(dependencies))
      await api.register(registrationTokenRoutes(dependencies))
      await api.register(accessTokenRoutes(dependencies))
      await api.register(mcpServerRoutes(dependencies))
      await api.register(signingKeyRoutes(dependencies))
      await api.register(usageRoutes(dependencies))
      await api.register(auditRoutes(dependencies))
      await api.register(serverRoutes(dependencies))
      await api.register(replicaRoutes(dependencies))
      await api.register(lostChangeRoutes(dependencies))
    }, { prefix: managementPath })
    await app.register(async self => {
      await self.register(guard, { resource: { any: true, style: selfStyle } })
      refuseUnknownQuery(self)
      self.addHook('preSerialization', wordAsLedgerBee)
      await self.register(selfRoutes)
    }, { prefix: managementPath })
  }
}

/** RFC 9110 §15.5.16. Bodies here are small: none is decompressed for a caller. */
function refuseCompressed (
  { headers }: FastifyRequest, reply: FastifyReply, _payload: unknown, done: (refusal?: Error) => void
): void {
  if (!isCompressed(headers)) return done()
  reply.header('accept-encoding', 'identity')
  done(new Failure('unsupported_media_type', { message: 'Send the body uncompressed, without Content-Encoding.' }))
}

/** Fastify hands a missing body to the schema as null; a JSON text `null` is none of the objects that routes take. */
function refuseNull ({ body }: FastifyRequest, _reply: FastifyReply, done: (refusal?: Error) => void): void {
  done(
    body === null
      ? new Failure('invalid_request', { message: 'The body must be a JSON object.', details: { field: 'body' } })
      : undefined
  )
}

/**
 * Refusals of the routes about oneself have one shape, the guard's there, whether it refuses or the schema of the query
 * does.
 */
function wordAsLedgerBee (
  request: FastifyRequest, reply: FastifyReply, payload: unknown, done: (error: Error | null, payload: unknown) => void
): void {
  const { error, code, details } = payload as { error?: string, code?: string, details?: object }
  if (reply.statusCode < 400 || error === undefined) return done(null, payload)
  const path = request.url.split('?', 1)[0]
  done(null, {
    statusCode: reply.statusCode,
    timestamp: new Date().toISOString(),
    path,
    message: error,
    code,
    details: details ?? {}
  })
}
