/**
 * OpenCrane and Latchkey as one server: `node examples/opencrane/server.ts`. Takes the variables of `npm start`;
 * OPENCRANE_TOKEN is the static token of automation, 32 characters or more.
 */
import { buildServer, loadConfig, openLatchkey } from '../../src/index.ts'
import { mountOpenCrane } from './api.ts'
import { managementPrefix } from './control-plane.ts'

const { OPENCRANE_TOKEN: token, ...environment } = process.env
const config = loadConfig({ ...environment, ...(token === undefined ? {} : { LATCHKEY_ADMIN_TOKEN: token }) })
const latchkey = await openLatchkey(config)
const app = await buildServer(latchkey, { management: { prefix: managementPrefix } })
await mountOpenCrane(app, latchkey)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, async () => await app.close())
await app.listen({ port: config.port, host: config.host })
