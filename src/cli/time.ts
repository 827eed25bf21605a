/** Durations, instants and expiries on the command line. */
import { InvalidArgumentError } from 'commander'
import { secondsAfter, systemClock, type Clock } from '../base/clock.ts'

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }
const longestSeconds = 3650 * 86_400

/** `90s`, `30m`, `24h`, `90d`, `4w` or `0` in seconds. @throws InvalidArgumentError. */
export function readDuration (text: string): number {
  const match = /^(\d{1,9})([smhdw])$/.exec(text)
  const seconds = text === '0' ? 0 : match === null ? NaN : Number(match[1]) * secondsOf[match[2]!]!
  if (seconds <= longestSeconds) return seconds
  throw new InvalidArgumentError('Write a number with s, m, h, d or w, up to ten years: 24h, 90d.')
}

/** An expiry from the command line. Wrapped, because commander treats null as absent. */
export interface Expiry { at: string | null }

/** An instant as duration, day (its start in UTC) or time; null for `never`. @throws InvalidArgumentError. */
export function readExpiry (text: string, clock: Clock = systemClock): Expiry {
  return { at: text === 'never' ? null : readFuture(text, clock) }
}

function readFuture (text: string, clock: Clock): string {
  if (/^\d{4}-/.test(text)) return readInstant(text)
  try {
    return secondsAfter(clock(), readDuration(text)).toISOString()
  } catch {
    throw new InvalidArgumentError(
      'Write a duration (90d, 12h), a day (2027-01-31), a time (2027-01-31T12:00:00Z) or never.'
    )
  }
}

/** A day (its start in UTC) or a time with a zone. @throws InvalidArgumentError. */
export function readMoment (text: string): string {
  return readInstant(text)
}

const timeWithZone = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/

function readInstant (text: string): string {
  const whole = /^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text
  const day = timeWithZone.exec(whole)?.[1]
  const instant = new Date(whole)
  if (day !== undefined && isCalendarDay(day) && !Number.isNaN(instant.getTime())) return instant.toISOString()
  throw new InvalidArgumentError('Write a day, 2027-01-31, or a time with a zone, 2027-01-31T12:00:00Z.')
}

/** Whether the day exists: Date would read 31 February as 3 March. */
function isCalendarDay (day: string): boolean {
  const midnight = new Date(`${day}T00:00:00Z`)
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(day)
}
