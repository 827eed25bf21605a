/** The source of the current time. Rules that depend on time take a clock, which tests move instead of waiting. */
export type Clock = () => Date

/** The machine's own clock. */
export const systemClock: Clock = () => new Date()

/** Whole seconds since the epoch: the unit of every time in a JWT (RFC 7519 §2, NumericDate). */
export function epochSeconds (instant: Date): number {
  return Math.floor(instant.getTime() / 1000)
}

/** The instant `seconds` after `instant`; negative seconds go back. */
export function secondsAfter (instant: Date, seconds: number): Date {
  return new Date(instant.getTime() + seconds * 1000)
}
