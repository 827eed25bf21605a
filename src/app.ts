/** The architecture on one screen: opens storage, opens the keys, and registers the floors. */
import ajvCompiler from '@fastify/ajv-compiler'
import Fastify, {
  type FastifyHttpOptions, type FastifyInstance, type FastifyPluginAsync, type FastifyRequest, type RawServerDefault
} from 'fastify'
import helmet from 'helmet'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import type { Socket } from 'node:net'
import { dirname } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { systemClock, type Clock } from './base/clock.ts'
import { inspectConfig, loadConfig, version, type Config } from './config/config.ts'
import type { ChainKeys } from './domain/audit/chain.ts'
import { closeOffOlderRows, openChains, recoverAudit, type Recovered } from './domain/audit/retention.ts'
import { compareHead, isBegun, verifyMore } from './domain/audit/verification.ts'
import type { KnownHead } from './domain/audit/chain-walk.ts'
import type { RecoveredBreak, VerifiedPlace, ChainFault } from './domain/audit/chain-fault.ts'
import { systemActor } from './domain/core/actor.ts'
import { startHousekeeping } from './domain/maintenance/housekeeping.ts'
import { adoptIdentifiers } from './domain/declaration/identifier-adoption.ts'
import { openSigningKeys } from './domain/tokens/key-ring.ts'
import { startKeyRotation } from './domain/tokens/signing-key-schedule.ts'
import { meter, type Meter } from './domain/metering/meter.ts'
import { authenticator, judgeApiKey } from './domain/access/principal.ts'
import { refusalLog } from './domain/audit/refusal-log.ts'
import type { Registry } from './domain/access/registry.ts'
import { idempotency } from './domain/core/idempotency.ts'
import { hostResourceId } from './domain/resources/resource.ts'
import { seedResources } from './domain/declaration/built-in-resources.ts'
import { sessionChecks } from './domain/access/end-user-session.ts'
import { sharedCounters, unshared } from './domain/metering/shared-counters.ts'
import type { SigningKeys } from './domain/tokens/signing-key.ts'
import type { Operation } from './domain/core/operation.ts'
import { styles } from './domain/resources/style.ts'
import { tokenMeter } from './domain/tokens/issuance-meter.ts'
import { tokenReader } from './domain/tokens/access-token.ts'
import { lastUsedRecorder } from './domain/metering/last-used.ts'
import { webhookChecks } from './domain/credentials/webhook-token.ts'
import type { Job } from './telemetry/background.ts'
import { ConfigurationError, Failure } from './base/errors.ts'
import { isOverTls, trustsProxies } from './http/forwarded.ts'
import { limitJsonBody } from './http/json-limits.ts'
import { writeServerFile, localUrl, removeServerFile } from './config/server-file.ts'
import {
  aggregate, exposition, measureRequests, operationalRoutes, prober, watchEventLoop
} from './observability/index.ts'
import type { RequestTracing } from './observability/tracing.ts'
import { shutDownOnSignal } from './server/shutdown.ts'
import { guard, loggedRequest, type GuardOptions } from './guard/index.ts'
import { documentation } from './management/documentation/documentation.ts'
import { management, managementResource, managementScopes } from './management/management.ts'
import { presentError } from './management/conventions/presenter.ts'
import { refuseUnknownPaths, unknownPaths, type UnknownPaths } from './management/conventions/unknown-path.ts'
import { protocol } from './protocol/index.ts'
import { paths } from './protocol/shared/paths.ts'
import { auditKeys, newSecret } from './secrets/secrets.ts'
import { backUp } from './storage/engine/backup.ts'
import type { Change } from './storage/cache/changes.ts'
import { openStorage, type Storage } from './storage/index.ts'
import { startProblem } from './storage/engine/start-problems.ts'
import { standardOutput } from './telemetry/standard-output.ts'
import type { Limits } from './storage/engine/timeouts.ts'
import { pinNextTickShape } from './base/next-tick-shape.ts'
import { surviveUncaught } from './server/uncaught-errors.ts'
import { newTelemetry, type Telemetry } from './telemetry/telemetry.ts'

/** An open authorization server: its floors as Fastify plugins, to be mounted where they are wanted. */
export interface Latchkey {
  config: Config
  registry: Registry
  /** For what an application does to its own server: creating its resources at start, say. Acts as `system`. */
  operation: Operation
  /** What tokens are signed with. */
  signingKeys: SigningKeys
  /** Every route of Latchkey: token, registration, introspection, revocation, discovery, management, health. */
  routes: FastifyPluginAsync
  /** `/healthz`, `/readyz` and `/prom` alone, for a listener of their own. */
  operationalRoutes: FastifyPluginAsync
  /** Counts and traces the requests of `app`, and turns them away when there is reason to. Before its first route. */
  watchRequests (app: FastifyInstance): void
  /** Answers what has no route, for `setNotFoundHandler`; knows `routes` once they are registered. */
  answerUnknownPath: UnknownPaths['answer']
  telemetry: Telemetry
  /** Protects the routes of the context it is registered in. */
  guard: FastifyPluginAsync<GuardOptions>
  /** Counts calls and takes credits; a route gives them back with `refund` when it fails by its own fault. */
  meter: Meter
  /** Loads what the first change would else have to wait for. @throws Failure `storage_unavailable`. */
  prepareForChanges (): Promise<void>
  /**
   * Writes what is pending and lets go of the database. What could not be written by
   * `telemetry.availability.writeUntil` is lost: it is logged, and in `telemetry.metrics.lost`.
   */
  close (): Promise<void>
}

/**
 * Opens an authorization server. Reads the environment unless it is given a configuration. `limits`: how soon storage
 * is given up, where that is to be sooner or later than usual.
 * @throws ConfigurationError naming everything that keeps it from starting.
 */
export async function openLatchkey (
  config: Config = loadConfig(), clock: Clock = systemClock, limits: Partial<Limits> = {}
): Promise<Latchkey> {
  pinNextTickShape()
  const { issuer } = config
  const tracing = await openTracing(config)
  const telemetry = newTelemetry(tracing)
  const storage = await openStorage(config.databaseUrl, {
    limits, secrets: config.secrets, telemetry, lease: config.replicaLease
  }).catch(unreachable(config))
  const { store, registry, replicas, directory, close } = storage
  const signingKeys = await prepare(storage, config, clock).catch(async error => {
    await close()
    return unreachable(config)(error)
  })
  await storage.join()
  const { ring } = signingKeys
  const { report } = telemetry.background
  const eventLoop = watchEventLoop(telemetry.availability, config.shedLag, report('event_loop'))
  const sources = {
    metrics: telemetry.metrics,
    eventLoop,
    inMemory: storage.inMemory,
    isTrusted: storage.isTrusted,
    refusedSubjects: storage.refusedSubjects,
    connections: storage.connections,
    version
  }
  const reader = tokenReader(issuer, signingKeys)
  const refusals = refusalLog(store, clock, undefined, report('refusals'))
  const keyUsage = lastUsedRecorder(usage => store.apiKeys.touch(usage), clock, undefined, report('key_use'))
  const clientUsage = lastUsedRecorder(usage => store.clients.touch(usage), clock, undefined, report('client_use'))
  const managementTokenUsage = lastUsedRecorder(
    usage => store.managementTokens.touch(usage), clock, undefined, report('management_token_use')
  )
  const tokens = tokenMeter(usage => store.tokenUsage.add(usage), clock, undefined, report('tokens_issued'))
  const operation = { store, clock, actor: systemActor }
  const checks = authenticator({ registry, reader, clock, adminTokenDigest: config.adminTokenDigest })
  const house = startHousekeeping(operation, report('housekeeping'), config, telemetry.metrics)
  const keySchedule = startKeyRotation(signingKeys, operation, config.signingKeyDays, report('signing_keys'))
  const counts = storage.peers === null
    ? unshared
    : sharedCounters(storage.peers, clock, undefined, report('shared_counts'))
  const calls = meter(store, clock, counts, telemetry.background)
  const probe = prober(readinessChecks(storage, ring), telemetry.availability)
  const key = newSecret()
  const operational = { prober: probe, key, exposition: exposition(sources) }
  const floor = {
    issuer,
    telemetry,
    server: { prober: probe, aggregate: () => aggregate(sources), version },
    store,
    registry,
    clock,
    ring,
    catchUp: signingKeys.catchUp,
    reader,
    refusals,
    tokens,
    counts,
    auditKeys: auditKeys(config.secrets),
    keyUsage,
    managementTokenUsage,
    usage: clientUsage,
    answers: idempotency(config.secrets),
    meter: calls,
    authenticator: checks,
    sessions: sessionChecks({ issuer, registry, keys: signingKeys, clock }),
    webhooks: webhookChecks({
      registry, judgeKey: (key, presentation) => judgeApiKey({ registry, clock }, key, presentation)
    })
  }
  const unknown = unknownPaths(issuer + paths.token)

  return {
    config,
    registry,
    operation,
    signingKeys,
    guard: guard(floor),
    meter: calls,
    routes: async app => {
      // The schemas of answers describe them; they are not to change what is sent.
      app.setSerializerCompiler(() => data => JSON.stringify(data))
      unknown.learn(app)
      await app.register(documentation({ issuer, tokenUrl: issuer + paths.token, scopes: managementScopes }))
      await app.register(protocol({ ...floor, registration: config.registration }))
      await app.register(management({ ...floor, replicas, directory, signingKeys, secrets: config.secrets }))
      await app.register(
        operationalRoutes(config.metrics === 'on' ? operational : { ...operational, exposition: null })
      )
      // Whatever program listens with these routes: commands beside it are to find it.
      app.addHook('onListen', done => { announce(app, config, key, done) })
    },
    operationalRoutes: operationalRoutes(operational),
    watchRequests: app => { watchRequests(app, telemetry, tracing) },
    answerUnknownPath: unknown.answer,
    telemetry,
    prepareForChanges: storage.ping,
    async close () {
      await house.stop()
      await keySchedule.stop()
      const { writeUntil } = telemetry.availability
      // Together: while one waits for the database to come back, so do the others.
      await Promise.all([
        ...Object.entries({
          key_use: keyUsage,
          management_token_use: managementTokenUsage,
          client_use: clientUsage,
          calls,
          tokens_issued: tokens,
          refusals
        })
          .map(async ([job, each]) => {
            noteLoss(telemetry, job as Job, await each.close(writeUntil))
          }),
        counts.close()
      ])
      await close()
      await eventLoop.stop()
      await tracing?.close()
    },
  }
}

/**
 * Tells commands on this machine where the server listens. One that needs nothing of its data folder, having its
 * secrets and its database from elsewhere, serves on without one.
 */
function announce (app: FastifyInstance, config: Config, key: string, done: () => void): void {
  const address = app.server.address()
  try {
    // A socket of the file system has no URL.
    if (address !== null && typeof address !== 'string') {
      const url = localUrl(address.address, address.port)
      writeServerFile(config.dataFolder, { url, key })
      app.server.once('close', () => { removeServerFile(config.dataFolder, { url, key }) })
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    app.log.warn(
      `LATCHKEY_DATA: ${config.dataFolder} cannot be written (${code}), so commands on this machine do not find this ` +
      'server by themselves: name it with LATCHKEY_URL'
    )
  }
  done()
}

/** OpenTelemetry is loaded only where somebody wants traces. */
async function openTracing ({ tracing }: Config): Promise<RequestTracing | null> {
  return tracing === null ? null : (await import('./observability/tracing.ts')).openTracing({ ...tracing, version })
}

/** What this server needs before it should be sent anybody. */
function readinessChecks ({ ping, isFull, pendingMigrations, feedProblem }: Storage, ring: SigningKeys['ring']) {
  return {
    database: async () => { await ping(); return null },
    disk_space: () => isFull() ? 'the database has no room for what is to be written' : null,
    feed: feedProblem,
    migrations: async () =>
      (await pendingMigrations()).length === 0 ? null : 'the database lacks migrations of this version',
    signing_key: () => ring().jwks.keys.length > 0 ? null : 'there is no key to sign with'
  }
}

function watchRequests (
  app: FastifyInstance, { availability, metrics, background }: Telemetry, tracing: RequestTracing | null
): void {
  background.logTo(app.log)
  // A connection that cannot be accepted is no reason to end: without a listener it would be.
  app.server.on('error', background.report('listener'))
  // Asked for now, it is known to the end: Node cannot tell it any more once the connection is reset.
  app.server.on('connection', (socket: Socket) => socket.remoteAddress)
  measureRequests(app, metrics)
  tracing?.traceRequests(app)
  // With `done` and not as promises: they run for every request, and nearly always have nothing to do.
  app.addHook('onRequest', (request, reply, done) => {
    if (availability.rejecting !== null && !isOperational(request)) {
      metrics.turnedAway.increment(availability.rejecting)
      // The next attempt is to find another server, or this one on a new connection.
      reply.header('connection', 'close')
    }
    done()
  })
  // What an edge of its own has not answered by now is nobody's: public routes of an application, unknown paths.
  app.addHook('preParsing', (request, _reply, _payload, done) => {
    done(availability.rejecting !== null && !isOperational(request) ? new Failure(availability.rejecting) : null)
  })
}

function isOperational ({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.config?.operational === true
}

/** What was counted and will never be written: told, and the process ends with 1 for it (server/shutdown.ts). */
function noteLoss ({ metrics, background }: Telemetry, job: Job, lost: number): void {
  if (lost === 0) return
  metrics.lost.increment(job, '', lost)
  background.log.error({ job, lost }, 'the database did not take the last of it: what was counted in memory is lost')
}

/** While serving that is an answer; at the start it is a reason not to. */
const unreachable = ({ databaseUrl }: Pick<Config, 'databaseUrl'>) => (thrown: unknown): never => {
  const error = startProblem(thrown, databaseUrl)
  if (error instanceof Failure && error.code === 'storage_full') {
    throw new ConfigurationError([
      `DATABASE_URL: the database is full (${lastLine(error.detail)}); make room on its disk`
    ])
  }
  if (!(error instanceof Failure && error.code === 'storage_unavailable')) throw error
  const said = lastLine(error.detail)
  throw new ConfigurationError([
    `DATABASE_URL: the database cannot be reached or written${
      said === '' ? '' : ` (${said})`
    }; start it, or name another`
  ])
}

/** Of what was said the driver's part, behind where Prisma heard it. No driver repeats the password. */
function lastLine (said = ''): string {
  return said.trim().split('\n').at(-1)!
}

/**
 * Brings a database to what a server of this configuration needs, and opens its keys, which from then on follow every
 * change of them.
 */
async function prepare (storage: Storage, { issuer, secrets }: Config, clock: Clock): Promise<SigningKeys> {
  const { store, registry, follow } = storage
  await closeOffMigrated(storage, clock)
  await openChains(store, clock, auditKeys(secrets))
  await adoptIdentifiers({ store, clock })
  await seedResources(store, clock, [
    { id: hostResourceId, identifier: issuer, name: new URL(issuer).host, scopes: [], style: styles.ledgerbee },
    managementResource(issuer),
  ])
  const signingKeys = await openSigningKeys(store, clock, secrets, () => registry.signingKeys())
  // A new database has its first audit row now.
  await isBegun(store.audit)
  follow(change => followed(change, signingKeys))
  return signingKeys
}

/** Rows that are older than the audit chains are known for what they are only now. */
async function closeOffMigrated ({ store, migrated }: Storage, clock: Clock): Promise<void> {
  if (migrated.some(name => name.endsWith('_audit_chains'))) await closeOffOlderRows(store, clock)
}

/** What a change means for that which a server holds besides its view. */
async function followed ({ of }: Change, signingKeys: SigningKeys): Promise<void> {
  if (of === 'signingKeys' || of === 'everything') await signingKeys.reload()
}

/**
 * A server with all of Latchkey's routes; more may be registered before it listens. Closing it closes `latchkey`. Its
 * log goes to `log`, standard output unless given.
 */
export async function buildServer (latchkey: Latchkey, log?: LogDestination): Promise<FastifyInstance> {
  let told = false
  const app: FastifyInstance = Fastify(serverOptions(latchkey.config, log, () => {
    if (!told) {
      app.log.warn(
        'LATCHKEY_TRUST_PROXY: a trusted proxy sent an X-Forwarded-For that holds no IP address: allowlists let such ' +
          'requests pass nowhere, and limits count them by the proxy'
      )
    }
    told = true
  }))
  for (const sentence of latchkey.config.unknownVariables) app.log.warn(sentence)
  app.setErrorHandler(presentError)
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id)
    done()
  })
  latchkey.watchRequests(app)
  refuseUnknownPaths(app, latchkey.answerUnknownPath)
  limitJsonBodies(app)
  if (latchkey.config.issuer.startsWith('https:')) {
    app.addHook('onRequest', (request, _reply, done) => {
      done(isOperational(request) || isOverTls(request) ? undefined : new Failure('tls_required'))
    })
  }
  const setSecurityHeaders = helmet({
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    strictTransportSecurity: latchkey.config.issuer.startsWith('https:') &&
      { maxAge: 31_536_000, includeSubDomains: false },
    crossOriginResourcePolicy: { policy: 'cross-origin' }
  })
  app.addHook('onRequest', (request, reply, done) => {
    setSecurityHeaders(request.raw, reply.raw, error => {
      done(error as Error | undefined)
    })
  })
  await app.register(latchkey.routes)
  app.addHook('preClose', async () => { closeLingeringConnections(app) })
  app.addHook('onClose', async () => { await latchkey.close() })
  return app
}

/**
 * Fastify's own parser, behind a look at the text. An empty text is no body: clients name the type of what they do not
 * send.
 */
function limitJsonBodies (app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body: string, done) => {
    try {
      if (body === '') return done(null, undefined)
      limitJsonBody(body)
    } catch (error) {
      done(error as Failure)
      return
    }
    parse(request, body, done)
  })
}

/** How long requests that have begun may take once the server is closing, in milliseconds. */
const closingPatience = 10_000

/**
 * A server that closes no longer enforces its timeouts, so whoever never finishes a request would keep it from ending.
 */
function closeLingeringConnections ({ server }: FastifyInstance): void {
  const timer = setTimeout(() => { server.closeAllConnections() }, closingPatience)
  timer.unref()
  server.once('close', () => { clearTimeout(timer) })
}

/** Serves until it is told to stop, and says what to do next. */
export async function serve (): Promise<void> {
  const config = loadConfig()
  const latchkey = await openLatchkey(config)
  const output = standardOutput(latchkey.telemetry.background.report('log'))
  const app = await buildServer(latchkey, output)
  shutDownOnSignal(app, latchkey.telemetry, config.shutdown)
  // Both ahead of what tells commands that the server is there: then all of it is.
  app.addHook('onListen', done => {
    surviveUncaught(latchkey.telemetry.metrics)
    done()
  })
  const metrics = typeof config.metrics === 'object' ? await serveMetrics(app, latchkey, config.metrics) : null
  await app.listen({ port: config.port, host: config.host }).catch(async error => {
    await metrics?.close()
    await app.close()
    throw cannotListen(error, config)
  })
  output.write(welcome(config))
  await prepareForChanges(app, latchkey)
}

/** Milliseconds in which those are answered who have waited for the server to start. */
const firstAnswers = 500

/**
 * Behind the first answers, so that neither they nor the first change wait. What fails is tried again by whoever needs
 * it.
 */
async function prepareForChanges ({ server }: FastifyInstance, latchkey: Latchkey): Promise<void> {
  const closing = new AbortController()
  server.once('close', () => { closing.abort() })
  try {
    await pause(firstAnswers, undefined, { signal: closing.signal })
    await latchkey.prepareForChanges()
  } catch {}
}

interface Place { host: string, port: number }

/** `/prom` on an address that only some can reach. Ends with the server. */
async function serveMetrics (app: FastifyInstance, latchkey: Latchkey, place: Place): Promise<FastifyInstance> {
  const { host, port } = place
  const own = Fastify(serverOptions({ ...latchkey.config, logLevel: 'silent' }))
  own.setErrorHandler(presentError)
  // Of its own routes: the others are not here, whatever the method.
  const unknown = unknownPaths(latchkey.config.issuer + paths.token)
  unknown.learn(own)
  refuseUnknownPaths(own, unknown.answer)
  own.server.on('error', latchkey.telemetry.background.report('listener'))
  await own.register(latchkey.operationalRoutes)
  try {
    await own.listen({ host, port })
  } catch (error) {
    await app.close()
    throw new ConfigurationError([
      `LATCHKEY_METRICS: cannot listen on ${host}:${port} (${
        (error as NodeJS.ErrnoException).code
      }); choose another address or port`
    ])
  }
  app.server.once('close', () => { own.close().catch(() => {}) })
  return own
}

/** What keeps a server from listening, by the variable that would change it. */
function cannotListen (error: NodeJS.ErrnoException, { port, host }: Config): Error {
  switch (error.code) {
    case 'EADDRINUSE':
      return new ConfigurationError([
        `PORT: another program listens on ${host}:${port}; stop it, or choose another port`
      ])
    case 'EACCES':
      return new ConfigurationError([`PORT: this account may not listen on ${port}; choose 1024 or more`])
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND': return new ConfigurationError([`HOST: ${host} is no address of this machine`])
    default: return error
  }
}

/**
 * Applies the migrations that the database lacks, and returns. `ending`: ids of resources to end, where two are one
 * URL.
 * @throws ConfigurationError where two are that are in use.
 */
export async function migrateOnly (ending: readonly string[] = []): Promise<void> {
  const { databaseUrl, secrets } = loadConfig()
  const storage = await openStorage(databaseUrl, { secrets }).catch(unreachable({ databaseUrl }))
  try {
    await closeOffMigrated(storage, systemClock)
    await adoptIdentifiers({ store: storage.store, clock: systemClock }, ending)
  } finally {
    await storage.close()
  }
}

/** What a verification of the whole log found. */
export interface AuditVerdict { checked: number, fault: ChainFault | null, recovered: RecoveredBreak[] }

/**
 * Verifies the audit log in the database that the configuration names, without a server, and compares it with heads
 * that were exported. Tells `onChecked` of every some thousand rows. @throws ConfigurationError where there is no
 * database.
 */
export async function verifyAudit (
  heads: readonly KnownHead[], onChecked: (rows: number) => void
): Promise<AuditVerdict> {
  return await withAuditLog(async ({ store: { audit } }, keys) => {
    const verification = { audit, keys }
    let checked = 0
    const recovered: RecoveredBreak[] = []
    let next: VerifiedPlace | null = null
    do {
      const step = await verifyMore(verification, next)
      checked += step.checked
      recovered.push(...step.recovered)
      onChecked(step.checked)
      if (step.fault !== null) return { checked, fault: step.fault, recovered }
      next = step.next
    } while (next !== null)
    for (const head of heads) {
      const fault = await compareHead(verification, head)
      if (fault !== null) return { checked, fault, recovered }
    }
    return { checked, fault: null, recovered }
  })
}

/**
 * As `recoverAudit`, in the database that the configuration names, without a server: one whose start needs a change
 * that cannot be recorded does not start. @throws ConfigurationError where there is no database.
 */
export async function recoverAuditOffline (organizationId: string | null): Promise<Recovered> {
  return await withAuditLog(async ({ store }, keys) =>
    await recoverAudit({ store, clock: systemClock, actor: systemActor }, keys, organizationId)
  )
}

async function withAuditLog<T> (work: (storage: Storage, keys: ChainKeys) => Promise<T>): Promise<T> {
  const { databaseUrl, secrets } = loadConfig()
  if (databaseUrl.startsWith('file:') && !existsSync(databaseUrl.slice('file:'.length))) {
    throw new ConfigurationError([`DATABASE_URL: there is no database at ${databaseUrl}; name another`])
  }
  const storage = await openStorage(databaseUrl, { secrets }).catch(unreachable({ databaseUrl }))
  try {
    await closeOffMigrated(storage, systemClock)
    return await work(storage, auditKeys(secrets))
  } finally {
    await storage.close()
  }
}

/**
 * Copies the SQLite database as it is now into a new file. @throws ConfigurationError naming what stands in the way.
 */
export async function backupOnly (target: string): Promise<void> {
  await backUp(inspectConfig().databaseUrl, target)
}

/** Where log lines go, one JSON object each. */
export interface LogDestination { write (line: string): void }

/**
 * How a Fastify instance has to be set up for Latchkey's promises about limits, logs and addresses to hold.
 * `unreadable` is told of each forwarded address that is none.
 */
export function serverOptions (
  { logLevel, trustProxy }: Pick<Config, 'logLevel' | 'trustProxy'>,
  log?: LogDestination,
  unreadable: () => void = () => {}
): FastifyHttpOptions<RawServerDefault> {
  return {
    logger: logLevel === 'silent'
      ? false
      : { level: logLevel, serializers: { req: loggedRequest }, ...(log ? { stream: log } : {}) },
    // An id that a caller chose could be made to look like somebody else's.
    requestIdHeader: false,
    genReqId: () => randomUUID(),
    trustProxy: trustProxy.length > 0 && trustsProxies(trustProxy, unreadable),
    bodyLimit: 65_536,
    requestTimeout: 30_000,
    // Node looks for those who are too slow every 30 seconds unless told.
    http: { maxHeaderSize: 16_384, headersTimeout: 15_000, connectionsCheckingInterval: 5_000 },
    onProtoPoisoning: 'error',
    onConstructorPoisoning: 'error',
    // A resource may be named by its URL-encoded identifier.
    routerOptions: { maxParamLength: 1_536 },
    // `verbose` puts the schema beside a problem, for its words.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, allErrors: false, verbose: true } },
    schemaController: { compilersFactory: { buildValidator: compileWhenNeeded } },
    frameworkErrors: (error, request, reply) => { presentError(error, request, reply) },
    clientErrorHandler: answerUnreadable,
  }
}

/**
 * Fastify's own validation. A schema is compiled for the first request it is for: all of them would be a fifth of the
 * start.
 */
const compileWhenNeeded: ReturnType<typeof ajvCompiler> = (schemas, options) => {
  const compile = ajvCompiler()(schemas, options)
  return route => {
    let validate: ValidateFunction | null = null
    const check = (data: unknown) => {
      validate ??= compile(route) as ValidateFunction
      const passes = validate(data)
      Object.assign(check, { errors: validate.errors })
      return passes
    }
    return check as ValidateFunction
  }
}

/** As far as Fastify looks at what a compiler makes. */
type ValidateFunction = Extract<ReturnType<ReturnType<ReturnType<typeof ajvCompiler>>>, { schemaEnv: unknown }>

/** What is not HTTP never reaches a route; it is answered on the bare socket. */
function answerUnreadable (error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || socket.destroyed || !socket.writable) return
  const [status, message] = error.code === 'HPE_HEADER_OVERFLOW'
    ? ['431 Request Header Fields Too Large', 'The headers are larger than this server reads.']
    : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'The request took too long to arrive.']
      : ['400 Bad Request', 'The request is malformed.']
  const body = JSON.stringify({ error: message, code: 'INVALID_REQUEST' })
  socket.end(
    `HTTP/1.1 ${status}\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ${
      Buffer.byteLength(body)
    }\r\nconnection: close\r\n\r\n${body}`
  )
}

function welcome ({ issuer, dataFolder, databaseUrl, generatedAdminToken }: Config): string {
  return [
    '',
    `Latchkey serves ${issuer}; its data is in ${placeOfData(databaseUrl, dataFolder)}.`,
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

/** Where the records are, without the password. */
function placeOfData (databaseUrl: string, dataFolder: string): string {
  if (databaseUrl.startsWith('file:')) {
    const file = databaseUrl.slice('file:'.length)
    return dirname(file) === dataFolder ? dataFolder : file
  }
  const { host = '', pathname = '/' } = URL.parse(databaseUrl) ?? {}
  return `the PostgreSQL database ${pathname.slice(1)} at ${host === '' ? 'this machine' : host}`
}
