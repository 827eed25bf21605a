// What a start is compared with: a bare Fastify that loads the packages that a running Latchkey on SQLite has loaded, listens, and answers.
import { enableCompileCache } from 'node:module'

enableCompileCache(process.argv[3])
await Promise.all([
  '@fastify/ajv-compiler', 'helmet', '@opentelemetry/api', '@prisma/adapter-better-sqlite3', '@prisma/client/runtime/client',
  '@prisma/client/runtime/query_compiler_small_bg.sqlite.mjs', '@prisma/client/runtime/query_compiler_small_bg.sqlite.wasm-base64.mjs', 'better-sqlite3',
  'commander', 'fastify-plugin', 'jose', 'lru-cache', 'oidc-provider', 'prom-client', 'typebox',
].map(name => import(name)))
const { default: Fastify } = await import('fastify')
const app = Fastify({ logger: true })
app.get('/', async () => ({ ok: true }))
await app.listen({ port: Number(process.argv[2]), host: '127.0.0.1' })
