/**
 * The same three routes behind the installed guard, in every framework that it has an adapter for: strict TypeScript,
 * as a user writes it. Prints a line of JSON with the port of each, and ends with SIGTERM.
 */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { getRequestListener, type HttpBindings } from '@hono/node-server'
import { getConnInfo } from '@hono/node-server/conninfo'
import express from 'express'
import express4 from 'express4'
import Fastify from 'fastify'
import { Hono } from 'hono'
import { openGuard, type Principal, type RouteNeeds } from '@latchkey/guard'
import { expressGuard } from '@latchkey/guard/express'
import { fastifyGuard } from '@latchkey/guard/fastify'
import { fetchGuard, honoGuard, nextGuard } from '@latchkey/guard/fetch'
import { httpGuard } from '@latchkey/guard/http'

const guard = await openGuard({
  server: process.env.LATCHKEY_URL,
  clientId: process.env.LATCHKEY_CLIENT_ID,
  clientSecret: process.env.LATCHKEY_CLIENT_SECRET,
  resource: process.env.LATCHKEY_RESOURCE ?? ''
})
const invoices: RouteNeeds = { scopes: ['invoices:read'] }
const ofOrganization: RouteNeeds = { scopes: ['invoices:read'], organization: 'org' }
const ledger: RouteNeeds = { scopes: [], object: { type: 'ledger', param: 'ledger' } }

const ofLedger = { 'cache-control': 'max-age=5', vary: 'origin' }

/** What a handler of each framework makes of its principal. */
function told ({ kind, id, organizationId, scopes }: Principal) {
  return { kind, id, organizationId, scopes }
}

const fastify = Fastify()
await fastify.register(async api => {
  await api.register(fastifyGuard(guard))
  api.get('/invoices', { config: { scopes: ['invoices:read'] } }, async request => told(request.principal))
  api.get('/organizations/:org/invoices', { config: { scopes: ['invoices:read'], organization: 'org' } },
    async request => told(request.principal))
  api.get('/ledgers/:ledger', { config: { scopes: [], object: { type: 'ledger', param: 'ledger' } } },
    async (request, reply) => {
      reply.headers({ 'cache-control': 'max-age=5', vary: 'origin' })
      return told(request.principal)
    })
})
await fastify.ready()

function expressApp (app: express.Express) {
  app.get('/invoices', expressGuard(guard, invoices), (request, response) => {
    response.json(told(request.principal!))
  })
  app.get('/organizations/:org/invoices', expressGuard(guard, ofOrganization), (request, response) => {
    response.json(told(request.principal!))
  })
  app.get('/ledgers/:ledger', expressGuard(guard, ledger), (request, response) => {
    response.set({ 'cache-control': 'max-age=5', vary: 'origin' }).json(told(request.principal!))
  })
  app.get('/answered', (_, response, next) => {
    response.end('answered')
    next()
  }, expressGuard(guard, invoices))
  return createServer(app)
}

function express4App () {
  const app = express4()
  const routes = express4.Router()
  routes.get('/invoices', expressGuard(guard, invoices), (request, response) => {
    response.json(told(request.principal!))
  })
  routes.get('/organizations/:org/invoices', expressGuard(guard, ofOrganization), (request, response) => {
    response.json(told(request.principal!))
  })
  routes.get('/ledgers/:ledger', expressGuard(guard, ledger), (request, response) => {
    response.set({ 'cache-control': 'max-age=5', vary: 'origin' }).json(told(request.principal!))
  })
  app.use(routes)
  app.get('/answered', (_, response, next) => {
    response.end('answered')
    next()
  }, expressGuard(guard, invoices))
  return createServer(app)
}

function honoApp () {
  const app = new Hono<{ Bindings: HttpBindings, Variables: { principal: Principal } }>()
  const arrival = (c: Parameters<typeof getConnInfo>[0]) => {
    const { address } = getConnInfo(c).remote
    return address === undefined ? {} : { address }
  }
  app.get('/invoices', honoGuard(guard, invoices, arrival), c => c.json(told(c.get('principal'))))
  app.get('/organizations/:org/invoices', honoGuard(guard, ofOrganization, arrival),
    c => c.json(told(c.get('principal'))))
  app.get('/ledgers/:ledger', honoGuard(guard, ledger, arrival),
    c => Response.json(told(c.get('principal')), { headers: { 'cache-control': 'max-age=5', vary: 'origin' } }))
  return createServer(getRequestListener(app.fetch as Parameters<typeof getRequestListener>[0]))
}

/** Route handlers as Next.js calls them: a Request, and the parameters of the path as a promise. */
const handlers = [
  {
    path: /^\/invoices$/,
    GET: nextGuard(() => guard, invoices, async (_, principal) => Response.json(told(principal)), arrival)
  },
  {
    path: /^\/organizations\/(?<org>[^/]+)\/invoices$/,
    GET: nextGuard(() => guard, ofOrganization, async (_, principal) => Response.json(told(principal)), arrival)
  },
  {
    path: /^\/ledgers\/(?<ledger>[^/]+)$/,
    GET: nextGuard(() => guard, ledger, async (_, principal, context: { params: Promise<{ ledger: string }> }) => {
      const { ledger } = await context.params
      return Response.json({ ...told(principal), ledger }, { headers: ofLedger })
    }, arrival)
  }
]

function arrival (request: Request) {
  return { address: request.headers.get('x-real-ip') ?? '127.0.0.1' }
}

const next = createServer(getRequestListener(async request => {
  const { pathname } = new URL(request.url)
  for (const { path, GET } of handlers) {
    const match = path.exec(pathname)
    if (match !== null) return await GET(request, { params: Promise.resolve({ ledger: '', ...match.groups }) })
  }
  return new Response(null, { status: 404 })
}))

const plain = {
  invoices: fetchGuard(guard, invoices), org: fetchGuard(guard, ofOrganization), ledger: fetchGuard(guard, ledger)
}
const fetched = createServer(getRequestListener(async request => {
  const [, first, second] = new URL(request.url).pathname.split('/')
  const address = '127.0.0.1'
  const passage = first === 'invoices'
    ? await plain.invoices(request, { address })
    : first === 'ledgers'
      ? await plain.ledger(request, { address, params: { ledger: second } })
      : await plain.org(request, { address, params: { org: second } })
  if ('response' in passage) return passage.response
  const headers: Record<string, string> = first === 'ledgers' ? { 'cache-control': 'max-age=5', vary: 'origin' } : {}
  return passage.complete(Response.json(told(passage.principal), { headers }))
}))

const bare = {
  invoices: httpGuard(guard, invoices), org: httpGuard(guard, ofOrganization), ledger: httpGuard(guard, ledger)
}
const http = createServer(async (request, response) => {
  const [, first, second = ''] = (request.url ?? '').split('/')
  const principal = first === 'invoices'
    ? await bare.invoices(request, response)
    : first === 'ledgers'
      ? await bare.ledger(request, response, { ledger: second })
      : await bare.org(request, response, { org: second })
  if (principal === null) return
  if (first === 'ledgers') response.writeHead(200, { 'Cache-Control': 'max-age=5', Vary: 'origin' })
  response.end(JSON.stringify(told(principal)))
})

const servers = {
  fastify: fastify.server,
  'express 5': expressApp(express()),
  'express 4': express4App(),
  hono: honoApp(),
  next,
  fetch: fetched,
  http
}
const ports: Record<string, number> = {}
for (const [name, server] of Object.entries(servers)) {
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  ports[name] = (server.address() as AddressInfo).port
}
console.log(JSON.stringify(ports))
process.once('SIGTERM', async () => {
  await guard.stop()
  process.exit(0)
})
