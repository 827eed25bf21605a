/** Reports of calls that a guard admitted from memory: applied once, and only for what it asked about. */
import { Failure } from '../../base/errors.ts'
import { consumerOf } from '../../domain/authorizations/authorization.ts'
import type { Registry } from '../../domain/access/registry.ts'
import { dayOf } from '../../domain/core/calendar.ts'
import type { LastUsedRecorder } from '../../domain/metering/last-used.ts'
import type { Meter } from '../../domain/metering/meter.ts'
import type { Consumer } from '../../domain/tenancy/limits.ts'
import type { GuardSession } from './guard-session.ts'

/** `key`: the id of a key, or of an authorization. */
export interface ReportedCalls { key: string, calls: number, day: string }

/** `sequence`: 1 for the first report of a session, then one more for each. */
export interface UsageReport { sequence: number, entries: readonly ReportedCalls[] }

export interface ReportOptions {
  registry: Pick<Registry, 'apiKeyById' | 'authorization' | 'organization'>
  meter: Pick<Meter, 'countElsewhere' | 'follow'>
  keyUsage: Pick<LastUsedRecorder, 'touch'>
  authorizationUsage: Pick<LastUsedRecorder, 'touch'>
}

/**
 * Counts what a guard reports; a report that was applied already counts for nothing. @throws Failure `conflict` for a
 * report out of turn, `invalid_request` for a day that is neither today nor yesterday: then nothing of the report is
 * counted. What the session did not ask about, or is not there any more, is left out.
 */
export async function applyReport (
  options: ReportOptions, session: GuardSession, { sequence, entries }: UsageReport, now: Date
): Promise<void> {
  // A report that is sent again while the first is read waits for it.
  if (sequence === session.reported) return await session.reporting
  if (sequence !== session.reported + 1) {
    throw new Failure('conflict', { message: `The next report of this session is number ${session.reported + 1}.` })
  }
  session.reported = sequence
  session.reporting = count(options, session, entries, now)
  try {
    await session.reporting
  } catch (error) {
    session.reported = sequence - 1
    throw error
  }
}

async function count (
  { registry, meter, keyUsage, authorizationUsage }: ReportOptions, session: GuardSession,
  entries: readonly ReportedCalls[], now: Date
): Promise<void> {
  const counted = await Promise.all(entries.map(each => readReported(registry, session, each, now)))
  for (const { consumer, organization, calls, day } of counted.filter(each => each !== null)) {
    meter.countElsewhere({ consumer, organization, calls, day, now, by: session.counts })
    const lastUsed = isAuthorization(consumer.id) ? authorizationUsage : keyUsage
    lastUsed.touch(consumer.id, now)
  }
}

async function readReported (
  registry: ReportOptions['registry'], session: GuardSession, { key: id, calls, day }: ReportedCalls, now: Date
) {
  if (day !== dayOf(now) && day !== dayOf(new Date(now.getTime() - 86_400_000))) {
    throw new Failure('invalid_request', {
      message: `Calls are reported for today and yesterday, UTC, not for ${day}.`
    })
  }
  const consumer = isAuthorization(id)
    ? await reportedAuthorization(registry, session, id)
    : await reportedKey(registry, session, id)
  // It was removed since, perhaps: the calls of the others count all the same.
  if (consumer === null) return null
  const organization = await registry.organization(consumer.organizationId)
  if (organization === null) throw new Failure('internal', { detail: `no organization of ${id}` })
  return { consumer, organization, calls, day }
}

function isAuthorization (id: string): boolean {
  return id.startsWith('aut_')
}

/** Null: the session was handed no entry of it. */
async function reportedKey (
  registry: ReportOptions['registry'], session: GuardSession, id: string
): Promise<Consumer | null> {
  const key = await registry.apiKeyById(id)
  return key !== null && key.resourceId === session.resourceId && session.holds(session.keySubject(key.digest))
    ? key
    : null
}

/** As `reportedKey`. */
async function reportedAuthorization (
  registry: ReportOptions['registry'], session: GuardSession, id: string
): Promise<Consumer | null> {
  const authorization = await registry.authorization(id)
  return authorization !== null && authorization.resourceId === session.resourceId &&
    session.holds(`authorization:${id}`)
    ? consumerOf(authorization)
    : null
}
