/**
 * Client authentication for oidc-provider: clients come from the registry, secrets are digests, assertions follow the
 * strict profile. Every failure has one and the same answer (RFC 6749 §5.2); only an authenticated client learns that
 * its address or its organization keeps it out.
 */
import { Provider, errors, type KoaContextWithOIDC } from 'oidc-provider'
import { addressBlock, isAllowed } from '../../base/ip-address.ts'
import type { Awaitable } from '../../base/awaitable.ts'
import { epochSeconds, type Clock } from '../../base/clock.ts'
import { digestOf, sameDigest } from '../../secrets/digest.ts'
import {
  currentSecrets, idTokenAlgorithmOf, isActive, type Client as ClientRecord, type ClientMetadata
} from '../../domain/credentials/client.ts'
import { clientGrantTypes, jwtBearer } from '../../domain/client-metadata/grant-types.ts'
import { isRegisteredRedirectUri } from '../../domain/client-metadata/redirect-uri.ts'
import { reasonAgainstOrganization, type Organization } from '../../domain/tenancy/organization.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { Store } from '../../domain/store.ts'
import type { WindowLimiter } from '../../domain/metering/window-limiter.ts'
import { DocumentFailure } from '../../fetch/document-failure.ts'
import { clientLookup, type HostedClients } from '../hosted-clients/hosted-clients.ts'
import { exchangeGrant } from '../grants/exchange-parameters.ts'
import { assertionUse, requireAssertion } from './client-assertion.ts'
import { asDescription, slowDown } from '../shared/oauth-error.ts'

type ProviderClient = KoaContextWithOIDC['oidc']['client'] & object

/** The client that a request presented, kept with its context. */
export interface ClientPresentation {
  /** The `client_id` as sent. */
  clientId: string
  /** The client of this id, also one that was revoked or disabled; null: there is none. */
  record: ClientRecord | null
  /** Whole seconds until its failures may be more; null: there is room. */
  limitedFor: number | null
  /** A proof that was good once: a secret that was rotated away, an assertion that was sent before. */
  reused?: 'secret_rotated' | 'assertion_replayed'
}

/** A client that was looked up, or is being looked up, by the id that was sent. */
export interface LookedUp { id: string, client: Awaitable<ClientRecord | null> }

export interface ClientAuthenticationOptions {
  issuer: string
  store: Store
  registry: Registry
  clock: Clock
  /** Counts failures by client and address. */
  failures: WindowLimiter
  /** The client that was looked up for this request before the provider got it; null: none was. */
  lookedUpBefore (ctx: KoaContextWithOIDC): LookedUp | null
  /** Clients whose identifier is a URL; absent: there are none. */
  hostedClients?: HostedClients | undefined
  /** The address that failures are counted by. */
  countedAddressOf (ctx: KoaContextWithOIDC): string
}

/** The precise reason of the one `invalid_client` that an authenticated client gets. */
export const addressRefused = 'ip_whitelist_mismatch'

// The provider insists on a secret in clear and never gets to compare it.
const placeholderSecret = 'kept-as-a-digest'

const records = new WeakMap<ProviderClient, ClientRecord>()
const presented = new WeakMap<KoaContextWithOIDC, ClientPresentation>()

/** The record behind a client of the provider: the only source of its authority. */
export function recordOf (client: ProviderClient): ClientRecord {
  const record = records.get(client)
  if (record === undefined) throw new TypeError('a client that did not come from the registry')
  return record
}

/** The client that the request presented; undefined as long as it has named none. */
export function presentedBy (ctx: KoaContextWithOIDC): ClientPresentation | undefined {
  return presented.get(ctx)
}

/** What failed authentications are counted by: the client as named, and the block of the address. */
export function failureKey (clientId: string, address: string): string {
  return `${clientId.slice(0, 128)} ${addressBlock(address)}`
}

/** Lets the provider find and authenticate clients of the registry. */
export function useRegistry (provider: Provider, options: ClientAuthenticationOptions): void {
  provider.Client.find = clientFinder(provider, options)
  Object.assign(provider.Client.prototype, {
    async compareClientSecret (this: ProviderClient, secret: string): Promise<boolean> {
      const record = recordOf(this)
      const digest = digestOf(secret)
      if (!holdsSecret(record, digest, options.clock())) {
        if (heldSecret(record, digest)) noteReuse('secret_rotated')
        return false
      }
      await requireAdmissible(options.registry, record, contextOf().ip)
      return true
    },
    grantTypeAllowed (this: ProviderClient, type: string): boolean {
      // The trust in an issuer lets clients use its assertions, and not what they are registered for.
      if (this.grantTypes?.includes(type) || type === jwtBearer) return true
      if (type === exchangeGrant) {
        // It gives nothing that the client does not have already, once it has proved whose that is.
        if (this.clientAuthMethod !== 'none') return true
        throw refusal(
          400, 'unauthorized_client', 'A public client cannot exchange tokens: it proves nothing.', 'public_client'
        )
      }
      // The provider asks of other grants, too, when it revokes.
      if (Provider.ctx?.oidc.params?.grant_type !== type) return false
      // RFC 6749 §5.2 has a code of its own for this; the provider says invalid_request.
      throw refusal(
        400, 'unauthorized_client', `The client is not registered for the grant ${type}.`, 'grant_not_allowed'
      )
    },
    redirectUriAllowed (this: ProviderClient, uri: string): boolean {
      return isRegisteredRedirectUri(uri, this.redirectUris ?? [], this.applicationType === 'native' ? 'native' : 'web')
    }
  })
  provider.ReplayDetection.unique = async (issuer, jti, expiresAt) => {
    const isNew = await options.store.usedAssertions.remember(
      assertionUse(issuer, jti), new Date(expiresAt * 1000)
    )
    if (!isNew) noteReuse('assertion_replayed')
    return isNew
  }
}

function noteReuse (reused: NonNullable<ClientPresentation['reused']>): void {
  const known = presented.get(contextOf())
  if (known !== undefined) known.reused = reused
}

function clientFinder (
  provider: Provider,
  { registry, failures, hostedClients, lookedUpBefore, countedAddressOf }: ClientAuthenticationOptions
) {
  const find = clientLookup(registry, hostedClients)
  // Keyed by the record: a client that was made from it holds as long as the record is the registry's.
  const made = new WeakMap<ClientRecord, ProviderClient>()
  return async (id: string): Promise<ProviderClient | undefined> => {
    const ctx = contextOf()
    const address = countedAddressOf(ctx)
    const limitedFor = failures.exhausted(failureKey(id, address))
    const before = lookedUpBefore(ctx)
    presented.set(ctx, { clientId: id, record: null, limitedFor })
    const record = await (before?.id === id ? before.client : requireDocument(id, () => find(id, address)))
    presented.set(ctx, { clientId: id, record, limitedFor })
    if (record === null || !isActive(record)) return undefined
    if (limitedFor !== null && !sharesSecret(record)) throw slowDown(limitedFor)
    let client = made.get(record)
    if (client === undefined) {
      client = makeClient(provider, providerMetadata(record))
      // Set afterwards: the schema takes only an algorithm that has a key, and the first client makes the first key.
      Object.assign(client, { idTokenSignedResponseAlg: idTokenAlgorithmOf(record) })
      records.set(client, record)
      made.set(record, client)
    }
    return client
  }
}

/** Documents are public, so the client learns why its own is not taken; the precise reason is for the log alone. */
async function requireDocument (
  id: string, find: () => Awaitable<ClientRecord | null>
): Promise<ClientRecord | null> {
  try {
    return await find()
  } catch (failure) {
    if (!(failure instanceof DocumentFailure)) throw failure
    const { reason, message, detail, retryAfter } = failure
    if (reason === 'busy') throw slowDown(retryAfter)
    const description = asDescription(`The client_id ${id} ${message}.`)
    throw refusal(401, 'invalid_client', description, `metadata document: ${detail}`)
  }
}

/**
 * A client of the provider. @throws errors.InvalidClientMetadata when its schema does not take the metadata (RFC 7591
 * §2).
 */
export function makeClient (provider: Provider, metadata: Record<string, unknown>): ProviderClient {
  return Reflect.construct(provider.Client, [metadata]) as ProviderClient
}

/** The metadata that the provider needs: how the client authenticates, and its grants. None of it is authority. */
function providerMetadata ({ id, metadata }: ClientRecord) {
  const isPublic = metadata.token_endpoint_auth_method === 'none'
  const grantTypes = clientGrantTypes.filter(type =>
    metadata.grant_types.includes(type) && !(isPublic && type === 'client_credentials')
  )
  const asksPeople = grantTypes.includes('authorization_code')
  return {
    client_id: id,
    grant_types: grantTypes,
    response_types: asksPeople ? ['code'] : [],
    redirect_uris: asksPeople ? metadata.redirect_uris : [],
    application_type: metadata.application_type,
    ...authenticationOf(metadata)
  }
}

function authenticationOf (metadata: ClientMetadata): Record<string, unknown> {
  const method = metadata.token_endpoint_auth_method
  if (method === 'none') return { token_endpoint_auth_method: method }
  return method === 'private_key_jwt'
    ? {
        token_endpoint_auth_method: method,
        jwks: metadata.jwks,
        token_endpoint_auth_signing_alg: metadata.token_endpoint_auth_signing_alg
      }
    : { token_endpoint_auth_method: method, client_secret: placeholderSecret }
}

/** Whether a client authenticates with a secret, in the header or in the body. */
export function sharesSecret ({ metadata: { token_endpoint_auth_method: method } }: ClientRecord): boolean {
  return method === 'client_secret_basic' || method === 'client_secret_post'
}

/** Whether `digest` is that of a secret that is the client's now. */
export function holdsSecret (record: ClientRecord, digest: string, now: Date): boolean {
  // Every secret is compared: the time that it takes does not tell which one matched.
  return currentSecrets(record, now).filter(held => sameDigest(held.digest, digest)).length > 0
}

/** Whether a secret was the client's and is not any more. */
function heldSecret (record: ClientRecord, digest: string): boolean {
  return record.secrets.some(held => sameDigest(held.digest, digest))
}

/** The rules for an assertion, and for its client, once the signature has verified. */
export function assertionRules (
  { issuer, registry, clock }: Pick<ClientAuthenticationOptions, 'issuer' | 'registry' | 'clock'>
) {
  return async (ctx: KoaContextWithOIDC, claims: Record<string, unknown>): Promise<void> => {
    const record = recordOf(ctx.oidc.client!)
    requireAssertion(record, issuer, ctx.path, claims, epochSeconds(clock()))
    await requireAdmissible(registry, record, ctx.ip)
  }
}

/** The error that keeps an authenticated client out; null: none. It may be precise: the client is known (LB-24). */
export function reasonAgainstClient (
  record: ClientRecord, organization: Organization | null, address: string
): errors.CustomOIDCProviderError | null {
  const against = record.organizationId === null ? null : reasonAgainstOrganization(organization)
  if (against === 'revoked') {
    return refusal(401, 'invalid_client', 'The organization of this client was deleted.', 'organization_deleted')
  }
  if (against !== null) {
    return refusal(
      400, 'unauthorized_client', 'The organization of this client is suspended.', 'organization_suspended'
    )
  }
  if (isAllowed(address, record.allowlist)) return null
  return refusal(
    401, 'invalid_client', `The address ${address} is not on this client's allowlist (ip_whitelist_mismatch).`,
    addressRefused
  )
}

/** @throws as `reasonAgainstClient` says. */
export async function requireAdmissible (registry: Registry, record: ClientRecord, address: string): Promise<void> {
  const organization = record.organizationId === null ? null : await registry.organization(record.organizationId)
  const error = reasonAgainstClient(record, organization, address)
  if (error !== null) throw error
}

function refusal (status: number, error: string, description: string, detail: string): errors.CustomOIDCProviderError {
  return Object.assign(new errors.CustomOIDCProviderError(error, description, { detail }), {
    status, statusCode: status
  })
}

function contextOf (): KoaContextWithOIDC {
  const ctx = Provider.ctx
  if (ctx === undefined) throw new TypeError('outside of a request to the provider')
  return ctx
}
