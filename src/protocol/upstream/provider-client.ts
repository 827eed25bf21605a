/**
 * This server as a client of one identity provider: discovery, kept while it works, and a configuration of
 * openid-client for each sign-in.
 */
import { createRemoteJWKSet, customFetch, type FetchImplementation, type RemoteJWKSet } from 'jose'
import type * as OpenidClient from 'openid-client'
import type { Clock } from '../../base/clock.ts'
import { Failure } from '../../base/errors.ts'
import type { IdentityProvider } from '../../config/identity-providers.ts'
import { hostOf, isLoopback } from '../../config/loopback.ts'
import { outboundFetch, OutboundFailure, type OutboundFetch } from '../../fetch/outbound-fetch.ts'

type Client = typeof OpenidClient
type Configuration = OpenidClient.Configuration
type ServerMetadata = OpenidClient.ServerMetadata

/** Seconds by which the provider's clock may differ. A nonce binds each ID token, so that none works twice. */
export const providerClockTolerance = 180

/** Seconds for which the discovery document of a provider is kept. */
const keptFor = 3_600

/** Milliseconds for one request to a provider: a person waits. */
const timeout = 5_000

export interface ProviderClient {
  readonly provider: IdentityProvider
  /** Fetches from the provider, within the bounds of such documents. */
  readonly fetch: OutboundFetch
  /** @throws Failure `identity_provider_unavailable`. */
  metadata (): Promise<ServerMetadata>
  /**
   * A configuration for one sign-in. It has fetched no keys: each sign-in asks for the present ones, so a provider may
   * change them at any time. @throws Failure `identity_provider_unavailable`.
   */
  configuration (): Promise<Configuration>
  /**
   * Its keys, for tokens that it sends by itself. Kept for minutes, and fetched anew for an unknown key, but not at
   * every unknown one: anybody may send such tokens. @throws Failure `identity_provider_unavailable`.
   */
  keys (): Promise<RemoteJWKSet>
  /** Drops what was discovered: something that it led to has failed. */
  forget (): void
}

/** Loaded by the first sign-in. */
export function loadOpenidClient (): Promise<Client> {
  return import('openid-client')
}

/** A client for each provider, by its id. */
export function providerClients (
  providers: readonly IdentityProvider[], clock: Clock
): ReadonlyMap<string, ProviderClient> {
  return new Map(providers.map(provider => [provider.id, providerClient(provider, clock)]))
}

export function providerClient (provider: IdentityProvider, clock: Clock): ProviderClient {
  const insecureLoopback = isLoopback(hostOf(provider.issuer))
  const fetch = outboundFetch({ insecureLoopback, timeout })
  let kept: { metadata: Promise<ServerMetadata>, until: number } | null = null
  let keys: { of: string, set: RemoteJWKSet } | null = null
  const forget = () => { kept = null }
  const metadata = async () => {
    const now = clock().getTime()
    if (kept === null || kept.until <= now) {
      kept = { metadata: discover(provider, fetch, insecureLoopback), until: now + keptFor * 1000 }
    }
    const mine = kept
    try {
      return await mine.metadata
    } catch (error) {
      if (kept === mine) forget()
      throw unavailable(provider, error)
    }
  }
  return {
    provider,
    fetch,
    metadata,
    forget,
    async keys () {
      const { jwks_uri: url } = await metadata()
      if (keys === null || keys.of !== url) {
        const options = { timeoutDuration: timeout, [customFetch]: fetch as FetchImplementation }
        keys = { of: url!, set: createRemoteJWKSet(new URL(url!), options) }
      }
      return keys.set
    },
    async configuration () {
      const client = await loadOpenidClient()
      const found = await metadata()
      return configured(client, provider, found, { fetch, insecureLoopback, clock })
    },
  }
}

interface Means { fetch: OutboundFetch, insecureLoopback: boolean, clock: Clock }

function configured (
  client: Client, { clientId, clientSecret }: IdentityProvider, metadata: ServerMetadata, means: Means
): Configuration {
  const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
  const authenticate = methods.includes('client_secret_basic') ? client.ClientSecretBasic : client.ClientSecretPost
  const skew = Math.round((means.clock().getTime() - Date.now()) / 1000)
  const configuration = new client.Configuration(metadata, clientId, {
    client_secret: clientSecret, [client.clockSkew]: skew, [client.clockTolerance]: providerClockTolerance
  }, authenticate(clientSecret))
  configuration[client.customFetch] = means.fetch as OpenidClient.CustomFetch
  configuration.timeout = timeout / 1000
  client.enableNonRepudiationChecks(configuration)
  if (means.insecureLoopback) client.allowInsecureRequests(configuration)
  return configuration
}

/** @throws Error for a document that is another provider's, or lacks an endpoint. */
async function discover (
  { issuer, clientId }: IdentityProvider, fetch: OutboundFetch, insecureLoopback: boolean
): Promise<ServerMetadata> {
  const client = await loadOpenidClient()
  const discovered = await client.discovery(new URL(issuer), clientId, undefined, undefined, {
    [client.customFetch]: fetch as OpenidClient.CustomFetch,
    timeout: timeout / 1000,
    execute: insecureLoopback ? [client.allowInsecureRequests] : [],
  })
  const metadata = discovered.serverMetadata()
  // The library takes a document of another issuer for some vendors: any of their tenants could vouch then.
  if (metadata.issuer !== issuer) {
    throw new Error(`The provider's issuer is ${metadata.issuer}, not ${issuer}: configure exactly that.`)
  }
  for (const needed of ['authorization_endpoint', 'token_endpoint', 'jwks_uri'] as const) {
    if (metadata[needed] === undefined) throw new Error(`The discovery document of ${issuer} has no ${needed}.`)
  }
  return metadata
}

/** The failure of a provider that does not answer, or not as one. */
export function unavailable ({ id, name }: IdentityProvider, cause: unknown): Failure {
  return new Failure('identity_provider_unavailable', {
    message: `${name} does not answer as it should, so sign-in with it is unavailable. Try again shortly, or sign in ` +
      'in another way.',
    details: { provider: id },
    detail: reasonOf(cause),
    cause,
  })
}

/** Whether an error says that the provider was not reached, or did not answer in time or in size. */
export function isOutage (error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof OutboundFailure || each.name === 'TimeoutError') return true
  }
  return false
}

/** What an error and its causes say, for the log. */
export function reasonOf (error: unknown): string {
  const said: string[] = []
  for (let each = error; each instanceof Error; each = each.cause) said.push(each.message)
  return said.join(': ')
}
