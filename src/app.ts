/**
 * Composition root: each part of a server with the fields it needs, and the services in the order of their start. They
 * stop in reverse, so that nothing stops before those that use it: first the jobs that make changes, then the recorders
 * with what they have still to write, then the database; the event loop and tracing observe all of it to the end.
 */
import type { FastifyInstance, FastifyPluginAsync } from 'fastify'
import { systemClock, type Clock } from './base/clock.ts'
import { pinNextTickShape } from './base/node/next-tick-shape.ts'
import { loadConfig, type Config } from './config/config.ts'
import { version } from './config/version.ts'
import { decision } from './decision/decision.ts'
import { followStorage } from './decision/guard-sessions/guard-sessions.ts'
import { personAuthenticator, type PersonAuthenticatorOptions } from './domain/access/checks/check-person-session.ts'
import { credentialChecks } from './domain/access/authenticator.ts'
import { systemActor } from './domain/core/actor.ts'
import { keptAnswers } from './domain/core/kept-answers.ts'
import type { Operation } from './domain/core/operation.ts'
import type { Repositories, Store } from './domain/store.ts'
import { housekeeping } from './domain/maintenance/housekeeping.ts'
import { newRecorders } from './domain/metering/recorders.ts'
import { windowLimiter } from './domain/metering/window-limiter.ts'
import { provideIdTokenKey } from './domain/tokens/id-token-key.ts'
import { sourceLimit } from './domain/registries/source-refresh.ts'
import { keyRotation } from './domain/tokens/signing-key-schedule.ts'
import { conditionalFetcher } from './fetch/conditional-fetcher.ts'
import type { Network } from './fetch/network.ts'
import { GuardedRoutes } from './guard/guarded-routes.ts'
import { guard } from './guard/index.ts'
import { dashboard } from './dashboard/dashboard.ts'
import { oncePerPage } from './http/inner-call.ts'
import { largeBodies } from './http/large-bodies.ts'
import { unknownPaths } from './management/conventions/unknown-path.ts'
import { documentation } from './management/documentation/documentation.ts'
import { management, type ManagementOptions } from './management/management.ts'
import {
  managementPath, managementResource, managementScopes, type ManagementPlace
} from './management/resource.ts'
import { watchEventLoop } from './observability/event-loop.ts'
import { operations } from './observability/operations.ts'
import { watchRequests } from './observability/request-gate.ts'
import { askingOptions } from './pages/consent/asking.ts'
import { signInPages } from './pages/sign-in.ts'
import { identityResource } from './protocol/authorization/identity.ts'
import { hostedClients, type HostedClientOptions } from './protocol/hosted-clients/hosted-clients.ts'
import { protocol } from './protocol/index.ts'
import { defaultLimits } from './protocol/shared/limits.ts'
import type { ProtocolOptions } from './protocol/shared/options.ts'
import { paths } from './protocol/shared/paths.ts'
import { upstreamSignIn } from './protocol/upstream/begin-sign-in.ts'
import { issuerKeys } from './protocol/workloads/issuer-keys.ts'
import { tokenReviewer } from './protocol/workloads/token-reviewer.ts'
import type { Limits } from './storage/engine/timeouts.ts'
import { openPreparedStorage } from './storage/prepared-storage.ts'
import { readinessChecks } from './storage/readiness-checks.ts'
import { inOrder } from './telemetry/service.ts'
import { newTelemetry } from './telemetry/telemetry.ts'

/** `management`: where its API is served, by default below /api/v1; false: nowhere. */
export interface RoutesOptions { management?: ManagementPlace }

/** An open authorization server: plugins for Fastify, to be mounted in an application, and their state. */
export type Latchkey = Awaited<ReturnType<typeof openLatchkey>>

/**
 * Opens an authorization server, by default with the configuration of the environment. `limits`: timeouts of the
 * database that differ from the defaults. `network`: for tests and demos, the way to the hosts of metadata documents;
 * the rules about addresses hold on it, too. @throws ConfigurationError naming every problem that prevents a start.
 */
export async function openLatchkey (
  config: Config = loadConfig(), clock: Clock = systemClock, limits: Partial<Limits> = {}, network?: Network
) {
  pinNextTickShape()
  const { issuer, secrets, dataFolder, adminTokenDigest } = config
  const tracing = config.tracing &&
    (await import('./observability/tracing.ts')).openTracing({ ...config.tracing, version })
  const telemetry = newTelemetry(tracing)
  const { metrics, availability, background: { report } } = telemetry
  const { storage, signingKeys } = await openPreparedStorage(config.databaseUrl, {
    limits, telemetry, lease: config.replicaLease, issuer, secrets, clock, resources: ownResources(config)
  })
  const { store, registry, replicas, directory, peers } = storage
  const { ring, catchUp } = signingKeys
  const operation: Operation<Repositories> = { store, clock, actor: systemActor }
  const recorders = newRecorders({ store, peers, clock, telemetry, keptRequests: config.requestLog })
  const { refusals, keyUsage, authorizationUsage, clientUsage, counts, meter } = recorders
  const eventLoop = watchEventLoop(availability, config.shedLag, report('event_loop'))
  const guardSessions = followStorage(storage, config.replicaLease / 2)
  const services = inOrder([
    ...(tracing === null ? [] : [tracing]),
    eventLoop,
    { start: storage.join, stop: storage.close },
    recorders,
    keyRotation(signingKeys, operation, config.signingKeyDays, report('signing_keys')),
    housekeeping(operation, report('housekeeping'), { usageDays: config.usageDays }, metrics),
  ])
  await services.start()

  const checks = credentialChecks({ issuer, registry, signingKeys, adminTokenDigest })
  const data = { store, registry, clock, ...issuersOf(config, { clock, network, metrics }) }
  const judging = { ...data, ...checks, ...recorders, telemetry, routes: new GuardedRoutes() }
  const lifetimes = { idle: config.sessionIdle, max: config.sessionMax }
  const sessions = { store: withSessionsReadOnce(store), usage: recorders.personSessionUsage, lifetimes }
  const people = personAuthenticator({ issuer, registry, ...sessions })
  const upstream = upstreamSignIn(config, clock, counts)
  const guarded = guard({ ...judging, people })
  const failures = windowLimiter(defaultLimits.failuresPerClient, clock, counts.of('client failures'))
  const readiness = readinessChecks(storage, signingKeys)
  const server = operations({ telemetry, eventLoop, storage, dataFolder, readiness })
  const asking = askingOptions({ secrets, people, store, clock })
  const unknown = unknownPaths(issuer + paths.token)
  const managed = (prefix: string): FastifyPluginAsync => async app => {
    const archives = largeBodies()
    await app.register(management({
      issuer,
      prefix,
      secrets,
      guard: guarded,
      ...data,
      signingKeys,
      replicas,
      directory,
      identityProviders: config.identityProviders,
      ...recorders,
      explaining: { judging: { ...judging, people }, routes: judging.routes },
      server,
      lifetimes,
      archives,
      ...registriesOf(config, { clock, counts, network }),
      privateSchemes: config.redirectSchemes
    }))
    await app.register(dashboard(issuer, prefix, archives))
  }
  const routes: FastifyPluginAsync<RoutesOptions> = async (app, { management: place = { prefix: managementPath } }) => {
    // Schemas describe the answers, and must not change them.
    app.setSerializerCompiler(() => data => JSON.stringify(data))
    unknown.learn(app)
    if (place !== false) {
      const { prefix } = place
      await app.register(documentation({ issuer, prefix, tokenUrl: issuer + paths.token, scopes: managementScopes }))
    }
    await app.register(protocol({
      issuer,
      ...introductionOf(config, { clock, registry, counts, network }),
      ...data,
      ring,
      catchUp,
      signerFor: algorithm => provideIdTokenKey(signingKeys, operation, algorithm),
      ...checks,
      ...recorders,
      usage: clientUsage,
      clientFailures: failures,
      telemetry,
      upstreams: upstream.clients,
      people: asking
    }))
    if (place !== false) await app.register(managed(place.prefix))
    await app.register(decision({
      ...judging,
      secrets,
      issuer,
      ring,
      guardSessions,
      reporting: { registry, meter, keyUsage, authorizationUsage },
      proxies: { trustedProxies: config.trustProxy, signingKeys },
      kept: keptAnswers(store, clock, secrets),
      asking: { failures, usage: clientUsage, usedAssertions: store.usedAssertions }
    }))
    await app.register(server.routes({ withMetrics: config.metrics === 'on' }))
    await app.register(signInPages({
      ...upstream,
      secrets,
      ...data,
      interactions: asking.interactions,
      people,
      lifetimes,
      refusals,
      counts
    }))
    server.announce(app)
  }
  return {
    config,
    registry,
    signingKeys,
    telemetry,
    /** For changes by the application itself, such as creating its resources. Acts as `system`. */
    operation,
    /** Protects the routes of the context in which it is registered. */
    guard: guarded,
    /** Counts calls and takes credits; a route that fails through its own fault gives them back with `refund`. */
    meter,
    /** Measures and traces requests, and rejects them while the server is unavailable. Before the first route. */
    watchRequests: (app: FastifyInstance) => { watchRequests(app, telemetry, tracing) },
    /** All routes: token, registration, introspection, revocation, discovery, management, health. */
    routes,
    /** `/healthz`, `/readyz` and `/prom` alone, for a listener of their own. */
    operationalRoutes: server.routes({ withMetrics: true }),
    /** Whether a command on this machine sends a request. */
    isOwnCommand: server.isOwnCommand,
    /** For `setNotFoundHandler`. Knows the paths of `routes` once they are registered. */
    answerUnknownPath: unknown.answer,
    /** Loads what the first change would otherwise wait for. @throws Failure `storage_unavailable`. */
    prepareForChanges: storage.ping,
    /** Stops the services. Pending writes that fail until `telemetry.availability.writeUntil` are counted as lost. */
    close: () => services.stop(availability.writeUntil),
  }
}

/** The calls that a page makes to the API read its session once, together. */
function withSessionsReadOnce ({ personSessions, managementTokens }: Store): PersonAuthenticatorOptions['store'] {
  return {
    managementTokens,
    personSessions: {
      byDigest: digest => oncePerPage(`session ${digest}`, () => personSessions.byDigest(digest))
    }
  }
}

/** The resources of Latchkey's own endpoints. */
function ownResources ({ issuer, authorizeManagement }: Config) {
  return [managementResource(issuer, authorizeManagement === 'read'), identityResource(issuer)]
}

/** How the hosts of trusted issuers are asked. */
function issuersOf (
  { secrets }: Config, more: Parameters<typeof issuerKeys>[0] & Pick<Parameters<typeof tokenReviewer>[0], 'metrics'>
): Pick<ManagementOptions, 'issuerKeys' | 'reviewer'> {
  return { issuerKeys: issuerKeys(more), reviewer: tokenReviewer({ ...more, secrets }) }
}

/** What registries show of this server, and how those of others are asked. */
function registriesOf (
  { registration, issuer }: Config,
  { clock, counts, network }: Pick<HostedClientOptions, 'clock' | 'counts' | 'network'>
): Pick<ManagementOptions, 'registrationEndpoint' | 'sources'> {
  const limiter = windowLimiter(sourceLimit, clock, counts.of('third-party sources'))
  return {
    registrationEndpoint: registration === 'closed' ? null : issuer + paths.registration,
    sources: { fetch: conditionalFetcher(network), limiter }
  }
}

/** How clients introduce themselves: by registration, or by a document, unless none is taken from any domain. */
function introductionOf (
  {
    registration, clientDomains: allowed, deniedClientDomains: denied, redirectSchemes: privateSchemes
  }: Config,
  more: Pick<HostedClientOptions, 'clock' | 'registry' | 'counts' | 'network'>
): Pick<ProtocolOptions, 'registration' | 'privateSchemes' | 'hostedClients'> {
  const domains = { allowed, denied }
  return {
    registration,
    privateSchemes,
    hostedClients: allowed.length === 0 ? undefined : hostedClients({ ...more, domains, privateSchemes })
  }
}
