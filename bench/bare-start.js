// The comparison for the start: a bare Fastify that loads the packages that Latchkey on SQLite has loaded by its first
// token, listens, and answers.
import { enableCompileCache } from 'node:module'

enableCompileCache(process.argv[3])
await Promise.all([
  '@fastify/ajv-compiler',
  'helmet',
  '@prisma/client/runtime/client',
  '@prisma/driver-adapter-utils',
  'better-sqlite3',
  'commander',
  'fastify-plugin',
  'jose',
  'lru-cache',
  'oidc-provider'
].map(name => import(name)))
const { default: Fastify } = await import('fastify')
const app = Fastify({ logger: true })
app.get('/', async () => ({ ok: true }))
await app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' })
