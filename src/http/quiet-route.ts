/** Routes that programs call all the time, such as polls and health checks: logged at the level `debug` alone. */
import type { FastifyInstance, RouteShorthandOptions } from 'fastify'

/** The log level of such a route. At `info`, its requests are not logged, and its warnings and errors are. */
export function quiet ({ log }: Pick<FastifyInstance, 'log'>): Pick<RouteShorthandOptions, 'logLevel'> {
  return log.level === 'info' ? { logLevel: 'warn' } : {}
}
