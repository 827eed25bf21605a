/** What oidc-provider reports beside its answers: refusals are counted and recorded, broken connections logged. */
import type { FastifyRequest } from 'fastify'
import type { KoaContextWithOIDC, errors } from 'oidc-provider'
import { addressBlock, addressOf, countedAddress } from '../../base/ip-address.ts'
import type { RefusalLog } from '../../domain/audit/refusal-log.ts'
import { isActive, statusOfClient, type Client } from '../../domain/credentials/client.ts'
import type { WindowLimiter } from '../../domain/metering/window-limiter.ts'
import { addressRefused, failureKey, presentedBy } from './client-authentication.ts'
import { contextIfKept, contextOf } from './request-context.ts'

const recorded = new Set(['invalid_client', 'unauthorized_client', 'invalid_grant'])

/**
 * Counts and records a failed authentication (SECURITY N3), and records why a code or refresh token was not taken;
 * other refusals concern the caller alone.
 */
export function onRefusal (
  refusals: RefusalLog, failures: WindowLimiter, addressFailures: WindowLimiter, ctx: KoaContextWithOIDC,
  error: errors.OIDCProviderError
): void {
  if (!recorded.has(error.error)) return
  const context = contextOf(ctx)
  context.refused = error
  const { request } = context
  const { clientId = '', record = null, reused } = presentedBy(ctx) ?? {}
  if (error.error === 'invalid_client' && error.error_detail !== addressRefused) {
    failures.count(failureKey(clientId, countedAddress(request)))
    addressFailures.count(addressBlock(countedAddress(request)))
  }
  const auditDetail = {
    subject: record?.id ?? null,
    organizationId: record?.organizationId ?? null,
    address: addressOf(request),
    requestId: request.id
  }
  refusals.record({ ...auditDetail, type: 'client.refused', reason: reasonOf(error, record) })
  if (reused !== undefined) refusals.record({ ...auditDetail, type: 'credential.reuse_detected', reason: reused })
}

/** Logs an error outside of any answer: information if the connection broke off, otherwise a defect. */
export function onBroken (ctx: KoaContextWithOIDC, error: Error): void {
  const log = contextIfKept(ctx)?.request.log
  if (ctx.req.socket.destroyed) brokeOff(log, error)
  else log?.error({ err: error }, 'the authorization server failed')
}

/** Logs a connection that its caller has closed. */
export function brokeOff (log: FastifyRequest['log'] | undefined, error: NodeJS.ErrnoException | null): void {
  log?.info({ code: error?.code }, 'the connection broke off')
}

/** Records that a policy leaves the client no scope. */
export function onPolicyDenied (refusals: RefusalLog, ctx: KoaContextWithOIDC, client: Client, policy: string): void {
  const { request } = contextOf(ctx)
  request.log.info(
    { reason: 'policy_denied', subject: client.id, organizationId: client.organizationId, policy }, 'refused'
  )
  refusals.record({
    type: 'client.refused',
    reason: 'policy_denied',
    subject: client.id,
    organizationId: client.organizationId,
    address: addressOf(request),
    requestId: request.id,
    detail: { policy },
  })
}

function reasonOf (error: errors.OIDCProviderError, record: Client | null): string {
  if (record !== null && !isActive(record)) return `the client is ${statusOfClient(record)}`
  return (error.error_detail ?? error.error_description ?? error.error).slice(0, 200)
}
