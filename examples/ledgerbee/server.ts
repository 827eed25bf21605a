/** LedgerBee and Latchkey as one server: `node examples/ledgerbee/server.ts`. Takes the variables of `npm start`. */
import { buildServer, openLatchkey } from '../../src/index.ts'
import { declareLedgerbee, ledgerbee } from './api.ts'
import { openBooks } from './books.ts'

const latchkey = await openLatchkey()
await declareLedgerbee(latchkey)
const app = await buildServer(latchkey)
await app.register(ledgerbee(latchkey, openBooks()))
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, async () => await app.close())
await app.listen({ port: latchkey.config.port, host: latchkey.config.host })
