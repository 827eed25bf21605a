/** Days and months, all in UTC: no zone's daylight saving moves the end of a quota. */

/** 'YYYY-MM-DD' */
export function dayOf (instant: Date): string {
  return instant.toISOString().slice(0, 10)
}

/** The day of an instant, and the milliseconds between which it lies: to be told without another look at a date. */
export function dayAround (instant: Date): { starts: number, ends: number, day: string } {
  const day = dayOf(instant)
  const starts = Date.parse(day)
  return { starts, ends: starts + 86_400_000, day }
}

/** 'YYYY-MM' */
export function monthOf (instant: Date): string {
  return instant.toISOString().slice(0, 7)
}

/** The first instant of the next day. */
export function dayEnd (instant: Date): Date {
  return new Date(Date.UTC(instant.getUTCFullYear(), instant.getUTCMonth(), instant.getUTCDate() + 1))
}

/** The first instant of the instant's month. */
export function monthStart (instant: Date): Date {
  return new Date(Date.UTC(instant.getUTCFullYear(), instant.getUTCMonth(), 1))
}

/** The first instant of the next month: monthly counts start anew. */
export function monthEnd (instant: Date): Date {
  return new Date(Date.UTC(instant.getUTCFullYear(), instant.getUTCMonth() + 1, 1))
}

/** Whole seconds from one instant to a later one, at least 1. */
export function secondsUntil (end: Date, now: Date): number {
  return Math.max(1, Math.ceil((end.getTime() - now.getTime()) / 1_000))
}
