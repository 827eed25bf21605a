/** Windows of time: between two instants, on days of the week, at hours of the day, in UTC or another zone. */

export const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const
export type Day = typeof days[number]

/** Every present condition must hold; an absent one always holds. */
export interface TimeWindow {
  /** RFC 3339; inclusive. */
  from?: string
  /** RFC 3339; exclusive. */
  until?: string
  days?: readonly Day[]
  /**
   * `HH:MM`, `from` inclusive, `until` exclusive, up to 24:00. An earlier `until` is on the next day; `days` then names
   * the day of `from`.
   */
  hours?: { from: string, until: string }
  /** The IANA zone of days and hours; UTC unless given. */
  zone?: string
}

/** A compiled window, for frequent checks. */
export interface CompiledWindow {
  contains (now: Date): boolean
  /** Whether it is over for good at `now`. */
  isOver (now: Date): boolean
}

const hourPattern = /^([01]\d|2[0-3]):[0-5]\d$/
const instantPattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/

/** What is wrong with a window, for people; null: nothing. */
export function problemOfWindow ({ from, until, days: named, hours, zone }: TimeWindow): string | null {
  for (const instant of [from, until]) {
    if (instant !== undefined && !isInstant(instant)) {
      return `${JSON.stringify(instant.slice(0, 64))} is not an RFC 3339 instant; write 2027-01-31T00:00:00Z`
    }
  }
  if (from !== undefined && until !== undefined && Date.parse(from) >= Date.parse(until)) {
    return 'from is not before until'
  }
  if (named?.length === 0) return 'days is empty; name a day, or leave it out'
  const unknown = named?.find(day => !days.includes(day))
  if (unknown !== undefined) {
    return `${JSON.stringify(String(unknown).slice(0, 64))} is not a day; write ${days.join(', ')}`
  }
  if (hours !== undefined) {
    if (!hourPattern.test(hours.from) || !(hourPattern.test(hours.until) || hours.until === '24:00')) {
      return 'hours are written HH:MM, for example 09:00 to 17:30, up to 24:00'
    }
    if (hours.from === hours.until) return 'hours begin and end at the same minute; leave them out for the whole day'
  }
  if (zone !== undefined && localTime(zone) === null) {
    return `${JSON.stringify(zone.slice(0, 64))} is not a time zone; write, for example, Europe/Berlin`
  }
  return [from, until, named, hours].every(part => part === undefined) ? 'the window names no time' : null
}

/** @throws when `problemOfWindow` finds one. */
export function compileWindow (window: TimeWindow): CompiledWindow {
  const problem = problemOfWindow(window)
  if (problem !== null) throw new Error(problem)
  const from = window.from === undefined ? -Infinity : Date.parse(window.from)
  const until = window.until === undefined ? Infinity : Date.parse(window.until)
  const recurs = recurring(window)
  return {
    contains: now => now.getTime() >= from && now.getTime() < until && (recurs === null || recurs(now)),
    isOver: now => now.getTime() >= until,
  }
}

/** Where in its week an instant falls. */
interface Local { day: number, minute: number }

function recurring ({ days: named, hours, zone }: TimeWindow): ((now: Date) => boolean) | null {
  if (named === undefined && hours === undefined) return null
  const local = localTime(zone ?? 'UTC')!
  const on = new Set((named ?? days).map(day => days.indexOf(day)))
  const first = hours === undefined ? 0 : minuteOf(hours.from)
  const end = hours === undefined ? 1_440 : minuteOf(hours.until)
  return now => {
    const { day, minute } = local(now)
    if (first < end) return on.has(day) && minute >= first && minute < end
    return (on.has(day) && minute >= first) || (on.has((day + 6) % 7) && minute < end)
  }
}

function minuteOf (text: string): number {
  return Number(text.slice(0, 2)) * 60 + Number(text.slice(3))
}

function isInstant (text: string): boolean {
  return instantPattern.test(text) && !Number.isNaN(Date.parse(text))
}

/** Reads the clock on a wall of `zone`; null: there is no such zone. */
function localTime (zone: string): ((now: Date) => Local) | null {
  if (zone === 'UTC') {
    return now => ({ day: (now.getUTCDay() + 6) % 7, minute: now.getUTCHours() * 60 + now.getUTCMinutes() })
  }
  let format: Intl.DateTimeFormat
  try {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone, weekday: 'short', hour: '2-digit', minute: '2-digit', hourCycle: 'h23'
    })
  } catch {
    return null
  }
  let known: { epochMinute: number, local: Local } | null = null
  return now => {
    // Zones differ from UTC by whole minutes, so what was found for a minute is good for all of it.
    const epochMinute = Math.floor(now.getTime() / 60_000)
    if (known?.epochMinute !== epochMinute) known = { epochMinute, local: readParts(format.formatToParts(now)) }
    return known.local
  }
}

function readParts (parts: readonly Intl.DateTimeFormatPart[]): Local {
  const part = (type: string) => parts.find(each => each.type === type)!.value
  return {
    day: days.indexOf(part('weekday').toLowerCase() as Day), minute: Number(part('hour')) * 60 + Number(part('minute'))
  }
}
