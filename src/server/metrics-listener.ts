/** The metrics listener: operational routes on an address of their own (LATCHKEY_METRICS). */
import Fastify, { type FastifyInstance } from 'fastify'
import type { Latchkey } from '../app.ts'
import { ConfigurationError } from '../base/errors.ts'
import type { Service } from '../telemetry/service.ts'
import { reportBrokenListener } from '../observability/request-gate.ts'
import { presentError } from '../management/conventions/presenter.ts'
import { refuseUnknownPaths, unknownPaths } from '../management/conventions/unknown-path.ts'
import { paths } from '../protocol/shared/paths.ts'
import { serverOptions } from './http-server.ts'

export interface MetricsListener extends Service {
  /** Listens, if LATCHKEY_METRICS names an address. @throws ConfigurationError if it cannot listen there. */
  start (): Promise<void>
  stop (): Promise<void>
}

export function metricsListener (latchkey: Latchkey): MetricsListener {
  const { config } = latchkey
  let app: FastifyInstance | null = null
  return {
    async start () {
      if (typeof config.metrics === 'string') return
      const { host, port } = config.metrics
      app = await routesOf(latchkey)
      try {
        await app.listen({ host, port })
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException
        throw new ConfigurationError([
          `LATCHKEY_METRICS: cannot listen on ${host}:${port} (${code}); choose another address or port`
        ])
      }
    },
    async stop () { await app?.close() },
  }
}

async function routesOf ({ config, telemetry, operationalRoutes }: Latchkey): Promise<FastifyInstance> {
  const app = Fastify(serverOptions({ ...config, logLevel: 'silent' }))
  app.setErrorHandler(presentError)
  // It knows the routes of this listener alone: the others do not exist here, for any method.
  const unknown = unknownPaths(config.issuer + paths.token)
  unknown.learn(app)
  refuseUnknownPaths(app, unknown.answer)
  reportBrokenListener(app, telemetry.background)
  await app.register(operationalRoutes)
  return app
}
