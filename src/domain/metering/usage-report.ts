/** Usage reports: by consumer and day, by organization and range. */
import { Failure } from '../../base/errors.ts'
import type { Environment } from '../../secrets/credential-text.ts'
import { dayOf, monthStart } from '../core/calendar.ts'
import type { Operation } from '../core/operation.ts'
import type { Authorization, AuthorizationPort } from '../authorizations/authorization.ts'
import { getAuthorization } from '../authorizations/end.ts'
import { type ApiKey, getApiKey } from '../credentials/api-key.ts'
import { getClient, type Client, type ClientPort } from '../credentials/client.ts'
import { getOrganization } from '../tenancy/organization.ts'
import type { DayTokens, TokenUsagePort } from '../tokens/issuance-meter.ts'
import type { DayRange, DayUsage, UsageOfKey, UsagePort } from './usage-meter.ts'
import type { ApiKeyPort } from '../credentials/api-key.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'

/** The longest range of a report, in days. */
export const greatestRange = 366

/** Usage by day, without empty days, of what has `id`. `callsToday`: 0 where today is not in the range. */
export interface UsageReport extends DayRange {
  calls: number
  credits: number
  callsToday: number
  days: Omit<DayUsage, 'consumerId'>[]
}

/** The usage of a key by day. Absent range: this month. @throws Failure as `getApiKey` and `requireRange`. */
export async function usageOfKey (
  operation: Operation<ApiKeyPort & UsagePort>, id: string, asked: Partial<DayRange> = {}
): Promise<{ key: ApiKey, usage: UsageReport }> {
  const range = requireRange(asked, operation.clock())
  return { key: await getApiKey(operation, id), usage: await usageOf(operation, id, range) }
}

/** Keys of one report, at most. */
export const greatestKeys = 100

/** The usage of each of these keys. Keys that the actor may not see are left out, like unknown ones. */
export async function usageOfKeys (
  { store, clock, actor }: Operation<UsagePort>, ids: readonly string[], asked: Partial<DayRange> = {}
): Promise<{ key: UsageOfKey['key'], usage: UsageReport }[]> {
  const [range, today] = [requireRange(asked, clock()), dayOf(clock())]
  const found = await store.usage.ofKeys(ids, actor.organizationId, range)
  return found.map(({ key, days }) => ({ key, usage: reportOf(days, range, today) }))
}

/** As `usageOfKey`, of what a member has allowed. @throws Failure as `getAuthorization` and `requireRange`. */
export async function usageOfAuthorization (
  operation: Operation<AuthorizationPort & UsagePort>, id: string, asked: Partial<DayRange> = {},
  memberId: string | null = null
): Promise<{ authorization: Authorization, usage: UsageReport }> {
  const range = requireRange(asked, operation.clock())
  const authorization = await getAuthorization(operation, id, memberId)
  return { authorization, usage: await usageOf(operation, id, range) }
}

/** The tokens that a client got for itself, by day. @throws Failure as `getClient` and `requireRange`. */
export async function tokensOfClient (
  operation: Operation<ClientPort & TokenUsagePort>, id: string, asked: Partial<DayRange> = {}
): Promise<{ client: Client, range: DayRange, days: DayTokens[] }> {
  const range = requireRange(asked, operation.clock())
  const client = await getClient(operation, id)
  return { client, range, days: await operation.store.tokenUsage.byDay(client.id, range) }
}

async function usageOf ({ store, clock }: Operation<UsagePort>, id: string, range: DayRange): Promise<UsageReport> {
  return reportOf(await store.usage.of(id, range), range, dayOf(clock()))
}

function reportOf (days: UsageReport['days'], range: DayRange, today: string): UsageReport {
  return {
    ...range,
    ...sumOf(days),
    callsToday: days.find(({ day }) => day === today)?.calls ?? 0,
    days
  }
}

function sumOf (days: UsageReport['days']): { calls: number, credits: number } {
  return {
    calls: days.reduce((sum, { calls }) => sum + calls, 0),
    credits: days.reduce((sum, { credits }) => sum + credits, 0),
  }
}

/** The usage of an organization's consumers by day, live and test apart. Absent range: this month. */
export async function usageOfOrganization (
  operation: Operation<OrganizationPort & UsagePort>, id: string, asked: Partial<DayRange> = {}
): Promise<DayRange & Record<Environment, Pick<UsageReport, 'calls' | 'credits' | 'days'>>> {
  const range = requireRange(asked, operation.clock())
  await getOrganization(operation, id)
  const { live, test } = await operation.store.usage.ofOrganization(id, range)
  return { ...range, live: { ...sumOf(live), days: live }, test: { ...sumOf(test), days: test } }
}

/** @throws Failure `invalid_request` for a range that ends before it begins or exceeds 366 days. */
export function requireRange ({ from, to }: Partial<DayRange>, now: Date): DayRange {
  const range = { from: from ?? dayOf(monthStart(to === undefined ? now : new Date(to))), to: to ?? dayOf(now) }
  const days = (new Date(range.to).getTime() - new Date(range.from).getTime()) / 86400000 + 1
  if (days >= 1 && days <= greatestRange) return range
  throw new Failure('invalid_request', {
    message: `from and to must span 1 to ${greatestRange} days, not ${days}.`, details: { field: 'from' }
  })
}
