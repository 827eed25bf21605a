/** Usage as operators ask for it: by key and day, by organization and range. */
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

/** The most days that one question is about. */
export const greatestRange = 366

/** What a key did, by day; days on which it did nothing are left out. The range is this month unless it is given. */
export async function usageOfKey (
  operation: Operation<ApiKeyPort & UsagePort>, id: string, asked: Partial<DayRange> = {}
): Promise<{ key: ApiKey; range: DayRange; today: string; days: Omit<DayUsage, 'keyId'>[] } > {
  const now = operation.clock()
  const range = requireRange(asked, now)
  const key = await getApiKey(operation, id)
  return { key, range, today: dayOf(now), days: await operation.store.usage.ofKey(id, range) }
}

/**
 * What the keys of an organization did, its live and its test ones apart. The range is this month unless it is given.
 */
export async function usageOfOrganization (
  operation: Operation<OrganizationPort & UsagePort>, id: string, asked: Partial<DayRange> = {}
): Promise<DayRange & Record<Environment, { calls: number; credits: number } >> {
  const range = requireRange(asked, operation.clock())
  await getOrganization(operation, id)
  return { ...range, ...await operation.store.usage.ofOrganization(id, range) }
}

/**
 * @throws Failure `invalid_request` for what is no day, a range that ends before it begins or is longer than 366 days.
 */
export function requireRange ({ from, to }: Partial<DayRange>, now: Date): DayRange {
  const range = { from: from ?? dayOf(monthStart(to === undefined ? now : requireDay('to', to))), to: to ?? dayOf(now) }
  const days = (requireDay('to', range.to).getTime() - requireDay('from', range.from).getTime()) / 86400000 + 1
  if (days >= 1 && days <= greatestRange) return range
  throw new Failure('invalid_request', {
    message: `from and to are a range of 1 to ${greatestRange} days; this one has ${days}.`, details: { field: 'from' }
  })
}

export function requireDay (field: 'from' | 'to', text: string): Date {
  const instant = new Date(/^\d{4}-\d\d-\d\d$/.test(text) ? text : NaN)
  if (!Number.isNaN(instant.getTime()) && dayOf(instant) === text) return instant
  throw new Failure('invalid_request', { message: `${field} must be a day, as in 2027-01-31.`, details: { field } })
}
