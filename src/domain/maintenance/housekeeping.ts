/** Housekeeping: deletion of expired rows, each hour, and each minute of those that strangers make. */
import { repeatedly, type RepeatedJob, type Report } from '../../telemetry/background.ts'
import { defaultOf } from '../../config/table.ts'
import { variables } from '../../config/variables.ts'
import { inBatches } from '../../base/batches.ts'
import { secondsAfter } from '../../base/clock.ts'
import { newMetrics, type Metrics } from '../../telemetry/metrics.ts'
import { dayOf, monthOf } from '../core/calendar.ts'
import { reapAbandonedClients } from '../authorizations/reap-clients.ts'
import { removeDeadSigningKeys } from '../tokens/signing-key-rotation.ts'
import type { Operation } from '../core/operation.ts'
import { tokenUsageDays } from '../tokens/issuance-meter.ts'
import type { RevokedTokenPort } from '../tokens/access-token.ts'
import type { UsedAssertionPort } from '../core/used-assertions.ts'
import type { RememberedAnswerPort } from '../core/idempotency.ts'
import type { PersonSessionPort } from '../people/person-session.ts'
import { keptInvitations, type InvitationPort } from '../providers/invitation.ts'
import type { SignInLinkPort } from '../people/sign-in-link.ts'
import type { UsagePort } from '../metering/usage-meter.ts'
import { requestLogDays, type RequestLogPort } from '../metering/request-log.ts'
import type { TokenUsagePort } from '../tokens/issuance-meter.ts'
import type { AllowancePort } from '../metering/quota-lease.ts'
import type { BudgetPort } from '../spending/budget.ts'
import type { SpendPort } from '../spending/reservation.ts'
import { chargeUnsettled } from '../spending/settlement.ts'
import type { SigningKeyPort } from '../tokens/signing-key.ts'
import type { AuthorizationPort } from '../authorizations/authorization.ts'
import type { AuthorizationStepPort } from '../authorizations/authorization-step.ts'
import type { AuditPort } from '../audit/log.ts'
import type { ClientPort } from '../credentials/client.ts'

/** What the operations of this file read and write. */
type Ports =
  & AllowancePort
  & AuditPort
  & AuthorizationPort
  & AuthorizationStepPort
  & BudgetPort
  & ClientPort
  & InvitationPort
  & PersonSessionPort
  & SignInLinkPort
  & RememberedAnswerPort
  & RequestLogPort
  & RevokedTokenPort
  & SigningKeyPort
  & SpendPort
  & TokenUsagePort
  & UsagePort
  & UsedAssertionPort

/** Milliseconds between two runs of all jobs, and of those for rows that live for minutes. */
const every = 3_600_000
const often = 60_000

/**
 * Seconds beyond their end for which rows are kept that must not work again, or must work until then: a clock set ahead
 * at the time of deletion and set right later would make them missing.
 */
const clockMargin = 86_400

/** Seconds for which a code that was redeemed is known, so that its replay ends what it brought. */
const replay = 3_600

/**
 * Seconds after which an authorization is removed whose code nobody redeemed: a question to a person is open for ten
 * minutes, and then a code for one.
 */
const redemption = 900

/** Seconds beyond their end for which questions and pushed requests are kept: the clocks of two servers may differ. */
const stepMargin = 300

/** Retention of usage data. */
export interface Retention {
  /** Days to keep usage per consumer; at least the present month. */
  usageDays: number
}

export const defaultRetention: Retention = { usageDays: defaultOf(variables.usageDays) }

/** Deletes at most `limit` expired rows of one kind; returns how many. */
interface RetentionJob {
  limit: number, remove (operation: Operation<Ports>, retention: Retention, now: Date, limit: number): Promise<number>
}

/** Rows that one statement deletes, or one transaction if each is audited: some milliseconds of work. */
const rows = 500
const auditedRows = 10

/** By the name of the rows in the metrics. Records that are kept by rule (keys, clients, audit events) have no job. */
export const jobs: Readonly<Record<string, RetentionJob>> = {
  revoked_token: {
    limit: rows, remove: ({ store }, _, now, limit) => store.revokedTokens.prune(secondsAfter(now, -clockMargin), limit)
  },
  used_assertion: {
    limit: rows,
    remove: ({ store }, _, now, limit) => store.usedAssertions.prune(secondsAfter(now, -clockMargin), limit)
  },
  remembered_answer: {
    limit: rows,
    remove: ({ store }, _, now, limit) => store.rememberedAnswers.prune(secondsAfter(now, -clockMargin), limit)
  },
  person_session: {
    limit: rows,
    remove: ({ store }, _, now, limit) => store.personSessions.prune(secondsAfter(now, -clockMargin), limit)
  },
  invitation: {
    limit: rows,
    remove: ({ store }, _, now, limit) => store.invitations.prune(secondsAfter(now, -keptInvitations), limit)
  },
  sign_in_link: {
    limit: rows, remove: ({ store }, _, now, limit) => store.signInLinks.prune(secondsAfter(now, -clockMargin), limit)
  },
  authorization: {
    limit: rows,
    // As long as its usage, which is its organization's through it.
    remove: ({ store }, { usageDays }, now, limit) => store.authorizations.prune({
      expired: secondsAfter(now, -usageDays * 86_400), waiting: secondsAfter(now, -redemption)
    }, limit)
  },
  authorization_step: {
    limit: rows,
    remove: ({ store }, _, now, limit) => store.authorizationSteps.prune({
      asking: secondsAfter(now, -stepMargin), given: secondsAfter(now, -replay)
    }, limit)
  },
  signing_key: {
    limit: auditedRows,
    remove: (operation, _, now, limit) => removeDeadSigningKeys(operation, secondsAfter(now, -clockMargin), limit)
  },
  idle_client: { limit: auditedRows, remove: (operation, _r, _n, limit) => reapAbandonedClients(operation, limit) },
  key_usage: {
    limit: rows,
    remove: ({ store }, { usageDays }, now, limit) =>
      store.usage.prune(dayOf(secondsAfter(now, -usageDays * 86_400)), limit)
  },
  token_usage: {
    limit: rows,
    remove: ({ store }, _, now, limit) => store.tokenUsage.prune(secondsAfter(now, -tokenUsageDays * 86_400), limit)
  },
  logged_request: {
    limit: rows,
    remove: ({ store }, _, now, limit) => store.requestLog.prune(secondsAfter(now, -requestLogDays * 86_400), limit)
  },
  allowance: {
    limit: rows,
    remove: ({ store }, { usageDays }, now, limit) =>
      store.allowances.prune(monthOf(secondsAfter(now, -usageDays * 86_400)), limit)
  },
  // Not deleted but charged: it is then no longer open.
  unsettled_reservation: {
    limit: auditedRows, remove: (operation, _, now, limit) => chargeUnsettled(operation, now, limit)
  },
  spend_reservation: {
    limit: rows,
    remove: ({ store }, { usageDays }, now, limit) =>
      store.reservations.prune(secondsAfter(now, -usageDays * 86_400), limit)
  },
  spend_line: {
    limit: rows,
    remove: ({ store }, { usageDays }, now, limit) =>
      store.spendLines.prune(dayOf(secondsAfter(now, -usageDays * 86_400)), limit)
  },
  spend_total: {
    limit: rows,
    remove: ({ store }, { usageDays }, now, limit) =>
      store.spendTotals.prune(monthOf(secondsAfter(now, -usageDays * 86_400)), limit)
  }
}

/** The kinds of rows that live for minutes: those that strangers make, and reservations of spending. */
const shortLived: readonly string[] = ['authorization', 'authorization_step', 'unsettled_reservation']

/**
 * Deletes expired rows once an hour: revoked tokens, used assertions, remembered answers and signing keys past their
 * end, registered clients that were never used, and usage older than its retention; once a minute: steps of
 * authorizations, and authorizations that came to nothing. `stop` waits for the present batch;
 * the rest is left to the next run.
 */
export function housekeeping (
  operation: Operation<Ports>, report: Report, retention: Retention = defaultRetention, metrics: Metrics = newMetrics()
): RepeatedJob {
  const stopping = new AbortController()
  const { signal } = stopping
  const running = [
    repeatedly(every, () => runHousekeeping(operation, retention, metrics, signal), report),
    repeatedly(often, () => sweepShortLived(operation, metrics, signal), report)
  ]
  return {
    start () { for (const job of running) job.start() },
    async stop () {
      stopping.abort()
      await Promise.all(running.map(job => job.stop()))
    },
  }
}

/**
 * One run of all jobs. A failed job does not stop the others.
 * @throws the error of the failed job at the end; of several, all of them together.
 */
export async function runHousekeeping (
  operation: Operation<Ports>,
  retention: Retention = defaultRetention,
  metrics: Metrics = newMetrics(),
  signal: AbortSignal = new AbortController().signal
): Promise<void> {
  await runJobs(Object.keys(jobs), operation, retention, metrics, signal)
  if (!signal.aborted) metrics.prunedAt = operation.clock().getTime()
}

/** The run of each minute. @throws as `runHousekeeping`. */
export async function sweepShortLived (
  operation: Operation<Ports>, metrics: Metrics = newMetrics(), signal: AbortSignal = new AbortController().signal
): Promise<void> {
  await runJobs(shortLived, operation, defaultRetention, metrics, signal)
}

async function runJobs (
  kinds: readonly string[], operation: Operation<Ports>, retention: Retention, metrics: Metrics, signal: AbortSignal
): Promise<void> {
  const failed: unknown[] = []
  for (const kind of kinds) {
    const { limit, remove } = jobs[kind]!
    try {
      const now = operation.clock()
      metrics.pruned.increment(kind, '', 0)
      await inBatches(limit, async most => {
        const removed = await remove(operation, retention, now, most)
        metrics.pruned.increment(kind, '', removed)
        return removed
      }, signal)
    } catch (error) {
      failed.push(error)
    }
  }
  if (failed.length > 0) {
    throw failed.length === 1
      ? failed[0]
      : new AggregateError(failed, `${failed.length} housekeeping jobs failed`)
  }
}
