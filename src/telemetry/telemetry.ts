/** Telemetry and availability of one server, shared by all layers. */
import { newBackground, type Background } from './background.ts'
import { newAvailability, type Availability } from '../base/availability.ts'
import { newMetrics, type Metrics } from './metrics.ts'
import type { Tracing } from './tracing.ts'

export interface Telemetry {
  metrics: Metrics
  /** Null: tracing is off. */
  tracing: Tracing | null
  availability: Availability
  background: Background
}

/** New telemetry: empty metrics, and an availability that accepts requests. */
export function newTelemetry (tracing: Tracing | null = null): Telemetry {
  const metrics = newMetrics()
  return { metrics, tracing, availability: newAvailability(), background: newBackground(metrics) }
}
