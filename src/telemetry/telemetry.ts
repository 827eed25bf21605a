/** What the floors of one server share beside their work: its numbers, its spans, its door, and where failures go that no request waits for. */
import { newBackground, type Background } from './background.ts'
import { openDoor, type Door } from '../base/availability.ts'
import { newMeasures, type Measures } from './metrics.ts'
import type { Tracing } from './tracing.ts'

export interface Watch {
  measures: Measures
  /** Null: this server is not traced. */
  tracing: Tracing | null
  door: Door
  background: Background
}

/** A watch that nobody looks at, unless its parts are given away. */
export function newWatch (tracing: Tracing | null = null): Watch {
  const measures = newMeasures()
  return { measures, tracing, door: openDoor(), background: newBackground(measures) }
}
