/**
 * The authorization server alone on a port of this machine, with the parts that an application adds: request ids, and
 * helmet's headers.
 */
import Fastify, { type FastifyHttpOptions, type FastifyInstance, type RawServerDefault } from 'fastify'
import helmet from 'helmet'
import { randomUUID } from 'node:crypto'
import { protocol } from '../../src/protocol/index.ts'
import type { ProtocolOptions } from '../../src/protocol/shared/options.ts'

/** `port` 0: any. `headers` are set on every answer first. */
export interface Serving {
  port: number,
  headers?: Record<string, string>,
  fastify?: Pick<FastifyHttpOptions<RawServerDefault>, 'logger' | 'trustProxy'>
}

export async function serve (
  options: ProtocolOptions, { port, headers = {}, fastify = {} }: Serving
): Promise<FastifyInstance> {
  const app = Fastify({ genReqId: () => randomUUID(), ...fastify })
  app.addHook('onRequest', async (request, reply) => { reply.headers({ 'x-request-id': request.id, ...headers }) })
  const setSecurityHeaders = helmet()
  app.addHook('onRequest', (request, reply, done) => {
    setSecurityHeaders(request.raw, reply.raw, error => {
      done(error as Error | undefined)
    })
  })
  await app.register(protocol(options))
  await app.listen({ port, host: '127.0.0.1' })
  return app
}
