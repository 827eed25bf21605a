/** How long a person's session lasts. */
import { secondsAfter } from '../../base/clock.ts'

/** Seconds after which a session ends. */
export interface SessionLifetimes {
  /** Without any use. */
  idle: number
  /** After the sign-in. */
  max: number
}

/** While a session is in use, its last use is written once in this many seconds. */
export const touchSeconds = 60

/** Whether a session has ended by time at `now`. */
export function isSessionOver (
  { expiresAt, lastUsedAt }: { expiresAt: Date, lastUsedAt: Date }, { idle }: Pick<SessionLifetimes, 'idle'>, now: Date
): boolean {
  return expiresAt <= now || secondsAfter(lastUsedAt, idle) <= now
}
