/** CraftKit and Latchkey as one server: `node examples/craftkit/server.ts`. Takes the variables of `npm start`. */
import { buildServer, openLatchkey } from '../../src/index.ts'
import { craftkit, craftkitPath, declareCraftkit } from './api.ts'
import { openStudio } from './studio.ts'

const latchkey = await openLatchkey()
await declareCraftkit(latchkey)
const app = await buildServer(latchkey)
await app.register(craftkit(latchkey, openStudio()), { prefix: craftkitPath })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, async () => await app.close())
await app.listen({ port: latchkey.config.port, host: latchkey.config.host })
