/** CraftDesk and Latchkey as one server: `node examples/craftdesk/server.ts`. Takes the variables of `npm start`. */
import { buildServer, openLatchkey } from '../../src/index.ts'
import { craftdesk, craftdeskPath, declareCraftdesk } from './api.ts'
import { openDesk } from './desk.ts'

const latchkey = await openLatchkey()
await declareCraftdesk(latchkey)
const app = await buildServer(latchkey)
await app.register(craftdesk(latchkey, openDesk()), { prefix: craftdeskPath })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, async () => await app.close())
await app.listen({ port: latchkey.config.port, host: latchkey.config.host })
