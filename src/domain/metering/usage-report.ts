/** Usage reports: by key and day, by organization and range. */
import { Failure } from '../../base/errors.ts'
import type { Environment } from '../../secrets/credential-text.ts'
import { dayOf, monthStart } from '../core/calendar.ts'
import type { Operation } from '../core/operation.ts'
import { type ApiKey, getApiKey } from '../credentials/api-key.ts'
import { getOrganization } from '../tenancy/organization.ts'
import type { DayRange, DayUsage } from './key-usage-meter.ts'
import type { UsagePort } from './key-usage-meter.ts'
import type { ApiKeyPort } from '../credentials/api-key.ts'
import type { OrganizationPort } from '../tenancy/organization.ts'

/** The longest range of a report, in days. */
export const greatestRange = 366

/** The usage of a key by day, without empty days. Absent range: this month. */
export async function usageOfKey (
  operation: Operation<ApiKeyPort & UsagePort>, id: string, asked: Partial<DayRange> = {}
): Promise<{ key: ApiKey; range: DayRange; today: string; days: Omit<DayUsage, 'keyId'>[] } > {
  const now = operation.clock()
  const range = requireRange(asked, now)
  const key = await getApiKey(operation, id)
  return { key, range, today: dayOf(now), days: await operation.store.usage.ofKey(id, range) }
}

/** The usage of an organization's keys, live and test apart. Absent range: this month. */
export async function usageOfOrganization (
  operation: Operation<OrganizationPort & UsagePort>, id: string, asked: Partial<DayRange> = {}
): Promise<DayRange & Record<Environment, { calls: number; credits: number } >> {
  const range = requireRange(asked, operation.clock())
  await getOrganization(operation, id)
  return { ...range, ...await operation.store.usage.ofOrganization(id, range) }
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
