/** The architecture on one screen: opens storage, opens the keys, and registers the floors. */
import helmet from '@fastify/helmet'
import Fastify, { type FastifyHttpOptions, type FastifyInstance, type FastifyPluginAsync, type RawServerDefault } from 'fastify'
import { randomUUID } from 'node:crypto'
import type { Socket } from 'node:net'
import { systemClock, type Clock } from './clock.ts'
import { announceServer, loadConfig, type Config } from './config.ts'
import { systemActor } from './domain/audit.ts'
import { keepHouse } from './domain/housekeeping.ts'
import { meter, type Meter } from './domain/meter.ts'
import { authenticator, judgeApiKey } from './domain/principal.ts'
import { refusalLog } from './domain/refusals.ts'
import type { Registry } from './domain/registry.ts'
import { hostResourceId, seedResources } from './domain/resource.ts'
import { sessionChecks } from './domain/session.ts'
import { openKeyRing, type KeyRing } from './domain/signing-key.ts'
import type { Operation, Store } from './domain/store.ts'
import { styles } from './domain/style.ts'
import { tokenReader } from './domain/token.ts'
import { usageLog } from './domain/usage.ts'
import { webhookChecks } from './domain/webhook-token.ts'
import { ConfigurationError, Failure } from './errors.ts'
import { guard, loggedRequest, type GuardOptions } from './guard/index.ts'
import { management, managementResource } from './management/management.ts'
import { presentError, presentNotFound } from './management/presenter.ts'
import { protocol } from './protocol/index.ts'
import { openStorage } from './storage/index.ts'

/** An open authorization server: its floors as Fastify plugins, to be mounted where they are wanted. */
export interface Latchkey {
  config: Config
  registry: Registry
  /** For what an application does to its own server: creating its resources at start, say. Acts as `system`. */
  operation: Operation
  /** Every route of Latchkey: token, registration, introspection, revocation, discovery, management. */
  routes: FastifyPluginAsync
  /** Protects the routes of the context it is registered in. */
  guard: FastifyPluginAsync<GuardOptions>
  /** Counts calls and takes credits; a route gives them back with `refund` when it fails by its own fault. */
  meter: Meter
  /** Writes what is pending and lets go of the database. */
  close (): Promise<void>
}

/**
 * Opens an authorization server. Reads the environment unless it is given a configuration.
 * @throws ConfigurationError naming everything that keeps it from starting.
 */
export async function openLatchkey (config: Config = loadConfig(), clock: Clock = systemClock): Promise<Latchkey> {
  const { issuer } = config
  const { store, registry, replicas, close } = await openStorage(config.databaseUrl).catch(unreachable)
  const keys = await prepare(store, config, clock).catch(async error => {
    await close()
    throw error
  })
  const ring = () => keys
  const reader = tokenReader(issuer, ring)
  const refusals = refusalLog(store, clock)
  const keyUsage = usageLog(usage => store.apiKeys.touch(usage), clock)
  const operation = { store, clock, actor: systemActor }
  const checks = authenticator({ registry, reader, clock, adminTokenDigest: config.adminTokenDigest })
  const house = keepHouse(operation, error => { process.emitWarning(error instanceof Error ? error : String(error)) })
  const calls = meter(store, clock)
  const floor = {
    issuer,
    store,
    registry,
    clock,
    ring,
    reader,
    refusals,
    keyUsage,
    meter: calls,
    authenticator: checks,
    sessions: sessionChecks({ issuer, registry, ring, clock }),
    webhooks: webhookChecks({ registry, judgeKey: (key, presentation) => judgeApiKey({ registry, clock }, key, presentation) }),
  }

  return {
    config,
    registry,
    operation,
    guard: guard(floor),
    meter: calls,
    routes: async app => {
      await app.register(protocol({ ...floor, registration: config.registration }))
      await app.register(management({ ...floor, replicas }))
    },
    async close () {
      await house.stop()
      await keyUsage.close()
      await calls.close()
      await refusals.flush()
      await close()
    },
  }
}

/** While serving that is an answer; at the start it is a reason not to. */
function unreachable (error: unknown): never {
  if (!(error instanceof Failure && error.code === 'storage_unavailable')) throw error
  // The first line of what the driver said; no driver repeats the password.
  const [said = ''] = (error.detail ?? '').trim().split('\n')
  throw new ConfigurationError([`DATABASE_URL: the database cannot be reached${said === '' ? '' : ` (${said})`}; start it, or name another`])
}

/** Brings a database to what a server of this configuration needs, and opens its keys. */
async function prepare (store: Store, { issuer, secrets }: Config, clock: Clock): Promise<KeyRing> {
  await seedResources(store, clock, [
    { id: hostResourceId, identifier: issuer, name: new URL(issuer).host, scopes: [], style: styles.ledgerbee },
    managementResource(issuer),
  ])
  return await openKeyRing(store, clock, secrets)
}

/**
 * A server with all of Latchkey's routes; more may be registered before it listens. Closing it closes `latchkey`. Its log
 * goes to `log`, standard output unless given.
 */
export async function buildServer (latchkey: Latchkey, log?: LogDestination): Promise<FastifyInstance> {
  const app = Fastify(serverOptions(latchkey.config, log))
  app.setErrorHandler(presentError)
  app.setNotFoundHandler(presentNotFound)
  app.addHook('onRequest', async (request, reply) => { reply.header('x-request-id', request.id) })
  if (latchkey.config.issuer.startsWith('https:')) app.addHook('onRequest', async request => { requireTls(request.protocol) })
  await app.register(helmet, {
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    strictTransportSecurity: latchkey.config.issuer.startsWith('https:') && { maxAge: 31_536_000, includeSubDomains: false },
    crossOriginResourcePolicy: { policy: 'cross-origin' },
  })
  await app.register(latchkey.routes)
  app.addHook('preClose', async () => { hangUpOnTheSlow(app) })
  app.addHook('onClose', async () => { await latchkey.close() })
  return app
}

/** How long requests that have begun may take once the server is closing, in milliseconds. */
const closingPatience = 10_000

/** A server that closes no longer enforces its timeouts, so whoever never finishes a request would keep it from ending. */
function hangUpOnTheSlow ({ server }: FastifyInstance): void {
  const timer = setTimeout(() => { server.closeAllConnections() }, closingPatience)
  timer.unref()
  server.once('close', () => { clearTimeout(timer) })
}

/** Serves until it is told to stop, and says what to do next. */
export async function serve (): Promise<void> {
  const config = loadConfig()
  const latchkey = await openLatchkey(config)
  const app = await buildServer(latchkey)
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => { app.close().catch(error => { app.log.fatal(error) }) })
  const address = await app.listen({ port: config.port, host: config.host }).catch(async error => {
    await app.close()
    throw cannotListen(error, config)
  })
  announceServer(config, address)
  process.stdout.write(welcome(config))
}

/** What keeps a server from listening, by the variable that would change it. */
function cannotListen (error: NodeJS.ErrnoException, { port, host }: Config): Error {
  switch (error.code) {
    case 'EADDRINUSE': return new ConfigurationError([`PORT: another program listens on ${host}:${port}; stop it, or choose another port`])
    case 'EACCES': return new ConfigurationError([`PORT: this account may not listen on ${port}; choose 1024 or more`])
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND': return new ConfigurationError([`HOST: ${host} is no address of this machine`])
    default: return error
  }
}

/** Applies the migrations that the database lacks, and returns. */
export async function migrateOnly (): Promise<void> {
  const storage = await openStorage(loadConfig().databaseUrl).catch(unreachable)
  await storage.close()
}

/** Where log lines go, one JSON object each. */
export interface LogDestination { write (line: string): void }

/** How a Fastify instance has to be set up for Latchkey's promises about limits, logs and addresses to hold. */
export function serverOptions ({ logLevel, trustProxy }: Pick<Config, 'logLevel' | 'trustProxy'>, log?: LogDestination): FastifyHttpOptions<RawServerDefault> {
  return {
    logger: logLevel === 'silent' ? false : { level: logLevel, serializers: { req: loggedRequest }, ...(log ? { stream: log } : {}) },
    // An id that a caller chose could be made to look like somebody else's.
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    trustProxy: trustProxy.length > 0 ? [...trustProxy] : false,
    bodyLimit: 65_536,
    requestTimeout: 30_000,
    http: { maxHeaderSize: 16_384, headersTimeout: 15_000 },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    // A resource may be named by its URL-encoded identifier.
    routerOptions: { maxParamLength: 1_536 },
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: false } },
    frameworkErrors: (error, request, reply) => { presentError(error, request, reply) },
    clientErrorHandler: answerUnreadable,
  }
}

/** What is not HTTP never reaches a route; it is answered on the bare socket. */
function answerUnreadable (error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return
  const [status, message] = error.code === 'HPE_HEADER_OVERFLOW'
    ? ['431 Request Header Fields Too Large', 'The headers are larger than this server reads.']
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? ['408 Request Timeout', 'The request took too long to arrive.'] : ['400 Bad Request', 'The request is malformed.']
  const body = JSON.stringify({ error: message, code: 'INVALID_REQUEST' })
  socket.end(`HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`)
}

function requireTls (protocol: string): void {
  if (protocol !== 'https') throw new Failure('tls_required')
}

function welcome ({ issuer, dataFolder, generatedAdminToken }: Config): string {
  return [
    '',
    `Latchkey serves ${issuer}; its data is in ${dataFolder}.`,
    ...(generatedAdminToken === null ? [] : [`Admin token (shown this once): ${generatedAdminToken}`]),
    'Next, in another terminal:',
    '',
    '  npx latchkey org create "Acme"',
    '  npx latchkey resource create https://api.acme.test --scope invoices:read',
    '  npx latchkey client create --org ORG_ID --resource https://api.acme.test --scope invoices:read --name billing',
    '',
    '',
  ].join('\n')
}
