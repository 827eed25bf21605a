/**
 * What the floors of one server share beside their work: its numbers, its spans, its availability, and where failures
 * go that no request waits for.
 */
import { newBackground, type Background } from './background.ts'
import { newAvailability, type Availability } from '../base/availability.ts'
import { newMetrics, type Metrics } from './metrics.ts'
import type { Tracing } from './tracing.ts'

export interface Telemetry {
  metrics: Metrics
  /** Null: this server is not traced. */
  tracing: Tracing | null
  availability: Availability
  background: Background
}

/** A telemetry that nobody looks at, unless its parts are given away. */
export function newTelemetry (tracing: Tracing | null = null): Telemetry {
  const metrics = newMetrics()
  return { metrics, tracing, availability: newAvailability(), background: newBackground(metrics) }
}
