/**
 * Crane Ledger and Latchkey as one server: `node examples/crane-ledger/server.ts`. Takes the variables of `npm start`;
 * LATCHKEY_TRUST_PROXY has to name the proxy that terminates TLS, because every other request is refused.
 */
import { buildServer, openLatchkey } from '../../src/index.ts'
import { craneLedger, craneLedgerPath, declareCraneLedger } from './api.ts'
import { openBooks } from './books.ts'

const latchkey = await openLatchkey()
await declareCraneLedger(latchkey)
const app = await buildServer(latchkey)
await app.register(craneLedger(latchkey, openBooks()), { prefix: craneLedgerPath })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, async () => await app.close())
await app.listen({ port: latchkey.config.port, host: latchkey.config.host })
