/** Where a sign-in with a provider begins: its URL, and the transaction that the callback must fit to. */
import { Failure } from '../../base/errors.ts'
import type { Clock } from '../../base/clock.ts'
import type { Config } from '../../config/settings.ts'
import type { SharedCounters } from '../../domain/metering/shared-counters.ts'
import { windowLimiter, type WindowLimiter } from '../../domain/metering/window-limiter.ts'
import { defaultLimits } from '../shared/limits.ts'
import { paths } from '../shared/paths.ts'
import { loginLifetime, loginTransactions, type LoginTransaction, type LoginTransactions } from
  './login-transaction.ts'
import { loadOpenidClient, providerClients, type ProviderClient } from './provider-client.ts'

/** What a sign-in is for. `prompted` absent: if it has to be fresh, and the provider says that it knows the word. */
export type SignInPurpose =
  & Pick<LoginTransaction, 'returnTo' | 'organizationId' | 'linksFor' | 'maxAge'>
  & Partial<Pick<LoginTransaction, 'prompted'>>

export interface UpstreamSignIn {
  issuer: string
  clock: Clock
  /** By id. */
  clients: ReadonlyMap<string, ProviderClient>
  transactions: LoginTransactions
  /** Callbacks that signed nobody in, by address: each of them asked a provider. */
  callbackFailures: WindowLimiter
}

/** What sign-ins with the providers of a configuration need. */
export function upstreamSignIn (
  { issuer, secrets, identityProviders }: Pick<Config, 'issuer' | 'secrets' | 'identityProviders'>, clock: Clock,
  counts: SharedCounters
): UpstreamSignIn {
  return {
    issuer,
    clock,
    clients: providerClients(identityProviders, clock),
    transactions: loginTransactions(issuer, secrets),
    callbackFailures: windowLimiter(defaultLimits.failuresPerAddress, clock, counts.of('callback failures')),
  }
}

/**
 * The URL to send the browser to, and the `Set-Cookie` headers that go along.
 * @throws Failure `identity_provider_unavailable`.
 */
export async function beginSignIn (
  { issuer, clock, transactions }: UpstreamSignIn, upstream: ProviderClient, purpose: SignInPurpose,
  cookies: string | undefined
): Promise<{ url: URL, cookies: string[] }> {
  const client = await loadOpenidClient()
  const configuration = await upstream.configuration()
  const { provider: { id, scopes } } = upstream
  const { prompted = purpose.maxAge === 0 && knowsPrompt(configuration.serverMetadata()) } = purpose
  const transaction: LoginTransaction = {
    ...transactions.fresh(),
    ...purpose,
    prompted,
    provider: id,
    endsAt: Math.floor(clock().getTime() / 1000) + loginLifetime
  }
  const url = client.buildAuthorizationUrl(configuration, {
    redirect_uri: issuer + paths.providerCallback,
    scope: scopes,
    state: transaction.state,
    nonce: transaction.nonce,
    code_challenge: await client.calculatePKCECodeChallenge(transaction.codeVerifier),
    code_challenge_method: 'S256',
    ...(purpose.maxAge !== null && { max_age: String(purpose.maxAge) }),
    ...(prompted && { prompt: 'login' }),
  })
  return { url, cookies: transactions.begin(transaction, cookies) }
}

/** Not every provider takes `prompt=login`: Google refuses the request. `max_age=0` is the same (Core §3.1.2.1). */
function knowsPrompt ({ prompt_values_supported: values }: Readonly<Record<string, unknown>>): boolean {
  return Array.isArray(values) && values.includes('login')
}

/** @throws Failure `not_found`. */
export function requireProvider ({ clients }: Pick<UpstreamSignIn, 'clients'>, id: string): ProviderClient {
  const upstream = clients.get(id)
  if (upstream !== undefined) return upstream
  throw new Failure('not_found', {
    message: `There is no identity provider ${JSON.stringify(id.slice(0, 64))} here; choose one on the sign-in page.`
  })
}
