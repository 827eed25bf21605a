/** Operations: readiness, metrics and their routes, and how commands on this machine find the server. */
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify'
import { version } from '../config/version.ts'
import { newSecret } from '../secrets/random.ts'
import type { Telemetry } from '../telemetry/telemetry.ts'
import { aggregate, type Aggregate } from './aggregate.ts'
import type { EventLoop } from './event-loop.ts'
import { announceLocally } from './local-announcement.ts'
import { isOwnCommand } from './own-command.ts'
import { exposition, type StorageSource } from './prometheus.ts'
import { prober, type Check, type Prober } from './readiness.ts'
import { operationalRoutes } from './routes.ts'

export interface OperationsOptions {
  telemetry: Telemetry
  eventLoop: EventLoop
  storage: StorageSource
  /** The checks of readiness, by name. */
  readiness: Readonly<Record<string, Check>>
  dataFolder: string
}

export interface Operations {
  prober: Prober
  aggregate (): Aggregate
  version: string
  /** `/healthz` and `/readyz`, and `/prom` if `withMetrics`. */
  routes (options: { withMetrics: boolean }): FastifyPluginAsync
  /** Lets commands on this machine find `app` while it listens. */
  announce (app: FastifyInstance): void
  /** Whether a command on this machine, which has found the server so, sends a request without leaving the machine. */
  isOwnCommand (request: FastifyRequest): boolean
}

export function operations (
  { telemetry: { metrics, availability }, eventLoop, storage, readiness, dataFolder }: OperationsOptions
): Operations {
  const sources = { metrics, eventLoop, storage, version }
  const probe = prober(readiness, availability)
  const expose = exposition(sources)
  const key = newSecret()
  return {
    prober: probe,
    aggregate: () => aggregate(sources),
    version,
    routes: ({ withMetrics }) => operationalRoutes({ prober: probe, key, exposition: withMetrics ? expose : null }),
    announce (app) { announceLocally(app, { dataFolder, key }) },
    isOwnCommand: request => isOwnCommand(request, key),
  }
}
