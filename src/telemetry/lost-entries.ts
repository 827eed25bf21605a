/** Loss at shutdown: what was counted in memory and could not be written is logged and counted by job. */
import type { Service } from './service.ts'
import type { Job } from './background.ts'
import type { Telemetry } from './telemetry.ts'

/** A service with pending writes. `stop` returns how many entries could not be written and are lost. */
export interface PendingWriter {
  start? (): void
  stop (until: number): Promise<number>
}

/** `writer` as a service. Any loss makes a server exit with 1 (server/shutdown.ts). */
export function countingLoss ({ metrics, background }: Telemetry, job: Job, writer: PendingWriter): Service {
  return {
    start: () => { writer.start?.() },
    async stop (until) {
      const lost = await writer.stop(until)
      if (lost === 0) return
      metrics.lost.increment(job, '', lost)
      background.log.error(
        { job, lost }, 'the database did not accept the last writes: what was counted in memory is lost'
      )
    },
  }
}
