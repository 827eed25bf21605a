/** Every route of Latchkey, as Fastify registers them, so that no test misses a new one. */
import Fastify from 'fastify'
import type { Latchkey } from '../../src/app.ts'
import { serverOptions } from '../../src/server/http-server.ts'

export interface Route { method: string, url: string }

export async function routesOf (latchkey: Latchkey): Promise<Route[]> {
  const app = Fastify(serverOptions({ logLevel: 'silent', trustProxy: [] }))
  const routes: Route[] = []
  app.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) routes.push({ method: each, url })
  })
  await app.register(latchkey.routes)
  await app.close()
  return routes
}
