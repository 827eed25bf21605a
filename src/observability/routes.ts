/** Operational routes, for load balancers, orchestrators and Prometheus: no credential, and never rejected (OC-14). */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { quiet } from '../http/quiet-route.ts'
import { Type } from '../http/typebox-lite.ts'
import { failures } from '../base/errors.ts'
import { challengeHeader, proofHeader } from '../config/server-file.ts'
import { proofOf } from '../secrets/authentication-code.ts'
import type { Exposition } from './prometheus.ts'
import type { Prober } from './readiness.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route about the server itself: answered over plain HTTP, under overload and during shutdown too. */
    operational?: boolean
  }
}

export interface OperationalOptions {
  prober: Prober
  /** Proves that this process wrote `server.json` (config/server-file.ts). */
  key: string
  /** Null: metrics are not served here. */
  exposition: (() => Promise<Exposition>) | null
}

const config = { operational: true }
const longestChallenge = 128
const noStore = { 'cache-control': 'no-store' }

const Alive = Type.Object({ status: Type.Literal('alive') })
const Ready = Type.Object({ status: Type.Literal('ready') })
const NotReady = Type.Object({
  error: Type.String(),
  code: Type.Literal('NOT_READY'),
  details: Type.Object({
    notReady: Type.Array(Type.String(), {
      description: 'Failed checks: `serving`, `database`, `disk_space`, `feed`, `migrations`, `signing_key`.'
    })
  })
})

export function operationalRoutes ({ prober, key, exposition }: OperationalOptions): FastifyPluginAsyncTypebox {
  return async app => {
    app.get('/healthz', {
      ...quiet(app),
      config,
      schema: {
        summary: 'Whether the process answers',
        description: 'Checks nothing else.',
        tags: ['operation'],
        response: { 200: Alive },
      },
    }, async ({ headers: { [challengeHeader]: challenge } }, reply) => {
      if (typeof challenge === 'string' && challenge.length <= longestChallenge) {
        reply.header(proofHeader, proofOf(key, challenge))
      }
      return await reply.headers(noStore).send({ status: 'alive' })
    })

    app.get('/readyz', {
      ...quiet(app),
      config,
      schema: {
        summary: 'Whether this server should receive requests',
        description: 'Names the checks that failed; `GET /api/v1/health` has details for operators.',
        tags: ['operation'],
        response: { 200: Ready, 503: NotReady },
      },
    }, async (request, reply) => {
      const { ready, checks } = await prober.probe()
      if (ready) return await reply.headers(noStore).send({ status: 'ready' })
      const notReady = Object.entries(checks).filter(([, { ok }]) => !ok).map(([name]) => name)
      request.log.warn({ checks }, failures.not_ready.message)
      return await reply.code(503).headers({ ...noStore, 'retry-after': '1' })
        .send({
          error: `The server is not ready: ${notReady.join(', ')}.`, code: 'NOT_READY', details: { notReady }
        })
    })

    if (exposition === null) return
    app.get('/prom', {
      ...quiet(app),
      config,
      schema: {
        summary: 'Metrics in the text format of Prometheus',
        description: 'docs/operations.md lists the metrics.',
        tags: ['operation'],
        response: {
          200: { description: 'The text format of Prometheus.', content: { 'text/plain': { schema: Type.String() } } }
        }
      }
    }, async (_request, reply) => {
      const { contentType, text } = await exposition()
      return await reply.headers({ ...noStore, 'content-type': contentType }).send(text)
    })
  }
}
