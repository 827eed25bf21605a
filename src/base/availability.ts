/**
 * Whether new requests are taken. Each edge asks before it reads anything, and presents the failure in its own words; what
 * operators and balancers ask (`/healthz`, `/readyz`, `/prom`) is answered always.
 */
import { Failure } from './errors.ts'

/** The failures that a door turns requests away with. */
export type Turning = 'shutting_down' | 'overloaded'

export interface Door {
  /** Null: come in. */
  turning: Turning | null
  /** The server is about to shut down: no balancer should send anybody any more. */
  leaving: boolean
  /** Until when it is tried again, by `performance.now()`, to write what waits in memory once the server closes; it is tried once in any case. */
  writeUntil: number
}

export function openDoor (): Door {
  return { turning: null, leaving: false, writeUntil: -Infinity }
}

/** @throws Failure `shutting_down` or `overloaded`. */
export function requireOpen ({ turning }: Door): void {
  if (turning !== null) throw new Failure(turning)
}
