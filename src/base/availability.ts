/**
 * Whether new requests are taken. Each edge asks before it reads anything, and presents the failure in its own words;
 * what operators and balancers ask (`/healthz`, `/readyz`, `/prom`) is answered always.
 */
import { Failure } from './errors.ts'

/** The failures that a availability turns requests away with. */
export type Rejecting = 'shutting_down' | 'overloaded'

export interface Availability {
  /** Null: come in. */
  rejecting: Rejecting | null
  /** The server is about to shut down: no balancer should send anybody any more. */
  draining: boolean
  /**
   * Until when it is tried again, by `performance.now()`, to write what waits in memory once the server closes; it is
   * tried once in any case.
   */
  writeUntil: number
}

export function newAvailability (): Availability {
  return { rejecting: null, draining: false, writeUntil: -Infinity }
}

/** @throws Failure `shutting_down` or `overloaded`. */
export function requireAvailable ({ rejecting }: Availability): void {
  if (rejecting !== null) throw new Failure(rejecting)
}
