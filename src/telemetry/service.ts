/** Services: the parts of a server that start and stop with it, and their order. */

/** A background job, a buffer of pending writes or a connection. */
export interface Service {
  /** Begins the work. Left out: the work begins with the first use. */
  start? (): Promise<void> | void
  /**
   * Finishes what is under way and releases what the service holds, also if it was never started. Pending writes that
   * fail are retried until the instant `until`, by `performance.now()`; each is tried once in any case.
   */
  stop (until: number): Promise<void>
}

/**
 * One service made of several: starts them in order and stops them in reverse. When one does not start, all are
 * stopped, and `start` rejects with its error.
 */
export function inOrder (services: readonly Service[]): Required<Service> {
  const stop = async (until: number) => {
    for (const service of services.toReversed()) await service.stop(until)
  }
  return {
    async start () {
      try {
        for (const service of services) await service.start?.()
      } catch (error) {
        await stop(-Infinity)
        throw error
      }
    },
    stop,
  }
}

/** One service made of several: starts and stops them at the same time, so that they share the time until `until`. */
export function together (services: readonly Service[]): Required<Service> {
  return {
    async start () { await Promise.all(services.map(async service => { await service.start?.() })) },
    async stop (until) { await Promise.all(services.map(async service => { await service.stop(until) })) },
  }
}
