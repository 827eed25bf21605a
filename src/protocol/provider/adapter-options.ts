/** What the adapter around oidc-provider is given. */
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import type { LastUsedRecorder } from '../../domain/metering/last-used.ts'
import type { SharedCounters } from '../../domain/metering/shared-counters.ts'
import type { TokenMeter } from '../../domain/tokens/issuance-meter.ts'
import type { IssuerKeys, TokenReviewer } from '../../domain/workloads/assertion.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { ProtocolLimits } from '../shared/limits.ts'
import type { ProtocolOptions } from '../shared/options.ts'

export interface ProviderAdapterOptions extends ProtocolOptions {
  refusals: RefusalLog
  usage: LastUsedRecorder
  keyUsage: LastUsedRecorder
  tokens: TokenMeter
  issuerKeys: IssuerKeys
  reviewer: TokenReviewer
  limits: ProtocolLimits
  counts: SharedCounters
  telemetry: Telemetry
}
