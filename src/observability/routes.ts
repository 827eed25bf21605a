/** What balancers, orchestrators and Prometheus ask. No credential, no prefix, and never turned away (OC-14). */
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox'
import { Type } from '../http/typebox-lite.ts'
import { failures } from '../base/errors.ts'
import { challengeHeader, proofHeader } from '../config/server-file.ts'
import { proofOf } from '../secrets/authentication-code.ts'
import type { Exposition } from './prometheus.ts'
import type { Prober } from './readiness.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** A route about the server itself: over plain http too, while it is overloaded and while it shuts down. */
    operational?: boolean
  }
}

export interface OperationalOptions {
  prober: Prober
  /** What this process proves by that it wrote `server.json` (config/server-file.ts). */
  key: string
  /** Null: the numbers are not told here. */
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
      description: 'The names of what is not: `serving`, `database`, `disk_space`, `feed`, `migrations`, `signing_key`.'
    })
  })
})

export function operationalRoutes ({ prober, key, exposition }: OperationalOptions): FastifyPluginAsyncTypebox {
  return async app => {
    app.get('/healthz', {
      config,
      schema: {
        summary: 'Whether the process answers',
        description: 'Looks at nothing besides.',
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
      config,
      schema: {
        summary: 'Whether this server is to be sent requests',
        description: 'Names what is missing; `GET /api/v1/health` says more, to operators.',
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
          error: `The server is not ready to serve: ${notReady.join(', ')}.`, code: 'NOT_READY', details: { notReady }
        })
    })

    if (exposition === null) return
    app.get('/prom', {
      config,
      schema: {
        summary: 'Numbers in the text format of Prometheus',
        description: 'docs/operations.md lists them.',
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
