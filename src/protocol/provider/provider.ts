/**
 * Configures oidc-provider: client authentication, the token endpoint, and the frame of introspection and revocation.
 * Clients come from the registry, access tokens are JWTs without a row, and what the authorization code grant keeps is
 * stored by us. Unused features are off, and only the routes that are mounted in provider-adapter.ts reach it.
 */
import type { EventEmitter } from 'node:events'
import { Provider, type Configuration, type KoaContextWithOIDC, type errors } from 'oidc-provider'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import { defaultAlgorithm, idTokenAlgorithms, type KeyRing } from '../../domain/tokens/signing-key.ts'
import type { TokenMeter } from '../../domain/tokens/issuance-meter.ts'
import { assertionTolerance } from '../../domain/tokens/assertion.ts'
import { clientAuthMethods } from '../../domain/credentials/client.ts'
import { assertionAlgorithms } from '../../domain/credentials/client-keys.ts'
import { assertionRules, useRegistry, type ClientAuthenticationOptions } from './client-authentication.ts'
import { paths } from '../shared/paths.ts'
import { codeFlowConfiguration, useCodeFlow } from '../authorization/code-flow.ts'
import type { CodeFlowOptions } from '../authorization/code-flow-options.ts'
import { organizationOf } from '../authorization/member-account.ts'
import { nothing } from '../authorization/stored-models.ts'
import { registerClientCredentials, type GrantOptions } from '../grants/client-credentials.ts'
import { ownClaims } from '../grants/own-claims.ts'
import { registerTokenExchange, type TokenExchangeOptions } from '../grants/token-exchange.ts'
import { registerIdJag } from '../workloads/id-jag.ts'
import type { WorkloadGrantOptions } from '../workloads/workload-grant.ts'
import { contextOf } from './request-context.ts'

export interface ProviderOptions
  extends ClientAuthenticationOptions, GrantOptions, TokenExchangeOptions,
  Omit<WorkloadGrantOptions, 'ring' | 'store'> {
  /** Absent: there is no authorization endpoint. */
  people?: CodeFlowOptions['people'] | undefined
  signerFor?: CodeFlowOptions['signerFor']
  /** Called for every refusal, with its precise reason. */
  onRefusal (ctx: KoaContextWithOIDC, error: errors.OIDCProviderError): void
  /** Called for errors that are not refusals: defects, and an unavailable database. */
  onFailure (ctx: KoaContextWithOIDC, error: unknown): void
  /** Called for errors outside of any answer: nearly always a connection that the caller has closed. */
  onBroken (ctx: KoaContextWithOIDC, error: Error): void
  tokens: TokenMeter
  refusals: RefusalLog
  /** The client's address as Fastify sees it. */
  addressOf (ctx: KoaContextWithOIDC): string
}

/** Builds a provider that signs with the active keys of the ring. A rotation builds another one. */
export function buildProvider (options: ProviderOptions, ring: KeyRing): Provider {
  const provider = new Provider(options.issuer, configuration(options, ring))
  pinHost(provider, options)
  useRegistry(provider, options)
  if (options.people !== undefined) useCodeFlow(provider, { ...options, people: options.people })
  registerClientCredentials(provider, options, ring)
  registerIdJag(provider, { ...options, ring: () => ring })
  registerTokenExchange(provider, options, ring)
  provider.on('grant.success', ctx => { countIssued(options, ctx) })
  provider.on('grant.error', options.onRefusal)
  provider.on('introspection.error', options.onRefusal)
  provider.on('authorization.error', (ctx, error) => { contextOf(ctx).refused = error })
  provider.on('revocation.error', options.onRefusal)
  provider.on('server_error', options.onFailure)
  // Without a listener Koa prints errors on standard error, whatever the log level.
  const koa: EventEmitter = provider
  koa.on('error', (error: Error, ctx: KoaContextWithOIDC) => { options.onBroken(ctx, error) })
  return provider
}

/** Counts a token that acts for a member; the grant of machines counts its own. */
function countIssued ({ telemetry: { metrics }, tokens }: ProviderOptions, ctx: KoaContextWithOIDC): void {
  if (ctx.oidc.account === undefined) return
  metrics.tokens.increment(String(ctx.oidc.params!.grant_type))
  tokens.count(ctx.oidc.client!.clientId, organizationOf(ctx))
}

function configuration (options: ProviderOptions, ring: KeyRing): Configuration {
  const ofMachines = machineConfiguration(options, ring)
  if (options.people === undefined) return ofMachines
  const ofPeople = codeFlowConfiguration({ ...options, people: options.people, ring })
  return {
    ...ofMachines,
    ...ofPeople,
    routes: { ...ofMachines.routes, ...ofPeople.routes },
    ttl: { ...ofMachines.ttl, ...ofPeople.ttl },
    features: { ...ofMachines.features, ...ofPeople.features } as Configuration['features'] & object,
  }
}

function machineConfiguration (options: ProviderOptions, { signers }: KeyRing): Configuration {
  return {
    adapter: nothing,
    jwks: { keys: Array.from(signers.values(), ({ privateJwk }) => privateJwk as never) },
    routes: { token: paths.token, introspection: paths.introspection, revocation: paths.revocation },
    // Clients register for these grants, so the provider must load such clients.
    responseTypes: ['code'],
    issueRefreshToken: () => false,
    scopes: [],
    claims: {},
    clientAuthMethods: [...clientAuthMethods],
    clientDefaults: {
      grant_types: ['client_credentials'], response_types: [], id_token_signed_response_alg: defaultAlgorithm
    },
    enabledJWA: {
      clientAuthSigningAlgValues: [...assertionAlgorithms], idTokenSigningAlgValues: [...idTokenAlgorithms]
    },
    // For assertions: the provider verifies nothing else here.
    clockTolerance: assertionTolerance,
    assertJwtClientAuthClaimsAndHeader: assertionRules(options),
    formats: { customizers: { jwt: ownClaims(options.clock) as never } },
    ttl: {
      ClientCredentials: (_ctx, token) => token.resourceServer!.accessTokenTTL!,
      // Present only because the provider prints a notice about every default that it calls.
      ...{ AccessToken: 1, AuthorizationCode: 1, Grant: 1, IdToken: 1, Interaction: 1, Session: 1 },
    },
    features: {
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => false },
      revocation: { enabled: true, allowedPolicy: () => false },
      resourceIndicators: { enabled: false },
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
    },
    cookies: { keys: ['no cookie is ever set'] },
    findAccount: () => undefined,
    // The endpoints are for machines; after-provider.ts removes the headers for browsers.
    clientBasedCORS: () => true,
    // Errors are JSON, whatever Accept says.
    renderError: (ctx, out) => {
      ctx.body = out
    },
  }
}

/** Absolute URLs, and with them the audiences of assertions, are the issuer's, whatever Host is (SECURITY §0.3). */
function pinHost (provider: Provider, { issuer, addressOf }: ProviderOptions): void {
  const { host, protocol } = new URL(issuer)
  Object.defineProperties(provider.request, {
    host: { get: () => host },
    protocol: { get: () => protocol.slice(0, -1) },
    secure: { get: () => protocol === 'https:' },
    ip: { get (this: { ctx: KoaContextWithOIDC }) { return addressOf(this.ctx) } },
  })
}
