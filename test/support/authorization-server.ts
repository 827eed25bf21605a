/** The authorization server alone, over real HTTP, on a database of its own, with a clock that tests move. */
import type { FastifyInstance } from 'fastify'
import { secondsAfter, type Clock } from '../../src/base/clock.ts'
import { systemActor } from '../../src/domain/core/actor.ts'
import type { Client } from '../../src/domain/credentials/client.ts'
import { createClient, type ClientInput } from '../../src/domain/credentials/client-change.ts'
import { createOrganization, type Organization } from '../../src/domain/tenancy/organization.ts'
import { authenticator } from '../../src/domain/access/authenticator.ts'
import { refusalLog, type RefusalLog } from '../../src/domain/audit/refusal-log.ts'
import type { Registry } from '../../src/domain/access/registry.ts'
import {
  createRegistrationToken, type RegistrationTokenInput
} from '../../src/domain/credentials/registration-token.ts'
import { hostResourceId, type Resource } from '../../src/domain/resources/resource.ts'
import { createResource } from '../../src/domain/declaration/resource-declaration.ts'
import { seedResources } from '../../src/domain/declaration/built-in-resources.ts'
import { openSigningKeys } from '../../src/domain/tokens/key-ring.ts'
import { publicationTime, type KeyRing, type SigningAlgorithm } from '../../src/domain/tokens/signing-key.ts'
import type { Store, Repositories } from '../../src/domain/store.ts'
import type { Operation } from '../../src/domain/core/operation.ts'
import { styles } from '../../src/domain/resources/style.ts'
import { tokenReader } from '../../src/domain/tokens/access-token.ts'
import { wellKnownSchemes } from '../../src/config/readers.ts'
import { unshared } from '../../src/domain/metering/shared-counters.ts'
import { hostedClients, type HostedClientOptions } from '../../src/protocol/hosted-clients/hosted-clients.ts'
import type { ProtocolLimits } from '../../src/protocol/shared/limits.ts'
import type { RegistrationMode } from '../../src/protocol/shared/options.ts'
import { openStorage } from '../../src/storage/index.ts'
import { databases } from './databases.ts'
import { freePort } from './running-server.ts'
import { patientLimits } from './waiting.ts'
import { serve } from './serving.ts'

export interface Setup {
  registration?: RegistrationMode
  limits?: Partial<ProtocolLimits>
  issuer?: string
  /** Replaces the registry, for instance by a failing one. */
  registry?: (registry: Registry) => Registry
  adminTokenDigest?: string
  trustProxy?: string
  /** Lets clients be the URLs of their documents. */
  hosted?: Pick<HostedClientOptions, 'network'> & Partial<HostedClientOptions>
  database?: typeof databases[number]
  /** Algorithms with a signing key, beside the default one. */
  algorithms?: readonly SigningAlgorithm[]
}

export interface TestServer {
  url: string
  issuer: string
  app: FastifyInstance
  store: Store
  registry: Registry
  operation: Operation<Repositories>
  clock: Clock
  refusals: RefusalLog
  ring: KeyRing
  advance (seconds: number): void
  organization: Organization
  /** Declares invoices:read, invoices:write and the API-key-only portal-provision. */
  api: Resource
  other: Resource
  client (input?: Partial<ClientInput>): Promise<{ client: Client, secret: string }>
  registrationToken (input?: Partial<RegistrationTokenInput>): Promise<string>
  /** Posts a form; a string is sent unchanged. */
  post (path: string, body: Record<string, string> | string, headers?: Record<string, string>): Promise<Answer>
  /** Gets a token for a client, with HTTP Basic. */
  token (client: Client, secret: string, more?: Record<string, string>): Promise<Answer>
  send (method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
}

export interface Answer {
  status: number
  headers: Headers
  text: string

  body: any
}

interface Cleaner { teardown (work: () => unknown): void }

export async function startServer (t: Cleaner, setup: Setup = {}): Promise<TestServer> {
  const database = await (setup.database ?? databases[0]!).fresh()
  let now = new Date()
  const clock: Clock = () => now
  const { store, registry: real, close } = await openStorage(database.url, { limits: patientLimits })
  const registry = setup.registry?.(real) ?? real
  const port = await freePort()
  const issuer = setup.issuer ?? `http://127.0.0.1:${port}`
  const operation: Operation<Repositories> = { store, clock, actor: systemActor }
  await seedResources(store, clock, [{
    id: hostResourceId, identifier: issuer, name: 'the host', scopes: [], style: styles.ledgerbee
  }])
  const secrets = ['a secret of the tests, long enough']
  const signingKeys = await openSigningKeys(store, clock, secrets)
  // Published long ago, so that resources may switch to these algorithms.
  const earlier: Operation<Repositories> = { ...operation, clock: () => secondsAfter(now, -publicationTime) }
  for (const algorithm of setup.algorithms ?? []) await signingKeys.provide(earlier, algorithm, true)
  await signingKeys.reload()
  const ring = signingKeys.ring()
  const reader = tokenReader(issuer, { ring: () => ring })
  const refusals = refusalLog(store, clock)
  const hosting = {
    clock,
    registry,
    counts: unshared,
    domains: { allowed: ['*'], denied: [] },
    privateSchemes: new Set(wellKnownSchemes)
  }
  const app = await serve({
    issuer,
    store,
    registry,
    clock,
    ring: () => ring,
    reader,
    refusals,
    authenticator: authenticator({ registry, reader, adminTokenDigest: setup.adminTokenDigest ?? null }),
    registration: setup.registration ?? 'token',
    ...(setup.limits ? { limits: setup.limits } : {}),
    ...(setup.hosted === undefined ? {} : { hostedClients: hostedClients({ ...hosting, ...setup.hosted }) }),
  }, { port, fastify: { trustProxy: setup.trustProxy ?? false } })
  t.teardown(async () => {
    await app.close()
    await close()
    await database.drop()
  })

  const url = `http://127.0.0.1:${port}`
  const organization = await createOrganization(operation, { name: 'Acme' })
  const scopes = [
    { name: 'invoices:read', keyOnly: false, description: null },
    { name: 'invoices:write', keyOnly: false, description: null },
    { name: 'portal-provision', keyOnly: true, description: null },
  ]
  const api = await createResource(operation, { identifier: `${issuer}/api/v1`, scopes, style: styles.ledgerbee })
  const other = await createResource(operation, {
    identifier: 'https://other.example.test',
    scopes: [{ name: 'things:read', keyOnly: false, description: null }],
    style: styles.ledgerbee
  })

  const send: TestServer['send'] = async (method, path, body, headers = {}) => {
    const json = body !== undefined && typeof body !== 'string'
    const response = await fetch(url + path, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: json ? JSON.stringify(body) : body as string }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, text, body: parse(text) }
  }
  const post: TestServer['post'] = async (path, body, headers) =>
    await send(
      'POST', path, typeof body === 'string' ? body : new URLSearchParams(body).toString(),
      { 'content-type': 'application/x-www-form-urlencoded', ...headers }
    )
  return {
    url,
    issuer,
    app,
    store,
    registry,
    operation,
    clock,
    refusals,
    ring,
    organization,
    api,
    other,
    send,
    post,
    advance (seconds) { now = secondsAfter(now, seconds) },
    async client (input = {}) {
      const { client, secret } = await createClient(operation, {
        organizationId: organization.id,
        name: 'billing',
        grants: [{ resource: api.id, scopes: ['invoices:read'] }],
        ...input
      })
      return { client, secret: secret! }
    },
    async registrationToken (input = {}) {
      return (await createRegistrationToken(operation, {
        organizationId: organization.id, name: 'agents', resource: api.id, scopes: ['invoices:read'], ...input
      })).secret
    },
    token: async (client, secret, more = {}) =>
      await post('/api/v1/auth/token', { grant_type: 'client_credentials', ...more }, {
        authorization: basic(client.id, secret)
      })
  }
}

export function basic (id: string, secret: string): string {
  return `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`
}

function parse (text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
