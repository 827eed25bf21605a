/** The dependencies and settings of the authorization server. */
import type { Clock } from '../../base/clock.ts'
import type { RegistrationMode } from '../../config/settings.ts'
import type { Authenticator } from '../../domain/access/authenticator.ts'
import type { PrivateSchemes } from '../../domain/client-metadata/redirect-uri.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { Meter } from '../../domain/metering/meter.ts'
import type { SharedCounters } from '../../domain/metering/shared-counters.ts'
import type { WindowLimiter } from '../../domain/metering/window-limiter.ts'
import type { IdTokenAlgorithm, SigningKeys } from '../../domain/tokens/signing-key.ts'
import type { Store } from '../../domain/store.ts'
import type { TokenMeter } from '../../domain/tokens/issuance-meter.ts'
import type { TokenReader } from '../../domain/tokens/access-token.ts'
import type { LastUsedRecorder } from '../../domain/metering/last-used.ts'
import type { IssuerKeys, TokenReviewer } from '../../domain/workloads/assertion.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { PeopleOptions } from '../authorization/code-flow-options.ts'
import type { Interactions } from '../authorization/interactions.ts'
import type { HostedClients } from '../hosted-clients/hosted-clients.ts'
import type { ProviderClient } from '../upstream/provider-client.ts'
import type { ProtocolLimits } from './limits.ts'

export type { RegistrationMode }

export interface ProtocolOptions {
  /** The issuer identifier: an origin, without path and trailing slash. */
  issuer: string
  store: Store
  registry: Registry
  clock: Clock
  /** The present signing keys. */
  ring: SigningKeys['ring']
  /** Awaited before tokens are signed or keys are published; by default nothing is. */
  catchUp?: SigningKeys['catchUp']
  /** Whether a key signs by the algorithm; makes the first one. By default none is made. */
  signerFor?: (algorithm: IdTokenAlgorithm) => Promise<boolean>
  reader: TokenReader
  authenticator: Authenticator
  registration: RegistrationMode
  /** Private schemes without a dot that redirect URIs may have; by default those of well-known clients. */
  privateSchemes?: PrivateSchemes
  /** Records refusals; by default in the store's audit log. */
  refusals?: RefusalLog
  /** Records when clients were last used; by default in the store. */
  usage?: LastUsedRecorder
  /** Records when API keys were last used; by default in the store. */
  keyUsage?: LastUsedRecorder
  /** Counts and limits the calls to userinfo; by default nothing does. */
  meter?: Pick<Meter, 'admit'>
  /** Records when authorizations were last used; by default nothing does. */
  authorizationUsage?: Pick<LastUsedRecorder, 'touch'>
  /** Counts issued tokens; by default in the store. */
  tokens?: TokenMeter
  limits?: Partial<ProtocolLimits>
  /** Counts failed authentications by client and address; by default its own. */
  clientFailures?: WindowLimiter
  /** Shares the counts of limits between servers; by default each server counts for itself. */
  counts?: SharedCounters
  /** False: oidc-provider answers every request, also those that the fast path would have answered alike. */
  fastPath?: boolean
  /** Clients whose identifier is the URL of their metadata document; by default there are none. */
  hostedClients?: HostedClients | undefined
  /** The keys of trusted issuers; by default they are fetched from the internet. */
  issuerKeys?: IssuerKeys
  /** Asks the clusters of trusted issuers; by default over the internet, with sealed tokens that no secret opens. */
  reviewer?: TokenReviewer
  /** The identity providers that sign people in, by id; by default none. */
  upstreams?: ReadonlyMap<string, ProviderClient>
  /** What the authorization code grant needs; by default there is no authorization endpoint. */
  people?: PeopleOptions & { interactions: Interactions }
  /** Metrics, traces and availability; by default its own. */
  telemetry?: Telemetry
}
