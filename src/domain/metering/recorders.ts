/** Recorders: requests count in memory, and a background job writes. One place starts and stops all of them. */
import type { Clock } from '../../base/clock.ts'
import { countingLoss } from '../../telemetry/lost-entries.ts'
import { together, type Service } from '../../telemetry/service.ts'
import type { Telemetry } from '../../telemetry/telemetry.ts'
import type { AuditLog } from '../audit/log.ts'
import { refusalLog, type RefusalLog } from '../audit/refusal-log.ts'
import type { AuthorizationRepository } from '../authorizations/authorization.ts'
import type { ApiKeyRepository } from '../credentials/api-key.ts'
import type { ClientRepository } from '../credentials/client.ts'
import type { ManagementTokenRepository } from '../credentials/management-token.ts'
import type { PersonSessionRepository } from '../people/person-session.ts'
import { tokenMeter, type TokenMeter, type TokenUsageRepository } from '../tokens/issuance-meter.ts'
import { lastUsedRecorder, type LastUsedRecorder } from './last-used.ts'
import { meter as newMeter, type Meter } from './meter.ts'
import { requestLog, type KeptRequests, type RequestLog, type RequestLogRepository } from './request-log.ts'
import { sharedCounters, unshared, type Peers, type SharedCounters } from './shared-counters.ts'

/** The ports that the recorders write to. */
type RecorderStore = Parameters<typeof newMeter>[0] & {
  audit: Pick<AuditLog, 'append'>
  apiKeys: Pick<ApiKeyRepository, 'touch'>
  clients: Pick<ClientRepository, 'touch'>
  managementTokens: Pick<ManagementTokenRepository, 'touch'>
  authorizations: Pick<AuthorizationRepository, 'touch'>
  personSessions: Pick<PersonSessionRepository, 'touch'>
  tokenUsage: Pick<TokenUsageRepository, 'add'>
  requestLog: Pick<RequestLogRepository, 'add' | 'trim'>
}

export interface RecordersOptions {
  store: RecorderStore
  /** The other servers on the database; null: there can be none. */
  peers: Peers | null
  clock: Clock
  telemetry: Telemetry
  /** Which requests the log of each credential keeps; all kinds unless given. */
  keptRequests?: KeptRequests
}

/** As a service, all stop concurrently, so that they wait for the database together. */
export interface Recorders extends Service {
  refusals: RefusalLog
  keyUsage: LastUsedRecorder
  clientUsage: LastUsedRecorder
  managementTokenUsage: LastUsedRecorder
  personSessionUsage: LastUsedRecorder
  authorizationUsage: LastUsedRecorder
  /** The last requests of each credential. */
  requests: RequestLog
  /** Issued tokens. */
  tokens: TokenMeter
  /** Counts of rate limits, shared with the other servers. */
  counts: SharedCounters
  /** Calls of API keys, and of clients that act for people. */
  meter: Meter
}

export function newRecorders ({ store, peers, clock, telemetry, keptRequests = 'on' }: RecordersOptions): Recorders {
  const { background, background: { report } } = telemetry
  const refusals = refusalLog(store, clock, undefined, report('refusals'))
  const keyUsage = lastUsedRecorder(usage => store.apiKeys.touch(usage), clock, undefined, report('key_use'))
  const clientUsage = lastUsedRecorder(usage => store.clients.touch(usage), clock, undefined, report('client_use'))
  const managementTokenUsage = lastUsedRecorder(
    usage => store.managementTokens.touch(usage), clock, undefined, report('management_token_use')
  )
  const personSessionUsage = lastUsedRecorder(
    usage => store.personSessions.touch(usage), clock, undefined, report('person_session_use')
  )
  const authorizationUsage = lastUsedRecorder(
    usage => store.authorizations.touch(usage), clock, undefined, report('authorization_use')
  )
  const requests = requestLog(store.requestLog, keptRequests, clock, report('request_log'))
  const tokens = tokenMeter(usage => store.tokenUsage.add(usage), clock, undefined, report('tokens_issued'))
  const counts = peers === null ? unshared : sharedCounters(peers, clock, undefined, report('shared_counts'))
  const meter = newMeter(store, clock, counts, background)
  const { start, stop } = together([
    countingLoss(telemetry, 'key_use', keyUsage),
    countingLoss(telemetry, 'management_token_use', managementTokenUsage),
    countingLoss(telemetry, 'person_session_use', personSessionUsage),
    countingLoss(telemetry, 'authorization_use', authorizationUsage),
    countingLoss(telemetry, 'client_use', clientUsage),
    countingLoss(telemetry, 'calls', meter),
    countingLoss(telemetry, 'tokens_issued', tokens),
    countingLoss(telemetry, 'refusals', refusals),
    countingLoss(telemetry, 'request_log', requests),
    counts,
  ])
  return {
    refusals,
    keyUsage,
    clientUsage,
    managementTokenUsage,
    personSessionUsage,
    authorizationUsage,
    requests,
    tokens,
    counts,
    meter,
    start,
    stop
  }
}
