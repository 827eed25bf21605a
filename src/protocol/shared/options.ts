import type { Clock } from '../../base/clock.ts'
import type { RegistrationMode } from '../../config/settings.ts'
import type { Authenticator } from '../../domain/access/principal.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import type { Registry } from '../../domain/access/registry.ts'
import type { SharedCounters } from '../../domain/metering/shared-counters.ts'
import type { SigningKeys } from '../../domain/tokens/signing-key.ts'
import type { Store } from '../../domain/store.ts'
import type { TokenMeter } from '../../domain/tokens/issuance-meter.ts'
import type { TokenReader } from '../../domain/tokens/access-token.ts'
import type { LastUsedRecorder } from '../../domain/metering/last-used.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { ProtocolLimits } from './limits.ts'

export type { RegistrationMode }

/** What the authorization server is made of. */
export interface ProtocolOptions {
  /** The issuer identifier: an origin, without path and trailing slash. */
  issuer: string
  store: Store
  registry: Registry
  clock: Clock
  /** The keys as they are at the moment of the call. */
  ring: SigningKeys['ring']
  /** Waited for before anything is signed or published; nothing unless given. */
  catchUp?: SigningKeys['catchUp']
  reader: TokenReader
  authenticator: Authenticator
  registration: RegistrationMode
  /** Where refusals go; its own log, written to the store's audit log, unless given. */
  refusals?: RefusalLog
  /** Where the use of clients is noted; its own log unless given. */
  usage?: LastUsedRecorder
  /** Where issued tokens are counted; its own meter unless given. */
  tokens?: TokenMeter
  limits?: Partial<ProtocolLimits>
  /** By which other servers count towards the limits, too; each server by itself unless given. */
  counts?: SharedCounters
  /** False: oidc-provider answers every request, also those that the shortcut would have answered alike. */
  shortcut?: boolean
  /** Where tokens are counted and traced, and who is let in at all; a telemetry of its own unless given. */
  telemetry?: Telemetry
}
